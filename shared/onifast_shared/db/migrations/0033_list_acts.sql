-- What is done to messages in lists, so that it can be undone, goes on by itself where there are many of them, and is
-- final only after a while where they are deleted; and messages that are put off until a time.

-- One act. `wanted` is JSON: what it is about where that is all of a list, '' for the messages that were named; outbox
-- then goes through them from `cursor` on. What is deleted lies under the owner '~deleted', where nobody sees it, until
-- `ends_ts`, which is also until when it can be undone.
CREATE TABLE list_acts (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    owner      TEXT NOT NULL,
    action     TEXT NOT NULL,                              -- move, read, unread, star, unstar, label, unlabel, delete, snooze
    target     TEXT NOT NULL DEFAULT '',                   -- a place, the ids of labels, or the time
    came       TEXT NOT NULL DEFAULT '',                   -- the place that it was done in
    wanted     TEXT NOT NULL DEFAULT '',
    cursor     TEXT,
    newest_id  INTEGER NOT NULL DEFAULT 0,                 -- what came later is not meant
    state      TEXT NOT NULL,                              -- working, done, undoing, undone
    total      INTEGER NOT NULL DEFAULT 0,                 -- how many messages it is about, as far as that is known
    done       INTEGER NOT NULL DEFAULT 0,                 -- how many of them it has been done to, or undone
    created_ts INTEGER NOT NULL,
    ends_ts    INTEGER NOT NULL
);
CREATE INDEX list_acts_owner ON list_acts (owner, id);
CREATE INDEX list_acts_waiting ON list_acts (id) WHERE state IN ('working', 'undoing');
CREATE INDEX list_acts_ends ON list_acts (ends_ts);

-- How each message was before, as JSON.
CREATE TABLE list_act_messages (
    act_id   INTEGER NOT NULL,
    email_id INTEGER NOT NULL,
    was      TEXT NOT NULL,
    PRIMARY KEY (act_id, email_id)
) WITHOUT ROWID;
CREATE TRIGGER list_acts_delete AFTER DELETE ON list_acts
BEGIN
    DELETE FROM list_act_messages WHERE act_id = old.id;
END;

-- Until when a message is put off, and lies in the archive; who moves it elsewhere ends that. It comes back to the top of
-- the inbox: its `received_ts` is then when it came back, and `woken_from_ts` when it came first.
ALTER TABLE emails ADD COLUMN snoozed_until INTEGER;
ALTER TABLE emails ADD COLUMN woken_from_ts INTEGER;
CREATE INDEX emails_snoozed ON emails (owner, snoozed_until, id) WHERE snoozed_until IS NOT NULL;
CREATE INDEX emails_to_wake ON emails (snoozed_until) WHERE snoozed_until IS NOT NULL;

CREATE TRIGGER emails_snoozed_moved AFTER UPDATE OF folder ON emails
WHEN new.snoozed_until IS NOT NULL AND new.folder IS NOT 'archive'
BEGIN
    UPDATE emails SET snoozed_until = NULL WHERE id = new.id;
END;
CREATE TRIGGER email_labels_snoozed AFTER INSERT ON email_labels
WHEN new.is_folder <> 0
BEGIN
    UPDATE emails SET snoozed_until = NULL WHERE id = new.email_id AND snoozed_until IS NOT NULL;
END;
CREATE TRIGGER emails_snoozed_version AFTER UPDATE OF snoozed_until ON emails
WHEN new.snoozed_until IS NOT old.snoozed_until
BEGIN
    UPDATE folder_counts SET version = version + 1
    WHERE folder = coalesce(new.folder, '')
      AND owner IN (coalesce(new.owner, ''), CASE WHEN coalesce(new.owner, '') NOT GLOB '~*' THEN '*' END);
END;
