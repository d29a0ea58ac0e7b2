-- What users write with: whom they know, their names and signatures, texts that they use again, and read receipts.

CREATE TABLE contacts (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    owner        TEXT NOT NULL,
    uid          TEXT NOT NULL,                            -- of the vCard (RFC 6350 section 6.7.6)
    name         TEXT NOT NULL DEFAULT '',
    organisation TEXT NOT NULL DEFAULT '',
    emails       TEXT NOT NULL DEFAULT '[]',               -- JSON: addresses as they are shown, the first one preferred
    phones       TEXT NOT NULL DEFAULT '[]',               -- JSON
    groups       TEXT NOT NULL DEFAULT '[]',               -- JSON: names
    note         TEXT NOT NULL DEFAULT '',
    others       TEXT NOT NULL DEFAULT '[]',               -- JSON: lines of the vCard that are kept as they are
    words     TEXT NOT NULL DEFAULT '',                 -- words in lower case, each after a space
    changed_ts   INTEGER NOT NULL
);
CREATE INDEX contacts_owner ON contacts (owner, name);
CREATE TABLE contact_addresses (
    id         INTEGER PRIMARY KEY,
    owner      TEXT NOT NULL,
    address    TEXT NOT NULL,                              -- as addresses are compared
    contact_id INTEGER NOT NULL
);
CREATE UNIQUE INDEX contact_addresses_address ON contact_addresses (owner, address, contact_id);
CREATE INDEX contact_addresses_contact ON contact_addresses (contact_id);
CREATE TRIGGER contacts_delete AFTER DELETE ON contacts
BEGIN
    DELETE FROM contact_addresses WHERE contact_id = old.id;
END;

-- Whom each user wrote to and got mail from, for completion. Outbox keeps it from queue and mailboxes. `rank` is the
-- logarithm of a sum in which each message weighs half as much as one a month later.
CREATE TABLE addressees (
    owner    TEXT NOT NULL,
    address  TEXT NOT NULL,                                -- as addresses are compared
    shown    TEXT NOT NULL,
    name     TEXT NOT NULL DEFAULT '',
    words TEXT NOT NULL,                                -- words in lower case, each after a space
    rank     REAL NOT NULL,
    written  INTEGER NOT NULL DEFAULT 0,                   -- messages to them
    heard    INTEGER NOT NULL DEFAULT 0,                   -- messages from them
    last_ts  INTEGER NOT NULL,
    is_hidden INTEGER NOT NULL DEFAULT 0,                  -- 1: the user wants to see them no more
    PRIMARY KEY (owner, address)
);
CREATE INDEX addressees_rank ON addressees (owner, rank);

-- As whom a user writes from an address of theirs.
CREATE TABLE identities (
    owner          TEXT NOT NULL,
    address        TEXT NOT NULL,                          -- as addresses are compared
    name           TEXT NOT NULL DEFAULT '',
    signature_html TEXT NOT NULL DEFAULT '',               -- '': plain text alone
    signature_text TEXT NOT NULL DEFAULT '',
    reply_to       TEXT NOT NULL DEFAULT '',
    is_default     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (owner, address)
);

CREATE TABLE templates (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    owner      TEXT NOT NULL,
    name       TEXT NOT NULL,
    subject    TEXT NOT NULL DEFAULT '',
    html       TEXT NOT NULL DEFAULT '',                   -- '': plain text alone
    text       TEXT NOT NULL DEFAULT '',
    changed_ts INTEGER NOT NULL
);
CREATE UNIQUE INDEX templates_name ON templates (owner, name);

ALTER TABLE emails ADD COLUMN receipt_answer TEXT;         -- sent, declined: whether its sender was told that it was read
ALTER TABLE user_preferences ADD COLUMN receipts TEXT;     -- always, never; NULL: the user is asked
ALTER TABLE user_preferences ADD COLUMN writes_language TEXT;   -- BCP 47; NULL: the browser's
