-- Whom each user corresponds with, so that who pretends to be one of them is noticed. Outbox keeps it from what the
-- queue and the mailboxes hold; `domain` is the organizational one, `name` how the person calls himself.

CREATE TABLE correspondents (
    owner      TEXT NOT NULL,
    address    TEXT NOT NULL,
    domain     TEXT NOT NULL,
    name       TEXT NOT NULL DEFAULT '',
    known_ts   INTEGER NOT NULL,                                           -- the first mail either way
    written_ts INTEGER,                                                    -- the first mail to him; NULL: none
    last_ts    INTEGER NOT NULL,
    PRIMARY KEY (owner, address)
);
CREATE INDEX correspondents_last ON correspondents (owner, last_ts);

-- How far each table has been looked through.
CREATE TABLE correspondents_seen (
    source  TEXT PRIMARY KEY,
    last_id INTEGER NOT NULL
);
