-- A search costs what its owner's own mail costs. Each owner's messages lie in volumes of at most a few thousand, and
-- each word is indexed with its volume's number before it: so the words of a volume lie together, nobody's search walks
-- over anybody else's mail, and it begins with the newest volume. Outbox keeps the index; what others change or delete
-- by plain SQL the triggers note, with nothing but SQLite's own functions.
-- `mail_search` and `search_sweep` are not used any more; outbox empties the former when the new index is complete.

CREATE TABLE search_volumes (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    owner     TEXT NOT NULL,                               -- '' for mail of nobody
    first_ts  INTEGER NOT NULL,                            -- the oldest message,
    first_id  INTEGER NOT NULL,
    last_ts   INTEGER NOT NULL,                            -- and the newest
    last_id   INTEGER NOT NULL,
    lowest    INTEGER NOT NULL,                            -- slots from here
    highest   INTEGER NOT NULL,                            -- to here are taken, or were
    in_order  INTEGER NOT NULL DEFAULT 1,                  -- 1: a newer message has a higher slot
    is_full   INTEGER NOT NULL DEFAULT 0,
    documents INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX search_volumes_owner ON search_volumes (owner, last_ts, last_id);
CREATE INDEX search_volumes_open ON search_volumes (owner) WHERE is_full = 0;
CREATE INDEX search_volumes_sparse ON search_volumes (documents) WHERE is_full = 1;

-- Which messages are indexed. The id is the volume's times 65536, and the slot in it.
CREATE TABLE search_documents (
    id          INTEGER PRIMARY KEY,
    email_id    INTEGER NOT NULL,
    received_ts INTEGER NOT NULL,
    extras      TEXT NOT NULL,                             -- JSON: what it is found by besides the columns of `emails`
    checksum    INTEGER NOT NULL                           -- of its words
);
CREATE UNIQUE INDEX search_documents_email ON search_documents (email_id);
CREATE TRIGGER search_documents_insert AFTER INSERT ON search_documents
BEGIN
    UPDATE search_volumes SET documents = documents + 1 WHERE id = new.id >> 16;
END;
CREATE TRIGGER search_documents_delete AFTER DELETE ON search_documents
BEGIN
    UPDATE search_volumes SET documents = documents - 1 WHERE id = old.id >> 16;
END;

-- Its rows are kept by outbox; each word has the number of its volume before it, so no other program reads anything here.
CREATE VIRTUAL TABLE mail_words USING fts5 (
    sender, recipient, cc, subject, body, filename, list, content = '', tokenize = 'ascii'
);

-- What is to be indexed, and what is to be taken out of the index: with its text as it was, which tells its words.
CREATE TABLE search_queue (
    email_id INTEGER PRIMARY KEY
);
CREATE TABLE search_removals (
    document_id INTEGER PRIMARY KEY,
    sender      TEXT,
    sender_name TEXT,
    recipient   TEXT,
    subject     TEXT,
    body        TEXT,
    extras      TEXT,
    checksum    INTEGER
);

-- Messages up to `position` that are not indexed are still to be: outbox goes down from there. `form` says how the
-- words were made; '' has outbox empty the index, and begin anew.
CREATE TABLE search_progress (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    position INTEGER NOT NULL,
    form     TEXT NOT NULL
);
INSERT INTO search_progress (id, position, form) SELECT 1, coalesce(max(id), 0), '' FROM emails;

CREATE TRIGGER emails_search_indexed AFTER UPDATE OF indexed ON emails
WHEN new.indexed = 1 AND old.indexed = 0
BEGIN
    INSERT OR IGNORE INTO search_queue (email_id) VALUES (new.id);
END;
CREATE TRIGGER emails_search_update
AFTER UPDATE OF sender, sender_name, recipient, subject, body, owner, received_ts ON emails
WHEN new.indexed = 1 AND old.indexed = 1
 AND (new.sender IS NOT old.sender OR new.sender_name IS NOT old.sender_name OR new.recipient IS NOT old.recipient
      OR new.subject IS NOT old.subject OR new.body IS NOT old.body OR new.owner IS NOT old.owner
      OR new.received_ts IS NOT old.received_ts)
BEGIN
    INSERT OR IGNORE INTO search_removals
    SELECT id, old.sender, old.sender_name, old.recipient, old.subject, old.body, extras, checksum
    FROM search_documents WHERE email_id = old.id;
    DELETE FROM search_documents WHERE email_id = old.id;
    INSERT OR IGNORE INTO search_queue (email_id) VALUES (new.id);
END;
CREATE TRIGGER emails_search_delete AFTER DELETE ON emails
BEGIN
    INSERT OR IGNORE INTO search_removals
    SELECT id, old.sender, old.sender_name, old.recipient, old.subject, old.body, extras, checksum
    FROM search_documents WHERE email_id = old.id;
    DELETE FROM search_documents WHERE email_id = old.id;
    DELETE FROM search_queue WHERE email_id = old.id;
END;

-- An owner's mail in the order of time, with all that a search asks of it besides its words.
CREATE INDEX emails_time ON emails (owner, received_ts, id, folder, is_read, has_attachments, is_starred, size);
-- What is to or from an address.
CREATE INDEX emails_by_sender ON emails (lower(sender), owner, folder, received_ts, id);
CREATE INDEX emails_by_recipient ON emails (lower(recipient), owner, folder, received_ts, id);
