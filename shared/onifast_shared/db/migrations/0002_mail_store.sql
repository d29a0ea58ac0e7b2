-- What this program adds: stored bytes, owners, the queue's leases and history, sign-in, search.
-- Every added column has a default, so that an INSERT that names only the contract's columns keeps working; the triggers
-- complete such rows with nothing but SQLite's own functions, since other programs' SQLite runs them.

-- A message's bytes, once, whoever shares them. Large ones lie in pieces, written before the row that makes them visible.
CREATE TABLE contents (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    size       INTEGER NOT NULL,
    data       BLOB,
    created_ts INTEGER NOT NULL
);

CREATE TABLE content_pieces (
    content_id INTEGER NOT NULL REFERENCES contents (id) ON DELETE CASCADE,
    seq        INTEGER NOT NULL,
    data       BLOB NOT NULL,
    PRIMARY KEY (content_id, seq)
);

-- Who owns a domain (its DKIM keys, its catch-all): a table of its own, because addresses of one domain can have several owners.
CREATE TABLE domains (
    domain     TEXT PRIMARY KEY,
    owner      TEXT,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

INSERT INTO domains (domain, owner)
SELECT lower(substr(address, instr(address, '@') + 1)), min(owner)
FROM mail_addresses
WHERE instr(address, '@') > 1
GROUP BY 1
HAVING count(DISTINCT owner) = 1;

CREATE INDEX mail_addresses_key ON mail_addresses (lower(address));
CREATE INDEX mail_addresses_domain ON mail_addresses (lower(substr(address, instr(address, '@') + 1)));
CREATE INDEX mail_addresses_owner ON mail_addresses (owner);

CREATE TRIGGER mail_addresses_complete AFTER INSERT ON mail_addresses
BEGIN
    UPDATE mail_addresses
    SET domain     = coalesce(nullif(domain, ''), lower(substr(address, instr(address, '@') + 1))),
        local_part = coalesce(nullif(local_part, ''), substr(address, 1, instr(address, '@') - 1)),
        created_at = coalesce(created_at, CURRENT_TIMESTAMP)
    WHERE rowid = new.rowid;
    INSERT OR IGNORE INTO domains (domain, owner)
    SELECT lower(substr(new.address, instr(new.address, '@') + 1)), new.owner
    WHERE instr(new.address, '@') > 1
      AND NOT EXISTS (
          SELECT 1 FROM mail_addresses
          WHERE lower(substr(address, instr(address, '@') + 1)) = lower(substr(new.address, instr(new.address, '@') + 1))
            AND owner IS NOT new.owner
      );
END;

-- Mailboxes -----------------------------------------------------------------------------------------------------------

ALTER TABLE emails ADD COLUMN owner TEXT;
ALTER TABLE emails ADD COLUMN content_id INTEGER REFERENCES contents (id);
ALTER TABLE emails ADD COLUMN trace BLOB;                                  -- header lines of this copy alone, before the content
ALTER TABLE emails ADD COLUMN reverse_path TEXT;
ALTER TABLE emails ADD COLUMN sender_name TEXT;
ALTER TABLE emails ADD COLUMN snippet TEXT;
ALTER TABLE emails ADD COLUMN message_id TEXT;
ALTER TABLE emails ADD COLUMN size INTEGER;
ALTER TABLE emails ADD COLUMN has_attachments INTEGER NOT NULL DEFAULT 0;
ALTER TABLE emails ADD COLUMN authentication TEXT;                         -- JSON: verdicts and their reasons
ALTER TABLE emails ADD COLUMN received_ts INTEGER;
ALTER TABLE emails ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;          -- 0 not yet, 1 yes
ALTER TABLE emails ADD COLUMN filing INTEGER NOT NULL DEFAULT 0;           -- 0 no copy wanted, 1 wanted, 2 written, 3 cannot be written
ALTER TABLE emails ADD COLUMN filing_error TEXT;
ALTER TABLE emails ADD COLUMN filing_retry_ts INTEGER NOT NULL DEFAULT 0;

UPDATE emails
SET folder = CASE WHEN lower(folder) IN ('inbox', 'sent', 'trash', 'drafts', 'junk', 'archive') THEN lower(folder)
                  ELSE 'inbox' END
WHERE folder IS NULL OR folder NOT IN ('inbox', 'sent', 'trash', 'drafts', 'junk', 'archive');

UPDATE emails
SET is_read = coalesce(is_read, 0),
    owner = CASE WHEN folder = 'sent'
        THEN coalesce((SELECT owner FROM mail_addresses a WHERE lower(a.address) = lower(emails.sender)),
                      (SELECT owner FROM mail_addresses a WHERE lower(a.address) = lower(emails.recipient)))
        ELSE coalesce((SELECT owner FROM mail_addresses a WHERE lower(a.address) = lower(emails.recipient)),
                      (SELECT owner FROM mail_addresses a WHERE lower(a.address) = lower(emails.sender)))
        END,
    size = length(CAST(coalesce(nullif(raw_content, ''), body, '') AS BLOB)),
    received_ts = coalesce(
        CASE WHEN typeof(received_at) IN ('integer', 'real')
             THEN CAST(CASE WHEN received_at > 100000000000 THEN received_at / 1000 ELSE received_at END AS INTEGER) END,
        CAST(strftime('%s', received_at) AS INTEGER),
        CAST(strftime('%s', substr(received_at, 1, 19)) AS INTEGER),
        CAST(strftime('%s', 'now') AS INTEGER));

CREATE INDEX emails_page ON emails (owner, folder, received_ts, id, is_read);
CREATE INDEX emails_all ON emails (folder, received_ts, id);
CREATE INDEX emails_content ON emails (content_id);
CREATE INDEX emails_unindexed ON emails (id) WHERE indexed = 0;
CREATE INDEX emails_unfiled ON emails (filing_retry_ts, id) WHERE filing = 1;

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
            CASE WHEN lower(folder) = 'sent'
                 THEN (SELECT owner FROM mail_addresses a WHERE lower(a.address) = lower(new.sender)) END,
            (SELECT owner FROM mail_addresses a WHERE lower(a.address) = lower(new.recipient)),
            (SELECT owner FROM mail_addresses a WHERE lower(a.address) = lower(new.sender)))
    WHERE id = new.id;
END;

-- Every row's bytes, whoever wrote the row.
CREATE VIEW email_bytes (id, bytes) AS
SELECT e.id,
       CASE WHEN e.content_id IS NULL
            THEN CAST(coalesce(nullif(e.raw_content, ''), '') AS BLOB)
            ELSE CAST(coalesce(e.trace, '') || coalesce(
                     c.data,
                     (SELECT group_concat(data, '')
                      FROM (SELECT data FROM content_pieces WHERE content_id = c.id ORDER BY seq))) AS BLOB)
       END
FROM emails e LEFT JOIN contents c ON c.id = e.content_id;

-- Its rows are kept by outbox's indexer; other programs' SQLite may lack FTS5, so no trigger touches it.
CREATE VIRTUAL TABLE mail_search USING fts5 (
    sender, sender_name, recipient, subject, body,
    content = 'emails', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);

-- The queue -----------------------------------------------------------------------------------------------------------

ALTER TABLE outbox ADD COLUMN content_id INTEGER REFERENCES contents (id); -- NULL: written by a script, not built yet
ALTER TABLE outbox ADD COLUMN owner TEXT;
ALTER TABLE outbox ADD COLUMN email_id INTEGER;                            -- the copy in the sender's folder sent
ALTER TABLE outbox ADD COLUMN origin TEXT NOT NULL DEFAULT 'script';       -- smtp, web, api, script, bounce
ALTER TABLE outbox ADD COLUMN submitted_by TEXT;                           -- unix:NAME, user:NAME, or an IP address
ALTER TABLE outbox ADD COLUMN body_type TEXT NOT NULL DEFAULT '8BITMIME';
ALTER TABLE outbox ADD COLUMN smtputf8 INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN requiretls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN dsn_ret TEXT;
ALTER TABLE outbox ADD COLUMN dsn_envid TEXT;
ALTER TABLE outbox ADD COLUMN dsn_notify TEXT;
ALTER TABLE outbox ADD COLUMN dsn_orcpt TEXT;
ALTER TABLE outbox ADD COLUMN queued_ts INTEGER;                           -- when its present stay in the queue began
ALTER TABLE outbox ADD COLUMN next_attempt_ts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN lease_token TEXT;
ALTER TABLE outbox ADD COLUMN lease_boot TEXT;
ALTER TABLE outbox ADD COLUMN lease_until INTEGER;                         -- milliseconds on the boot clock of lease_boot

UPDATE outbox SET last_error = 'status was ' || quote(status) || ' in the earlier program', status = 'held'
WHERE lower(status) NOT IN ('pending', 'sending', 'sent', 'deferred', 'failed', 'held', 'cancelled', 'sandboxed');
UPDATE outbox
SET status = CASE WHEN status IS NULL OR lower(status) = 'sending' THEN 'pending' ELSE lower(status) END,
    attempts = coalesce(attempts, 0),
    created_at = coalesce(created_at, CURRENT_TIMESTAMP),
    queued_ts = CAST(strftime('%s', 'now') AS INTEGER),
    owner = (SELECT owner FROM mail_addresses a WHERE lower(a.address) = lower(outbox.sender));

CREATE INDEX outbox_due ON outbox (next_attempt_ts, id) WHERE status IN ('pending', 'deferred') AND content_id IS NOT NULL;
CREATE INDEX outbox_unprepared ON outbox (id) WHERE content_id IS NULL AND status = 'pending';
CREATE INDEX outbox_leased ON outbox (lease_token) WHERE status = 'sending';
CREATE INDEX outbox_content ON outbox (content_id);
CREATE INDEX outbox_owner ON outbox (owner, id);
CREATE INDEX outbox_email ON outbox (email_id) WHERE email_id IS NOT NULL;

CREATE TRIGGER outbox_complete AFTER INSERT ON outbox
WHEN new.queued_ts IS NULL
BEGIN
    UPDATE outbox
    SET status = coalesce(nullif(status, ''), 'pending'),
        attempts = coalesce(attempts, 0),
        created_at = coalesce(created_at, CURRENT_TIMESTAMP),
        queued_ts = CAST(strftime('%s', 'now') AS INTEGER),
        owner = coalesce(owner, (SELECT owner FROM mail_addresses a WHERE lower(a.address) = lower(new.sender)))
    WHERE id = new.id;
END;

-- The panel sets a row to pending to have it tried again: that means now.
CREATE TRIGGER outbox_retried AFTER UPDATE OF status ON outbox
WHEN new.status = 'pending' AND old.status IN ('deferred', 'failed', 'held', 'cancelled')
BEGIN
    UPDATE outbox SET next_attempt_ts = 0, queued_ts = CAST(strftime('%s', 'now') AS INTEGER) WHERE id = new.id;
END;

CREATE TABLE delivery_attempts (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    outbox_id   INTEGER NOT NULL REFERENCES outbox (id) ON DELETE CASCADE,
    started_ts  INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL DEFAULT 0,
    outcome     TEXT NOT NULL,                                             -- delivered, deferred, failed, sandboxed
    host        TEXT,
    address     TEXT,
    tls         TEXT,
    code        INTEGER,
    enhanced    TEXT,
    reply       TEXT
);
CREATE INDEX delivery_attempts_outbox ON delivery_attempts (outbox_id);

-- Sign-in -------------------------------------------------------------------------------------------------------------
-- Tokens are stored as SHA-256 hashes: who reads the table cannot use them.

CREATE TABLE web_sessions (
    token_hash BLOB PRIMARY KEY,
    username   TEXT NOT NULL,
    csrf_token TEXT NOT NULL,
    created_ts INTEGER NOT NULL,
    seen_ts    INTEGER NOT NULL,
    expires_ts INTEGER NOT NULL
);
CREATE INDEX web_sessions_expiry ON web_sessions (expires_ts);
CREATE INDEX web_sessions_user ON web_sessions (username);

CREATE TABLE sso_tokens (
    token_hash BLOB PRIMARY KEY,
    username   TEXT NOT NULL,
    expires_ts INTEGER NOT NULL
);

CREATE TABLE api_tokens (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    token_hash BLOB NOT NULL UNIQUE,
    username   TEXT NOT NULL,
    name       TEXT NOT NULL,
    created_ts INTEGER NOT NULL,
    used_ts    INTEGER
);

CREATE TABLE auth_failures (
    key      TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    last_ts  INTEGER NOT NULL
);
