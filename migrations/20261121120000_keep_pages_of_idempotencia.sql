-- Answers are forgotten after a day, so a quiet night empties the table. If VACUUM then gave its pages back, a plan made over no page
-- at all would read the whole table for each key until the next ANALYZE, which a busy morning reaches a minute too late.
ALTER TABLE idempotencia SET (vacuum_truncate = false);
