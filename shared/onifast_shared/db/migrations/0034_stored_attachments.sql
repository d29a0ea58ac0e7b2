-- Where the files of large messages lie among their stored bytes, so that one is sent without reading the message whole.
-- Outbox writes it as it indexes a message, web as it has to read one that is not here. `begins` and `ends` count octets
-- of the stored bytes, `size` those of the file decoded; `encoding` is base64, or '' where there is none.

CREATE TABLE stored_attachments (
    content_id   INTEGER NOT NULL,
    place        INTEGER NOT NULL,                         -- its number among the message's attachments
    begins       INTEGER NOT NULL,
    ends         INTEGER NOT NULL,
    encoding     TEXT NOT NULL,
    size         INTEGER NOT NULL,
    filename     TEXT NOT NULL,
    content_type TEXT NOT NULL,
    PRIMARY KEY (content_id, place)
) WITHOUT ROWID;

CREATE TRIGGER contents_removed_attachments AFTER DELETE ON contents
BEGIN
    DELETE FROM stored_attachments WHERE content_id = old.id;
END;
