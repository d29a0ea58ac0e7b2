-- Mailbox users: an address of a panel user's that somebody else reads, with a password and mail of their own.
-- `mail_addresses.owner` still names the panel user; who reads stands here.

CREATE TABLE mailbox_users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    account       TEXT NOT NULL UNIQUE,                    -- 'mailbox:ID:ADDRESS', which `owner` says in all other tables
    address       TEXT NOT NULL,                           -- in lower case, the domain in A-labels
    listed        TEXT NOT NULL,                           -- as it stands in mail_addresses
    owner         TEXT NOT NULL,                           -- the panel user that they belong to
    password_hash TEXT NOT NULL,                           -- argon2; '!' and a random text: none, app passwords alone
    disabled      INTEGER NOT NULL DEFAULT 0,
    created_ts    INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER))
);
CREATE UNIQUE INDEX mailbox_users_address ON mailbox_users (address, owner);
CREATE INDEX mailbox_users_listed ON mailbox_users (lower(listed));
CREATE INDEX mailbox_users_owner ON mailbox_users (owner, address);

-- Further addresses of the owner's that a mailbox user may send from.
CREATE TABLE mailbox_senders (
    account TEXT NOT NULL,
    address TEXT NOT NULL,                                 -- as in mailbox_users
    listed  TEXT NOT NULL,                                 -- as in mail_addresses, but in lower case
    PRIMARY KEY (account, address)
) WITHOUT ROWID;

-- Mailbox users that were: where mail goes that was accepted for them before they ended.
CREATE TABLE mailbox_ends (
    account  TEXT PRIMARY KEY,
    heir     TEXT NOT NULL,
    ended_ts INTEGER NOT NULL
);
CREATE INDEX mailbox_ends_heir ON mailbox_ends (heir);

-- The panel user whose mailbox is open in a session, as far as `owners_read_mailboxes` lets them: whose it is.
ALTER TABLE web_sessions ADD COLUMN visiting TEXT;

-- A row counts as long as its address is its owner's: while a script has taken that away, or given it to somebody else,
-- nobody reads what is here. A row that a script deletes has what was theirs set aside, by outbox.
CREATE TRIGGER mailbox_users_delete AFTER DELETE ON mailbox_users
BEGIN
    DELETE FROM mailbox_senders WHERE account = old.account;
    INSERT INTO user_changes (action, username, asked_by) VALUES ('remove', old.account, 'its address');
END;
CREATE TRIGGER mailbox_users_version_insert AFTER INSERT ON mailbox_users
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER mailbox_users_version_update AFTER UPDATE ON mailbox_users
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER mailbox_users_version_delete AFTER DELETE ON mailbox_users
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER mailbox_senders_version_insert AFTER INSERT ON mailbox_senders
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER mailbox_senders_version_delete AFTER DELETE ON mailbox_senders
BEGIN UPDATE directory_version SET version = version + 1; END;

-- Mail that other programs insert is its reader's too.
DROP TRIGGER emails_complete;
CREATE TRIGGER emails_complete AFTER INSERT ON emails
WHEN new.received_ts IS NULL
BEGIN
    UPDATE emails
    SET received_ts = coalesce(
            CASE WHEN typeof(received_at) IN ('integer', 'real')
                 THEN CAST(CASE WHEN received_at > 100000000000 THEN received_at / 1000 ELSE received_at END AS INTEGER) END,
            CAST(strftime('%s', received_at) AS INTEGER),
            CAST(strftime('%s', substr(received_at, 1, 19)) AS INTEGER),
            CAST(strftime('%s', 'now') AS INTEGER)),
        received_at = coalesce(received_at, CURRENT_TIMESTAMP),
        is_read = coalesce(is_read, 0),
        folder = CASE WHEN lower(folder) IN ('inbox', 'sent', 'trash', 'drafts', 'junk', 'archive') THEN lower(folder)
                      ELSE 'inbox' END,
        size = length(CAST(coalesce(nullif(raw_content, ''), body, '') AS BLOB)),
        owner = coalesce(
            owner,
            CASE WHEN lower(folder) = 'sent' THEN coalesce(
                (SELECT m.account FROM mailbox_users m JOIN mail_addresses a ON a.owner = m.owner
                 WHERE lower(a.address) = lower(new.sender)
                   AND (m.address = lower(new.sender) OR lower(m.listed) = lower(new.sender))),
                (SELECT owner FROM mail_addresses a WHERE lower(a.address) = lower(new.sender))) END,
            (SELECT m.account FROM mailbox_users m JOIN mail_addresses a ON a.owner = m.owner
                 WHERE lower(a.address) = lower(new.recipient)
                   AND (m.address = lower(new.recipient) OR lower(m.listed) = lower(new.recipient))),
            (SELECT owner FROM mail_addresses a WHERE lower(a.address) = lower(new.recipient)),
            (SELECT m.account FROM mailbox_users m JOIN mail_addresses a ON a.owner = m.owner
                 WHERE lower(a.address) = lower(new.sender)
                   AND (m.address = lower(new.sender) OR lower(m.listed) = lower(new.sender))),
            (SELECT owner FROM mail_addresses a WHERE lower(a.address) = lower(new.sender)))
    WHERE id = new.id;
END;
