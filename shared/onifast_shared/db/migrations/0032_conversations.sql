-- Conversations: messages of one owner that answer each other. Outbox's indexer puts each message into one; what a list
-- shows of a conversation is read from the messages by the index, so that nothing has to follow when these change.

ALTER TABLE emails ADD COLUMN conversation_id INTEGER;                     -- NULL: not put into one yet
ALTER TABLE emails ADD COLUMN is_answered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE emails ADD COLUMN is_forwarded INTEGER NOT NULL DEFAULT 0;
CREATE INDEX emails_conversation ON emails (conversation_id, received_ts, id, folder, is_read, owner)
WHERE conversation_id IS NOT NULL;
CREATE INDEX emails_conversation_page ON emails (owner, folder, received_ts, id, conversation_id);
CREATE INDEX emails_without_conversation ON emails (id)
WHERE conversation_id IS NULL AND indexed = 1 AND owner IS NOT NULL;

CREATE TABLE conversations (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    owner    TEXT NOT NULL,
    is_muted INTEGER NOT NULL DEFAULT 0                    -- 1: what comes later is archived, as read
);
CREATE INDEX conversations_owner ON conversations (owner);

-- What a message is found by that belongs to a conversation: a hash of a message id that one of it has or refers to, or
-- of its subject and somebody who takes part. `latest_ts` says until when the subject counts.
CREATE TABLE conversation_keys (
    id              INTEGER PRIMARY KEY,
    owner           TEXT NOT NULL,
    key             BLOB NOT NULL,
    conversation_id INTEGER NOT NULL,
    latest_ts       INTEGER NOT NULL
);
CREATE UNIQUE INDEX conversation_keys_key ON conversation_keys (owner, key, conversation_id);
CREATE INDEX conversation_keys_conversation ON conversation_keys (conversation_id);

-- How a user wants lists; NULL is what is usual.
ALTER TABLE user_preferences ADD COLUMN single_lines INTEGER NOT NULL DEFAULT 0;
ALTER TABLE user_preferences ADD COLUMN density TEXT;
ALTER TABLE user_preferences ADD COLUMN reading_pane TEXT;
ALTER TABLE user_preferences ADD COLUMN swipe_left TEXT;
ALTER TABLE user_preferences ADD COLUMN swipe_right TEXT;

-- A conversation without messages is gone, and what it was found by.
CREATE TRIGGER emails_conversation_delete AFTER DELETE ON emails
WHEN old.conversation_id IS NOT NULL
BEGIN
    DELETE FROM conversations
    WHERE id = old.conversation_id AND NOT EXISTS (SELECT 1 FROM emails WHERE conversation_id = old.conversation_id);
END;
CREATE TRIGGER emails_conversation_leave AFTER UPDATE OF conversation_id ON emails
WHEN old.conversation_id IS NOT NULL AND new.conversation_id IS NOT old.conversation_id
BEGIN
    DELETE FROM conversations
    WHERE id = old.conversation_id AND NOT EXISTS (SELECT 1 FROM emails WHERE conversation_id = old.conversation_id);
END;
CREATE TRIGGER conversations_delete AFTER DELETE ON conversations
BEGIN
    DELETE FROM conversation_keys WHERE conversation_id = old.id;
END;

-- Nobody's message is in a conversation of somebody else's; outbox finds its own one for it.
CREATE TRIGGER emails_conversation_owner AFTER UPDATE OF owner ON emails
WHEN new.owner IS NOT old.owner AND new.conversation_id IS NOT NULL
 AND NOT EXISTS (SELECT 1 FROM conversations WHERE id = new.conversation_id AND owner IS new.owner)
BEGIN
    UPDATE emails SET conversation_id = NULL WHERE id = new.id;
END;

-- What lists show changes.
CREATE TRIGGER emails_conversation_version AFTER UPDATE OF conversation_id, is_answered, is_forwarded ON emails
WHEN new.conversation_id IS NOT old.conversation_id OR new.is_answered IS NOT old.is_answered
  OR new.is_forwarded IS NOT old.is_forwarded
BEGIN
    UPDATE folder_counts SET version = version + 1
    WHERE folder = coalesce(new.folder, '')
      AND owner IN (coalesce(new.owner, ''), CASE WHEN coalesce(new.owner, '') NOT GLOB '~*' THEN '*' END);
END;
CREATE TRIGGER conversations_version AFTER UPDATE OF is_muted ON conversations
WHEN new.is_muted IS NOT old.is_muted
BEGIN
    UPDATE folder_counts SET version = version + 1 WHERE owner IN (new.owner, '*');
END;
