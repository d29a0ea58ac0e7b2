-- Keys that callers give with what they send (Idempotency-Key), so that it is sent once however often they ask.

CREATE TABLE send_keys (
    username     TEXT NOT NULL,                            -- '': the service token that acts for nobody
    key          TEXT NOT NULL,
    request_hash BLOB NOT NULL,                            -- SHA-256 of what was asked for
    answer       TEXT NOT NULL,                            -- JSON, as it was given
    created_ts   INTEGER NOT NULL,
    PRIMARY KEY (username, key)
) WITHOUT ROWID;
CREATE INDEX send_keys_created ON send_keys (created_ts);
