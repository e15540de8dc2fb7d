-- Whether the type of the work item had no CompletedWork when its hours were looked at last: they are here alone then,
-- and are never said to be written.
ALTER TABLE write_back ADD COLUMN sem_campo boolean NOT NULL DEFAULT false;
