-- The object that a request with an Idempotency-Key created, if it is no time entry (apontamento_id).
ALTER TABLE idempotencia ADD COLUMN objeto_id uuid;
