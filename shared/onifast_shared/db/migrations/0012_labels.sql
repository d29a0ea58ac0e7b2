-- Labels, own folders and stars. A message has any number of labels beside its folder. An own folder is a label that
-- excludes other own folders, and lies on archived mail alone: who moves a message elsewhere takes it out of there.
-- The triggers keep order, and the counts, whoever changes or deletes mail; they are SQLite's own functions throughout.

ALTER TABLE emails ADD COLUMN is_starred INTEGER NOT NULL DEFAULT 0;
CREATE INDEX emails_starred ON emails (owner, received_ts, id)
WHERE is_starred <> 0 AND folder <> 'trash' AND folder <> 'junk';

CREATE TABLE labels (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    owner      TEXT NOT NULL,
    name       TEXT NOT NULL,                              -- with those above it: 'Clients/Acme'
    name_key   TEXT NOT NULL,                              -- the name, by which labels are told apart
    colour     TEXT NOT NULL DEFAULT '',
    is_folder  INTEGER NOT NULL DEFAULT 0,                 -- 1: an own folder
    total      INTEGER NOT NULL DEFAULT 0,                 -- messages with it that lie neither in trash nor in junk,
    unread     INTEGER NOT NULL DEFAULT 0,                 -- and those of them that are unread
    created_ts INTEGER NOT NULL
);
CREATE UNIQUE INDEX labels_key ON labels (owner, name_key);

-- What stands with the message is repeated here, so that a label's list is read in order, and its counts are kept.
CREATE TABLE email_labels (
    label_id    INTEGER NOT NULL REFERENCES labels (id) ON DELETE CASCADE,
    is_shown    INTEGER NOT NULL,                          -- 0: the message lies in trash or junk
    received_ts INTEGER NOT NULL,
    email_id    INTEGER NOT NULL REFERENCES emails (id) ON DELETE CASCADE,
    is_unread   INTEGER NOT NULL,
    is_folder   INTEGER NOT NULL,
    PRIMARY KEY (label_id, is_shown, received_ts, email_id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX email_labels_email ON email_labels (email_id, label_id);
CREATE UNIQUE INDEX email_labels_folder ON email_labels (email_id) WHERE is_folder <> 0;

CREATE TRIGGER email_labels_insert AFTER INSERT ON email_labels
WHEN new.is_shown <> 0
BEGIN
    UPDATE labels SET total = total + 1, unread = unread + (new.is_unread <> 0) WHERE id = new.label_id;
END;
CREATE TRIGGER email_labels_delete AFTER DELETE ON email_labels
WHEN old.is_shown <> 0
BEGIN
    UPDATE labels SET total = max(0, total - 1), unread = max(0, unread - (old.is_unread <> 0))
    WHERE id = old.label_id;
END;
CREATE TRIGGER email_labels_update AFTER UPDATE ON email_labels
WHEN new.label_id <> old.label_id OR new.is_shown <> old.is_shown OR new.is_unread <> old.is_unread
BEGIN
    UPDATE labels SET total = max(0, total - 1), unread = max(0, unread - (old.is_unread <> 0))
    WHERE id = old.label_id AND old.is_shown <> 0;
    UPDATE labels SET total = total + 1, unread = unread + (new.is_unread <> 0)
    WHERE id = new.label_id AND new.is_shown <> 0;
END;

CREATE TRIGGER emails_labels_update AFTER UPDATE OF is_read, folder, received_ts ON emails
WHEN new.is_read IS NOT old.is_read OR new.folder IS NOT old.folder OR new.received_ts IS NOT old.received_ts
BEGIN
    DELETE FROM email_labels WHERE email_id = new.id AND is_folder <> 0 AND new.folder IS NOT 'archive';
    UPDATE email_labels
    SET is_shown = coalesce(new.folder, '') NOT IN ('trash', 'junk'),
        is_unread = coalesce(new.is_read, 0) = 0,
        received_ts = coalesce(new.received_ts, 0)
    WHERE email_id = new.id;
END;
-- Another owner has other labels; where the labels went along (a user who is renamed), they stay.
CREATE TRIGGER emails_labels_owner AFTER UPDATE OF owner ON emails
WHEN new.owner IS NOT old.owner
BEGIN
    DELETE FROM email_labels
    WHERE email_id = new.id AND label_id NOT IN (SELECT id FROM labels WHERE owner = new.owner);
END;
CREATE TRIGGER emails_labels_delete AFTER DELETE ON emails
BEGIN
    DELETE FROM email_labels WHERE email_id = old.id;
END;

CREATE TRIGGER labels_delete AFTER DELETE ON labels
BEGIN
    DELETE FROM email_labels WHERE label_id = old.id;
END;
-- What two users have who become one keeps its mail: it gets the label of that name that is there.
CREATE TRIGGER labels_owner BEFORE UPDATE OF owner ON labels
WHEN new.owner IS NOT old.owner
BEGIN
    UPDATE OR IGNORE email_labels
    SET label_id = (SELECT id FROM labels WHERE owner = new.owner AND name_key = old.name_key)
    WHERE label_id = old.id
      AND EXISTS (SELECT 1 FROM labels
                  WHERE owner = new.owner AND name_key = old.name_key AND is_folder = old.is_folder);
END;
