-- Since when a message lies in trash or junk, for who has it removed after a while. Rows follow the messages, whoever
-- moves them; what lay there before counts from now on.
CREATE TABLE put_away (
    email_id INTEGER PRIMARY KEY,
    folder   TEXT NOT NULL,
    since_ts INTEGER NOT NULL
);
CREATE INDEX put_away_since ON put_away (folder, since_ts);

INSERT INTO put_away (email_id, folder, since_ts)
SELECT id, folder, CAST(strftime('%s', 'now') AS INTEGER) FROM emails WHERE folder IN ('trash', 'junk');

CREATE TRIGGER put_away_insert AFTER INSERT ON emails WHEN new.folder IN ('trash', 'junk')
BEGIN
    INSERT OR REPLACE INTO put_away (email_id, folder, since_ts)
    VALUES (new.id, new.folder, CAST(strftime('%s', 'now') AS INTEGER));
END;
CREATE TRIGGER put_away_move AFTER UPDATE OF folder ON emails
WHEN new.folder IS NOT old.folder AND (new.folder IN ('trash', 'junk') OR old.folder IN ('trash', 'junk'))
BEGIN
    DELETE FROM put_away WHERE email_id = new.id;
    INSERT INTO put_away (email_id, folder, since_ts)
    SELECT new.id, new.folder, CAST(strftime('%s', 'now') AS INTEGER) WHERE new.folder IN ('trash', 'junk');
END;
CREATE TRIGGER put_away_delete AFTER DELETE ON emails WHEN old.folder IN ('trash', 'junk')
BEGIN
    DELETE FROM put_away WHERE email_id = old.id;
END;
