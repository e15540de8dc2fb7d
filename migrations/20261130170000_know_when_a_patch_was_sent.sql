-- A pending patch may still arrive for a while after it was sent.

-- When the pending patch was last sent with an outcome that is not known.
ALTER TABLE write_back ADD COLUMN intencao_em timestamptz;
