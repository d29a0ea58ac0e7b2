-- Users who are gone: who has been seen, what they left, and what is moved from one name to another.
-- `departed_users` of 0004 is not used any more.

-- Names that had a file in the panel's users/ once. Only they can go; owners of mail need not be users.
CREATE TABLE seen_users (
    username         TEXT PRIMARY KEY,
    missing_since_ts INTEGER,                              -- NULL: the file was there at the last look
    missing_boot     TEXT,                                 -- the boot of the first look without it, and
    missing_ms       INTEGER,                              -- when that was on its boot clock
    held             INTEGER NOT NULL DEFAULT 0,           -- 1: one of many at once, so an administrator has to confirm
    confirmed_by     TEXT                                  -- who confirmed that he is gone
) WITHOUT ROWID;
INSERT OR IGNORE INTO seen_users (username)
SELECT username FROM (
    SELECT username FROM app_passwords UNION SELECT username FROM api_tokens UNION SELECT username FROM web_sessions
    UNION SELECT username FROM scram_verifiers UNION SELECT username FROM login_places
    UNION SELECT username FROM departed_users
) WHERE username <> '';

-- Users who are gone. What was theirs is set aside under the name '~ID:USERNAME', which no login can have.
CREATE TABLE departures (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    username         TEXT NOT NULL,
    departed_ts      INTEGER NOT NULL,
    asked_by         TEXT NOT NULL,                        -- 'sweep', or who said so
    missing_since_ts INTEGER,                              -- the first look without his file
    over_boot        TEXT,                                 -- the first look at which it had been kept long enough
    over_ms          INTEGER,
    deleting         INTEGER NOT NULL DEFAULT 0            -- 1: being deleted, and past being restored
);
CREATE INDEX departures_username ON departures (username);

-- What must not lie under its own name meanwhile (addresses, domains, forwards …), row by row as JSON.
CREATE TABLE departed_rows (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    departure_id INTEGER NOT NULL,
    kind         TEXT NOT NULL,                            -- the table that it stood in
    key          TEXT NOT NULL DEFAULT '',                 -- of an address: itself in lower case
    content      TEXT NOT NULL
);
CREATE INDEX departed_rows_departure ON departed_rows (departure_id);
CREATE INDEX departed_rows_address ON departed_rows (lower(key)) WHERE kind = 'mail_addresses';
CREATE TRIGGER departed_rows_version AFTER DELETE ON departed_rows WHEN old.kind = 'mail_addresses'
BEGIN UPDATE directory_version SET version = version + 1; END;

-- Moves under way: what `source` had becomes `target`'s, some rows at a time; the row goes when all is done.
CREATE TABLE user_moves (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    source  TEXT NOT NULL,
    target  TEXT NOT NULL,
    through TEXT NOT NULL                                  -- JSON: by table, the last row that is moved
);
CREATE INDEX user_moves_source ON user_moves (source);

-- What a panel, or an administrator, wants done: any program may write here (docs/panel.md), and outbox does it.
CREATE TABLE user_changes (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    action       TEXT NOT NULL,                            -- remove, restore, rename, purge
    username     TEXT NOT NULL,
    new_name     TEXT,                                     -- rename, restore: the name that it goes to
    departure_id INTEGER,                                  -- which of his departures; NULL: the last
    asked_by     TEXT NOT NULL DEFAULT 'sql',
    asked_ts     INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER)),
    done_ts      INTEGER,
    problem      TEXT NOT NULL DEFAULT ''                  -- why it was not done
);
CREATE INDEX user_changes_waiting ON user_changes (username) WHERE done_ts IS NULL;

-- Usage follows the owner. What is set aside counts for no address: that may be somebody else's by now.
CREATE TRIGGER emails_usage_move AFTER UPDATE OF owner ON emails
WHEN old.size IS NOT NULL AND new.owner IS NOT old.owner
BEGIN
    UPDATE mail_usage SET bytes = max(0, bytes - old.size), messages = max(0, messages - 1)
    WHERE scope = 'owner' AND name = old.owner;
    UPDATE mail_usage SET bytes = max(0, bytes - old.size), messages = max(0, messages - 1)
    WHERE scope = 'address' AND name = lower(old.recipient) AND old.folder <> 'sent' AND old.folder <> 'drafts'
      AND old.owner IS NOT NULL AND old.owner NOT GLOB '~*';
    INSERT INTO mail_usage (scope, name, bytes, messages)
    SELECT 'owner', new.owner, new.size, 1 WHERE new.owner IS NOT NULL
    ON CONFLICT (scope, name) DO UPDATE SET bytes = bytes + excluded.bytes, messages = messages + 1;
    INSERT INTO mail_usage (scope, name, bytes, messages)
    SELECT 'address', lower(new.recipient), new.size, 1
    WHERE new.recipient IS NOT NULL AND new.folder <> 'sent' AND new.folder <> 'drafts'
      AND new.owner IS NOT NULL AND new.owner NOT GLOB '~*'
    ON CONFLICT (scope, name) DO UPDATE SET bytes = bytes + excluded.bytes, messages = messages + 1;
END;
DROP TRIGGER emails_usage_insert;
CREATE TRIGGER emails_usage_insert AFTER INSERT ON emails
WHEN new.owner IS NOT NULL AND new.size IS NOT NULL
BEGIN
    INSERT INTO mail_usage (scope, name, bytes, messages) VALUES ('owner', new.owner, new.size, 1)
    ON CONFLICT (scope, name) DO UPDATE SET bytes = bytes + excluded.bytes, messages = messages + 1;
    INSERT INTO mail_usage (scope, name, bytes, messages)
    SELECT 'address', lower(new.recipient), new.size, 1
    WHERE new.recipient IS NOT NULL AND new.folder <> 'sent' AND new.folder <> 'drafts' AND new.owner NOT GLOB '~*'
    ON CONFLICT (scope, name) DO UPDATE SET bytes = bytes + excluded.bytes, messages = messages + 1;
END;
DROP TRIGGER emails_usage_delete;
CREATE TRIGGER emails_usage_delete AFTER DELETE ON emails
WHEN old.owner IS NOT NULL AND old.size IS NOT NULL
BEGIN
    UPDATE mail_usage SET bytes = max(0, bytes - old.size), messages = max(0, messages - 1)
    WHERE scope = 'owner' AND name = old.owner;
    UPDATE mail_usage SET bytes = max(0, bytes - old.size), messages = max(0, messages - 1)
    WHERE scope = 'address' AND name = lower(old.recipient) AND old.folder <> 'sent' AND old.folder <> 'drafts'
      AND old.owner NOT GLOB '~*';
END;

-- The queue of who is gone has ended, whoever tries to wake it.
CREATE TRIGGER outbox_departed AFTER UPDATE OF status ON outbox
WHEN new.owner GLOB '~*' AND new.status IN ('pending', 'sending', 'deferred', 'held')
BEGIN
    UPDATE outbox SET status = 'cancelled' WHERE id = new.id;
END;
