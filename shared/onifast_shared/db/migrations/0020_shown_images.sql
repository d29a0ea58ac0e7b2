-- Whose images a user wants to see always: the author's address of mail that is proven to come from there.
CREATE TABLE image_senders (
    username TEXT NOT NULL,
    address  TEXT NOT NULL,
    since_ts INTEGER NOT NULL,
    PRIMARY KEY (username, address)
);

-- Images of messages that outbox fetches, so that their senders do not learn the reader's address. Web asks by a row,
-- and outbox answers in it; kept for a while, so that who opens the message again has them at once.
CREATE TABLE remote_images (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    owner        TEXT NOT NULL,
    url          TEXT NOT NULL,
    asked_ts     INTEGER NOT NULL,
    answered_ts  INTEGER,                                  -- NULL: not yet
    content_type TEXT,                                     -- NULL in an answer: there is no such image
    size         INTEGER NOT NULL DEFAULT 0,
    data         BLOB,
    UNIQUE (owner, url)
);
CREATE INDEX remote_images_waiting ON remote_images (id) WHERE answered_ts IS NULL;
CREATE INDEX remote_images_time ON remote_images (asked_ts, size);
CREATE INDEX remote_images_owner ON remote_images (owner, id, size);
