-- What is being written in the webmail: one row for each composer, which the browser names by a key of its own.

CREATE TABLE composers (
    owner    TEXT NOT NULL,
    key      TEXT NOT NULL,
    draft_id INTEGER NOT NULL,                             -- the message in drafts that holds it
    writer   TEXT NOT NULL,                                -- the page that saved it last
    words    TEXT NOT NULL DEFAULT '',                     -- JSON: what was typed since the draft was written
    saved_ts INTEGER NOT NULL,
    PRIMARY KEY (owner, key)
);
CREATE INDEX composers_draft ON composers (draft_id);

ALTER TABLE user_preferences ADD COLUMN writes_plain INTEGER;   -- NULL: rich text
