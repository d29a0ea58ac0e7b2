-- 0027 made the trigger emails_complete anew, and SQLite runs those of one event the newest first: a row of a script's was
-- completed before it was counted, and its move from nobody to its owner found nothing to subtract from. Counting comes
-- first again.

DROP TRIGGER emails_counted_insert;
CREATE TRIGGER emails_counted_insert AFTER INSERT ON emails
BEGIN
    INSERT INTO folder_counts (owner, folder, total, unread, version)
    SELECT whose.owner, coalesce(new.folder, ''), 1, NOT coalesce(new.is_read <> 0, 0), 1
    FROM (SELECT coalesce(new.owner, '') AS owner UNION ALL SELECT '*' WHERE coalesce(new.owner, '') NOT GLOB '~*') whose
    WHERE true
    ON CONFLICT (owner, folder)
    DO UPDATE SET total = total + 1, unread = unread + excluded.unread, version = version + 1;
END;
