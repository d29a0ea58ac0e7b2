-- How much lies in each folder, kept by triggers that any SQLite runs, and versions, so that who looks again is told at
-- once that nothing has changed.

-- `owner` is '' for mail that is nobody's, and '*' for all that is not set aside. `version` changes with whatever a list
-- of the folder shows, and only rises; rows stay when their folder is empty. Numbers of triggers that run in either
-- order: a row may pass through less than 0 within a statement.
CREATE TABLE folder_counts (
    owner   TEXT NOT NULL,
    folder  TEXT NOT NULL,
    total   INTEGER NOT NULL DEFAULT 0,
    unread  INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (owner, folder)
) WITHOUT ROWID;

INSERT INTO folder_counts (owner, folder, total, unread, version)
SELECT coalesce(owner, ''), coalesce(folder, ''), count(*), count(*) - total(is_read <> 0), 1
FROM emails GROUP BY 1, 2;
INSERT INTO folder_counts (owner, folder, total, unread, version)
SELECT '*', folder, sum(total), sum(unread), 1 FROM folder_counts WHERE owner NOT GLOB '~*' GROUP BY folder;

CREATE TRIGGER emails_counted_insert AFTER INSERT ON emails
BEGIN
    INSERT INTO folder_counts (owner, folder, total, unread, version)
    SELECT whose.owner, coalesce(new.folder, ''), 1, NOT coalesce(new.is_read <> 0, 0), 1
    FROM (SELECT coalesce(new.owner, '') AS owner UNION ALL SELECT '*' WHERE coalesce(new.owner, '') NOT GLOB '~*') whose
    WHERE true
    ON CONFLICT (owner, folder)
    DO UPDATE SET total = total + 1, unread = unread + excluded.unread, version = version + 1;
END;

CREATE TRIGGER emails_counted_delete AFTER DELETE ON emails
BEGIN
    UPDATE folder_counts
    SET total = total - 1, unread = unread - NOT coalesce(old.is_read <> 0, 0), version = version + 1
    WHERE folder = coalesce(old.folder, '')
      AND owner IN (coalesce(old.owner, ''), CASE WHEN coalesce(old.owner, '') NOT GLOB '~*' THEN '*' END);
END;

CREATE TRIGGER emails_counted_move AFTER UPDATE OF owner, folder ON emails
WHEN new.owner IS NOT old.owner OR new.folder IS NOT old.folder
BEGIN
    UPDATE folder_counts
    SET total = total - 1, unread = unread - NOT coalesce(old.is_read <> 0, 0), version = version + 1
    WHERE folder = coalesce(old.folder, '')
      AND owner IN (coalesce(old.owner, ''), CASE WHEN coalesce(old.owner, '') NOT GLOB '~*' THEN '*' END);
    INSERT INTO folder_counts (owner, folder, total, unread, version)
    SELECT whose.owner, coalesce(new.folder, ''), 1, NOT coalesce(new.is_read <> 0, 0), 1
    FROM (SELECT coalesce(new.owner, '') AS owner UNION ALL SELECT '*' WHERE coalesce(new.owner, '') NOT GLOB '~*') whose
    WHERE true
    ON CONFLICT (owner, folder)
    DO UPDATE SET total = total + 1, unread = unread + excluded.unread, version = version + 1;
END;

-- What stays where it is: read or unread, and the columns that lists show.
CREATE TRIGGER emails_counted_change AFTER UPDATE OF is_read, sender, sender_name, recipient, reverse_path, subject,
    snippet, received_ts, size, has_attachments, authentication, content_id, indexed, is_starred ON emails
WHEN new.owner IS old.owner AND new.folder IS old.folder
BEGIN
    UPDATE folder_counts
    SET unread = unread + coalesce(old.is_read <> 0, 0) - coalesce(new.is_read <> 0, 0), version = version + 1
    WHERE folder = coalesce(new.folder, '')
      AND owner IN (coalesce(new.owner, ''), CASE WHEN coalesce(new.owner, '') NOT GLOB '~*' THEN '*' END);
END;

-- Labels, which lists show with their messages.
CREATE TRIGGER email_labels_version_insert AFTER INSERT ON email_labels
BEGIN
    UPDATE folder_counts SET version = version + 1
    WHERE owner IN ((SELECT owner FROM emails WHERE id = new.email_id), '*')
      AND folder = (SELECT folder FROM emails WHERE id = new.email_id);
END;
CREATE TRIGGER email_labels_version_delete AFTER DELETE ON email_labels
BEGIN
    UPDATE folder_counts SET version = version + 1
    WHERE owner IN ((SELECT owner FROM emails WHERE id = old.email_id), '*')
      AND folder = (SELECT folder FROM emails WHERE id = old.email_id);
END;
CREATE TRIGGER labels_version AFTER UPDATE OF name, colour, is_folder ON labels
BEGIN
    UPDATE folder_counts SET version = version + 1 WHERE owner IN (new.owner, '*');
END;

-- Whom somebody corresponds with decides which messages are doubtful, and changes more rarely than mail comes.
CREATE TABLE correspondents_versions (
    owner   TEXT PRIMARY KEY,
    version INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TRIGGER correspondents_version_insert AFTER INSERT ON correspondents
BEGIN
    INSERT INTO correspondents_versions (owner, version) VALUES (new.owner, 1)
    ON CONFLICT (owner) DO UPDATE SET version = version + 1;
END;

CREATE TRIGGER correspondents_version_delete AFTER DELETE ON correspondents
BEGIN
    INSERT INTO correspondents_versions (owner, version) VALUES (old.owner, 1)
    ON CONFLICT (owner) DO UPDATE SET version = version + 1;
END;

CREATE TRIGGER correspondents_version_update AFTER UPDATE ON correspondents
WHEN new.owner IS NOT old.owner OR new.address IS NOT old.address OR new.domain IS NOT old.domain
  OR new.name IS NOT old.name OR new.known_ts IS NOT old.known_ts OR new.written_ts IS NOT old.written_ts
BEGIN
    INSERT INTO correspondents_versions (owner, version) VALUES (old.owner, 1)
    ON CONFLICT (owner) DO UPDATE SET version = version + 1;
    INSERT INTO correspondents_versions (owner, version) SELECT new.owner, 1 WHERE new.owner IS NOT old.owner
    ON CONFLICT (owner) DO UPDATE SET version = version + 1;
END;
