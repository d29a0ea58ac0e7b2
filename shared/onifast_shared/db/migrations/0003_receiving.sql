-- What receiving needs beyond mailboxes: aliases and forwards, quotas, app passwords, outgoing limits, and the records
-- that explain a verdict or a refusal.

-- Recipients ----------------------------------------------------------------------------------------------------------

-- Mail for `address` goes to `target`, local or remote, as well as or instead of its own mailbox: one row a
-- target; a row whose target is the address itself keeps a copy. '*@domain' stands for the domain's catch-all.
CREATE TABLE mail_forwards (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    address    TEXT NOT NULL,
    target     TEXT NOT NULL,
    owner      TEXT,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE UNIQUE INDEX mail_forwards_pair ON mail_forwards (lower(address), lower(target));
CREATE INDEX mail_forwards_owner ON mail_forwards (owner);
CREATE INDEX mail_forwards_domain ON mail_forwards (lower(substr(address, instr(address, '@') + 1)));

-- A forward ends with what its owner had of the address; else it would take the mail of whoever gets the address next.
-- The domain's owner, and forwards that are nobody's, stay.
CREATE TRIGGER mail_addresses_forwards_insert AFTER INSERT ON mail_addresses
BEGIN
    DELETE FROM mail_forwards
    WHERE lower(address) = lower(new.address) AND owner <> '' AND owner IS NOT new.owner
      AND NOT EXISTS (SELECT 1 FROM domains d
                      WHERE d.domain = lower(substr(new.address, instr(new.address, '@') + 1))
                        AND d.owner = mail_forwards.owner);
END;
CREATE TRIGGER mail_addresses_forwards_update AFTER UPDATE OF address, owner ON mail_addresses
BEGIN
    DELETE FROM mail_forwards
    WHERE lower(address) = lower(new.address) AND owner <> '' AND owner IS NOT new.owner
      AND NOT EXISTS (SELECT 1 FROM domains d
                      WHERE d.domain = lower(substr(new.address, instr(new.address, '@') + 1))
                        AND d.owner = mail_forwards.owner);
    DELETE FROM mail_forwards
    WHERE lower(address) = lower(old.address) AND lower(old.address) <> lower(new.address) AND owner = old.owner;
END;
CREATE TRIGGER mail_addresses_forwards_delete AFTER DELETE ON mail_addresses
BEGIN
    DELETE FROM mail_forwards WHERE lower(address) = lower(old.address) AND owner = old.owner;
END;

-- All of one domain's addresses exist in another one too.
CREATE TABLE domain_aliases (
    alias      TEXT PRIMARY KEY,
    domain     TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- Octets that an address (scope 'address') or all mail of an owner (scope 'owner') may take; 0 means no limit.
CREATE TABLE mail_quotas (
    scope TEXT NOT NULL,
    name  TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (scope, name)
);

-- What they take now, kept by triggers, so that a full mailbox is known at RCPT without counting its mail.
CREATE TABLE mail_usage (
    scope    TEXT NOT NULL,
    name     TEXT NOT NULL,
    bytes    INTEGER NOT NULL DEFAULT 0,
    messages INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (scope, name)
);

INSERT INTO mail_usage (scope, name, bytes, messages)
SELECT 'owner', owner, total(size), count(*) FROM emails WHERE owner IS NOT NULL GROUP BY owner;
INSERT INTO mail_usage (scope, name, bytes, messages)
SELECT 'address', lower(recipient), total(size), count(*) FROM emails
WHERE recipient IS NOT NULL AND folder <> 'sent' AND folder <> 'drafts' GROUP BY lower(recipient);

CREATE TRIGGER emails_usage_insert AFTER INSERT ON emails
WHEN new.owner IS NOT NULL AND new.size IS NOT NULL
BEGIN
    INSERT INTO mail_usage (scope, name, bytes, messages) VALUES ('owner', new.owner, new.size, 1)
    ON CONFLICT (scope, name) DO UPDATE SET bytes = bytes + excluded.bytes, messages = messages + 1;
    INSERT INTO mail_usage (scope, name, bytes, messages)
    SELECT 'address', lower(new.recipient), new.size, 1
    WHERE new.recipient IS NOT NULL AND new.folder <> 'sent' AND new.folder <> 'drafts'
    ON CONFLICT (scope, name) DO UPDATE SET bytes = bytes + excluded.bytes, messages = messages + 1;
END;

-- A row of another program gets owner and size from the trigger emails_complete, as an update.
CREATE TRIGGER emails_usage_complete AFTER UPDATE OF owner, size ON emails
WHEN old.size IS NULL AND new.size IS NOT NULL AND new.owner IS NOT NULL
BEGIN
    INSERT INTO mail_usage (scope, name, bytes, messages) VALUES ('owner', new.owner, new.size, 1)
    ON CONFLICT (scope, name) DO UPDATE SET bytes = bytes + excluded.bytes, messages = messages + 1;
    INSERT INTO mail_usage (scope, name, bytes, messages)
    SELECT 'address', lower(new.recipient), new.size, 1
    WHERE new.recipient IS NOT NULL AND new.folder <> 'sent' AND new.folder <> 'drafts'
    ON CONFLICT (scope, name) DO UPDATE SET bytes = bytes + excluded.bytes, messages = messages + 1;
END;

CREATE TRIGGER emails_usage_delete AFTER DELETE ON emails
WHEN old.owner IS NOT NULL AND old.size IS NOT NULL
BEGIN
    UPDATE mail_usage SET bytes = max(0, bytes - old.size), messages = max(0, messages - 1)
    WHERE scope = 'owner' AND name = old.owner;
    UPDATE mail_usage SET bytes = max(0, bytes - old.size), messages = max(0, messages - 1)
    WHERE scope = 'address' AND name = lower(old.recipient) AND old.folder <> 'sent' AND old.folder <> 'drafts';
END;

-- Sign-in over SMTP ---------------------------------------------------------------------------------------------------

-- A password for one program, kept as a SCRAM-SHA-256 verifier (RFC 5802). Those of one user share salt and iterations,
-- since the client learns these before it shows which password it has.
CREATE TABLE app_passwords (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    username   TEXT NOT NULL,
    name       TEXT NOT NULL,
    salt       BLOB NOT NULL,
    iterations INTEGER NOT NULL,
    stored_key BLOB NOT NULL,
    server_key BLOB NOT NULL,
    created_ts INTEGER NOT NULL,
    used_ts    INTEGER,
    used_from  TEXT
);
CREATE INDEX app_passwords_user ON app_passwords (username);

-- Sign-in by browser --------------------------------------------------------------------------------------------------

-- Which password the user had when the session began, as an HMAC with the session's token: another one ends it.
ALTER TABLE web_sessions ADD COLUMN credential TEXT;

-- Limits --------------------------------------------------------------------------------------------------------------

-- Outgoing limits that differ from the settings': scope is user, unix or domain; NULL means the setting's.
CREATE TABLE sending_limits (
    scope               TEXT NOT NULL,
    name                TEXT NOT NULL,
    messages_per_hour   INTEGER,
    messages_per_day    INTEGER,
    recipients_per_hour INTEGER,
    recipients_per_day  INTEGER,
    PRIMARY KEY (scope, name)
);

-- How much of each limit is used: buckets that leak, so they release by themselves. All four were filled at updated_ts.
CREATE TABLE sending_usage (
    scope               TEXT NOT NULL,
    name                TEXT NOT NULL,
    messages_per_hour   REAL NOT NULL DEFAULT 0,
    messages_per_day    REAL NOT NULL DEFAULT 0,
    recipients_per_hour REAL NOT NULL DEFAULT 0,
    recipients_per_day  REAL NOT NULL DEFAULT 0,
    updated_ts          REAL NOT NULL,
    PRIMARY KEY (scope, name)
);
CREATE INDEX sending_usage_time ON sending_usage (updated_ts);

-- Who hit which limit, or sent as somebody else (counted 'foreign_sender'): one row each, for administrators.
CREATE TABLE sending_refusals (
    scope    TEXT NOT NULL,
    name     TEXT NOT NULL,
    counted  TEXT NOT NULL,
    first_ts INTEGER NOT NULL,
    last_ts  INTEGER NOT NULL,
    times    INTEGER NOT NULL,
    PRIMARY KEY (scope, name, counted)
);

-- Why mail is here, or was refused ------------------------------------------------------------------------------------

-- Refused transactions, kept for some weeks. No content of the message.
CREATE TABLE refusals (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    refused_ts     INTEGER NOT NULL,
    client         TEXT NOT NULL,
    helo           TEXT,
    submitted_by   TEXT,
    sender         TEXT,
    recipient      TEXT,
    owner          TEXT,                                   -- whose recipient or sender it was, who may see the row
    stage          TEXT NOT NULL,                          -- the SMTP command
    code           INTEGER NOT NULL,
    enhanced       TEXT NOT NULL,
    reason         TEXT NOT NULL,
    authentication TEXT                                    -- JSON, as emails.authentication
);
CREATE INDEX refusals_time ON refusals (refused_ts);
CREATE INDEX refusals_owner ON refusals (owner, id);

-- Greylisting: network of the client, sender and recipient.
CREATE TABLE greylist (
    key      TEXT PRIMARY KEY,
    first_ts INTEGER NOT NULL,
    last_ts  INTEGER NOT NULL,
    passed   INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX greylist_time ON greylist (last_ts);

-- What a DMARC aggregate report (RFC 7489 section 7.2) will say: one row a day for what is alike.
CREATE TABLE dmarc_aggregates (
    day           TEXT NOT NULL,                           -- YYYY-MM-DD, UTC
    policy_domain TEXT NOT NULL,
    policy        TEXT NOT NULL,                           -- the published record
    source_ip     TEXT NOT NULL,
    disposition   TEXT NOT NULL,                           -- none, quarantine, reject
    reason        TEXT NOT NULL DEFAULT '',                -- why it is not what the policy asked for
    header_from   TEXT NOT NULL,
    envelope_from TEXT NOT NULL,
    dkim_aligned  TEXT NOT NULL,                           -- pass or fail
    spf_aligned   TEXT NOT NULL,
    results       TEXT NOT NULL,                           -- JSON: SPF's and each signature's domain, selector, result
    messages      INTEGER NOT NULL,
    PRIMARY KEY (day, policy_domain, source_ip, disposition, reason, header_from, envelope_from, dkim_aligned,
                 spf_aligned, results, policy)
);

-- Keys that all processes share, made at first use: SRS, for one.
CREATE TABLE secrets (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
);

-- The directory -------------------------------------------------------------------------------------------------------
-- Counts the changes of whatever says where mail goes, so that processes can keep what they have read of it.

CREATE TABLE directory_version (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
);
INSERT INTO directory_version (id, version) VALUES (1, 1);

CREATE TRIGGER mail_addresses_version_insert AFTER INSERT ON mail_addresses
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER mail_addresses_version_update AFTER UPDATE ON mail_addresses
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER mail_addresses_version_delete AFTER DELETE ON mail_addresses
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER domains_version_insert AFTER INSERT ON domains
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER domains_version_update AFTER UPDATE ON domains
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER domains_version_delete AFTER DELETE ON domains
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER domain_aliases_version_insert AFTER INSERT ON domain_aliases
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER domain_aliases_version_update AFTER UPDATE ON domain_aliases
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER domain_aliases_version_delete AFTER DELETE ON domain_aliases
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER mail_forwards_version_insert AFTER INSERT ON mail_forwards
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER mail_forwards_version_update AFTER UPDATE ON mail_forwards
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER mail_forwards_version_delete AFTER DELETE ON mail_forwards
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER mail_quotas_version_insert AFTER INSERT ON mail_quotas
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER mail_quotas_version_update AFTER UPDATE ON mail_quotas
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER mail_quotas_version_delete AFTER DELETE ON mail_quotas
BEGIN UPDATE directory_version SET version = version + 1; END;
