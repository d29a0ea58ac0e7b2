-- Notifications that come back: bounces, complaints and automatic answers, tied to the mail that they are about.

-- The Message-ID that each message had which another site took, as notifications name it.
CREATE TABLE sent_messages (
    content_id INTEGER PRIMARY KEY,
    message_id TEXT NOT NULL
);
CREATE INDEX sent_messages_message_id ON sent_messages (message_id);
CREATE TRIGGER contents_removed_sent AFTER DELETE ON contents
BEGIN
    DELETE FROM sent_messages WHERE content_id = old.id;
END;

-- What a message in a mailbox says of mail that was sent, a row for each recipient that it names.
CREATE TABLE delivery_reports (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    email_id    INTEGER NOT NULL,                          -- the notification itself
    outbox_id   INTEGER,                                   -- what was sent; NULL: it ties to nothing
    believed    INTEGER NOT NULL DEFAULT 0,                -- 1: nobody else can have written it
    kind        TEXT NOT NULL,                             -- bounce, complaint, auto-reply
    action      TEXT NOT NULL DEFAULT 'failed',            -- failed, delayed, delivered, relayed, expanded (RFC 3464)
    recipient   TEXT NOT NULL DEFAULT '',
    host        TEXT NOT NULL DEFAULT '',                  -- who gave the reply
    code        INTEGER,
    enhanced    TEXT NOT NULL DEFAULT '',
    reply       TEXT NOT NULL DEFAULT '',
    explanation TEXT NOT NULL DEFAULT ''
);
CREATE INDEX delivery_reports_email ON delivery_reports (email_id);
CREATE INDEX delivery_reports_outbox ON delivery_reports (outbox_id) WHERE outbox_id IS NOT NULL;
CREATE TRIGGER emails_removed_reports AFTER DELETE ON emails
BEGIN
    DELETE FROM delivery_reports WHERE email_id = old.id;
END;
CREATE TRIGGER outbox_removed_reports AFTER DELETE ON outbox
BEGIN
    UPDATE delivery_reports SET outbox_id = NULL WHERE outbox_id = old.id;
END;
