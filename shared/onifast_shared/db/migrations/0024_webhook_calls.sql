-- What became of each event that a webhook was told of, or was to be: one row an event, with its last attempt. Kept for a
-- while (setting webhook_calls_kept), so that people see what their receiver answered, and can have it told again.
CREATE TABLE webhook_calls (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook_id   INTEGER NOT NULL,
    message_id   TEXT NOT NULL,                            -- as in webhook_events: the same at each attempt
    payload      TEXT NOT NULL,
    state        TEXT NOT NULL,                            -- told, failing, dropped
    attempts     INTEGER NOT NULL DEFAULT 1,
    called_ts    INTEGER NOT NULL,                         -- the last attempt
    status       INTEGER,                                  -- what the receiver answered, NULL for nothing
    milliseconds INTEGER NOT NULL DEFAULT 0,
    response     TEXT NOT NULL DEFAULT '',                 -- the beginning of the answer's body
    problem      TEXT NOT NULL DEFAULT '',
    next_ts      INTEGER                                   -- of the next attempt, NULL for none
);
CREATE UNIQUE INDEX webhook_calls_message ON webhook_calls (webhook_id, message_id);
CREATE INDEX webhook_calls_listed ON webhook_calls (webhook_id, id);
CREATE INDEX webhook_calls_called ON webhook_calls (called_ts);
CREATE TRIGGER webhook_calls_ended AFTER DELETE ON webhooks
BEGIN
    DELETE FROM webhook_calls WHERE webhook_id = old.id;
END;
