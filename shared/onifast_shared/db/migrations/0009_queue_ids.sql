-- A message's queue id, its one name in replies, logs, reports and history, stands with each of its rows.
-- NULL: from before there were such names, or written by another program.

ALTER TABLE outbox ADD COLUMN queue_id TEXT;
ALTER TABLE emails ADD COLUMN queue_id TEXT;

CREATE INDEX outbox_queue_id ON outbox (queue_id) WHERE queue_id IS NOT NULL;
