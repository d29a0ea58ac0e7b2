-- What users asked mailing lists, so as to get no more of their mail. One click (RFC 8058) is a request that outbox makes:
-- web asks by a row, and outbox answers in it. What was asked by mail is answered from the beginning.
CREATE TABLE unsubscriptions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    owner       TEXT NOT NULL,
    list        TEXT NOT NULL,                             -- its List-Id, or else its sender's address
    method      TEXT NOT NULL,                             -- one-click, mail
    target      TEXT NOT NULL,                             -- the URL, or the address
    asked_ts    INTEGER NOT NULL,
    answered_ts INTEGER,                                   -- NULL: not yet
    problem     TEXT NOT NULL DEFAULT '',                  -- why it could not be asked, in words
    UNIQUE (owner, list)
);
CREATE INDEX unsubscriptions_waiting ON unsubscriptions (id) WHERE answered_ts IS NULL;
