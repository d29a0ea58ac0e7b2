-- What delivering needs beyond a queue. Each part of it has its section.

-- Fairness: lanes of senders and domains -----------------------------------------------------------------------------

ALTER TABLE outbox ADD COLUMN domain TEXT;                                 -- the recipient's; NULL: not looked at yet
ALTER TABLE outbox ADD COLUMN lane TEXT NOT NULL DEFAULT '';               -- who the mail is from, for fairness
ALTER TABLE outbox ADD COLUMN ready INTEGER NOT NULL DEFAULT 0;            -- 1: due, and may be claimed
ALTER TABLE outbox ADD COLUMN waits_for TEXT;                              -- put off with all mail of this next hop

-- The deliverer makes rows ready as they fall due, and the indexes hold only what it may look for: a claim's cost does
-- not depend on how many rows wait or are done with.
CREATE INDEX outbox_ready ON outbox (lane, domain) WHERE ready = 1 AND status IN ('pending', 'deferred');
CREATE INDEX outbox_siblings ON outbox (content_id, domain) WHERE ready = 1 AND status IN ('pending', 'deferred');
CREATE INDEX outbox_waiting ON outbox (next_attempt_ts)
WHERE ready = 0 AND status IN ('pending', 'deferred') AND domain IS NOT NULL;
CREATE INDEX outbox_unplaced ON outbox (id)
WHERE domain IS NULL AND content_id IS NOT NULL AND status IN ('pending', 'deferred');
CREATE INDEX outbox_put_off ON outbox (waits_for)
WHERE waits_for IS NOT NULL AND ready = 0 AND status IN ('pending', 'deferred');
CREATE INDEX outbox_unknown ON outbox (id)
WHERE status NOT IN ('pending', 'sending', 'sent', 'deferred', 'failed', 'held', 'cancelled', 'sandboxed');
DROP INDEX outbox_due;

-- Another program's change of when or where to: the deliverer looks at the row anew. An earlier deliverer's claim
-- leaves `ready` behind.
CREATE TRIGGER outbox_postponed AFTER UPDATE OF next_attempt_ts ON outbox
WHEN new.ready = 1 AND new.next_attempt_ts > old.next_attempt_ts
BEGIN
    UPDATE outbox SET ready = 0 WHERE id = new.id;
END;
CREATE TRIGGER outbox_claimed AFTER UPDATE OF status ON outbox
WHEN new.ready = 1 AND new.status = 'sending'
BEGIN
    UPDATE outbox SET ready = 0 WHERE id = new.id;
END;
CREATE TRIGGER outbox_readdressed AFTER UPDATE OF recipient ON outbox
WHEN new.recipient IS NOT old.recipient AND new.domain IS NOT NULL AND new.domain IS old.domain
BEGIN
    UPDATE outbox SET domain = NULL, ready = 0 WHERE id = new.id;
END;

-- What was never made a message has not been tried by us, whatever another program calls it: it is prepared first.
UPDATE outbox SET status = 'pending' WHERE status = 'deferred' AND content_id IS NULL;
CREATE TRIGGER outbox_unwritten AFTER INSERT ON outbox
WHEN new.status = 'deferred' AND new.content_id IS NULL
BEGIN
    UPDATE outbox SET status = 'pending' WHERE id = new.id;
END;

-- Limits that differ from the settings'; NULL means the settings', 0 messages a minute no limit.
CREATE TABLE destination_limits (
    destination TEXT PRIMARY KEY,
    concurrency INTEGER,
    per_minute  INTEGER
);

-- How each deliverer finds its destinations, for people to see and for the next deliverer to begin with.
CREATE TABLE destination_states (
    destination   TEXT NOT NULL,
    process       TEXT NOT NULL,
    in_flight     INTEGER NOT NULL,
    concurrency   INTEGER NOT NULL,
    dead_since_ts INTEGER,
    next_probe_ts INTEGER,
    last_error    TEXT NOT NULL DEFAULT '',
    updated_ts    INTEGER NOT NULL,
    PRIMARY KEY (destination, process)
);
CREATE INDEX destination_states_process ON destination_states (process);

-- Lifecycle: notices, suppressions, hold rules, undo ------------------------------------------------------------------

-- 1: its delay has been thought of: the sender was told, or did not want to be.
ALTER TABLE outbox ADD COLUMN delay_noted INTEGER NOT NULL DEFAULT 0;
CREATE INDEX outbox_delayed ON outbox (queued_ts)
WHERE (status = 'deferred' OR status = 'pending' AND waits_for IS NOT NULL) AND delay_noted = 0
      AND content_id IS NOT NULL;

-- Mail that came straight into mailboxes, whose senders asked to be told (RFC 3461: NOTIFY=SUCCESS) and are not yet.
CREATE TABLE arrivals (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    content_id INTEGER NOT NULL,
    sender     TEXT NOT NULL,
    recipient  TEXT NOT NULL,
    orcpt      TEXT,
    envid      TEXT,
    arrived_ts INTEGER NOT NULL
);
CREATE INDEX arrivals_content ON arrivals (content_id);

-- Recipients that mail of an owner is not sent to: they bounced for him, or he wants it so. `recipient` is in lower case.
CREATE TABLE suppressions (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    owner      TEXT NOT NULL,
    recipient  TEXT NOT NULL,
    origin     TEXT NOT NULL,                              -- bounce or manual
    reason     TEXT NOT NULL DEFAULT '',
    created_ts INTEGER NOT NULL,
    expires_ts INTEGER,                                    -- NULL: without end
    UNIQUE (owner, recipient)
);
CREATE INDEX suppressions_owner ON suppressions (owner, id);
CREATE INDEX suppressions_expiry ON suppressions (expires_ts) WHERE expires_ts IS NOT NULL;

-- Who has failed mail tried again wants it to be tried.
CREATE TRIGGER outbox_retried_suppressions AFTER UPDATE OF status ON outbox
WHEN new.status = 'pending' AND old.status = 'failed' AND new.owner IS NOT NULL
BEGIN
    DELETE FROM suppressions WHERE owner = new.owner AND recipient = lower(new.recipient) AND origin = 'bounce';
END;

-- What is held before it is tried. '' stands for any; an address is in lower case, a domain '@domain'.
CREATE TABLE hold_rules (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    sender     TEXT NOT NULL DEFAULT '',
    recipient  TEXT NOT NULL DEFAULT '',
    owner      TEXT NOT NULL DEFAULT '',
    note       TEXT NOT NULL DEFAULT '',
    created_by TEXT NOT NULL DEFAULT '',
    created_ts INTEGER NOT NULL,
    UNIQUE (sender, recipient, owner)
);

-- The rule that holds it; and whether an administrator let it go after that, so that none holds it again.
ALTER TABLE outbox ADD COLUMN released INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN hold_rule INTEGER;
CREATE INDEX outbox_held_by ON outbox (hold_rule, id) WHERE status = 'held' AND hold_rule IS NOT NULL;

CREATE TRIGGER outbox_released AFTER UPDATE OF status ON outbox
WHEN new.status = 'pending' AND old.status = 'held' AND new.hold_rule IS NOT NULL
BEGIN
    UPDATE outbox SET released = 1, hold_rule = NULL WHERE id = new.id;
END;

-- Sending: mail that waits, and the sandbox ----------------------------------------------------------------------------

ALTER TABLE outbox ADD COLUMN release_ts INTEGER NOT NULL DEFAULT 0;       -- its sender's wish: not before; 0 for at once
ALTER TABLE outbox ADD COLUMN undo INTEGER NOT NULL DEFAULT 0;             -- 1: waits only so that it can be called back
ALTER TABLE outbox ADD COLUMN let_out INTEGER NOT NULL DEFAULT 0;          -- 1: no sandbox captures it (again)
ALTER TABLE outbox ADD COLUMN sandbox_domain TEXT;                         -- whose sandbox captured it; NULL: the installation's
ALTER TABLE outbox ADD COLUMN original_recipient TEXT;                     -- who it was for before it was redirected

CREATE INDEX outbox_release ON outbox (owner, release_ts) WHERE status = 'pending' AND release_ts > 0;
CREATE INDEX outbox_captured ON outbox (sandbox_domain) WHERE sandbox_domain IS NOT NULL;

-- Domains whose mail is captured, whoever it is for.
CREATE TABLE sandbox_domains (
    domain   TEXT PRIMARY KEY,
    since_ts INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER)),
    set_by   TEXT
);

-- What a user chose for himself in the webmail.
CREATE TABLE user_preferences (
    username     TEXT PRIMARY KEY,
    undo_seconds INTEGER                                                   -- NULL: the setting undo_send
);

-- Transport: routes, TLS policies and reports -------------------------------------------------------------------------

-- MTA-STS policies as they were fetched (RFC 8461), one a domain.
CREATE TABLE sts_policies (
    domain     TEXT PRIMARY KEY,
    policy_id  TEXT NOT NULL,                              -- of the TXT record that announced it
    mode       TEXT NOT NULL,                              -- enforce, testing, none: what the body says, for people
    body       BLOB NOT NULL,
    fetched_ts INTEGER NOT NULL,                           -- when it was last confirmed
    expires_ts INTEGER NOT NULL,
    used_ts    INTEGER NOT NULL                            -- when mail last asked for it, to the day
);

-- Domains whose servers once proved who they are, and when they last did not.
CREATE TABLE tls_memory (
    domain           TEXT PRIMARY KEY,
    level            TEXT NOT NULL,                        -- reply.TLS_LEVELS
    host             TEXT NOT NULL,
    good_ts          INTEGER NOT NULL,                     -- to the day
    downgrades       INTEGER NOT NULL DEFAULT 0,           -- connections with less since then
    downgraded_ts    INTEGER,
    downgraded_level TEXT NOT NULL DEFAULT '',
    downgraded_host  TEXT NOT NULL DEFAULT '',
    downgraded_why   TEXT NOT NULL DEFAULT ''
);

-- What TLS reports will say (RFC 8460): sessions that were alike, by UTC day.
CREATE TABLE tls_results (
    day           TEXT NOT NULL,                           -- YYYY-MM-DD
    policy_domain TEXT NOT NULL,
    policy_type   TEXT NOT NULL,                           -- sts, tlsa, no-policy-found
    policy        TEXT NOT NULL,                           -- JSON: string and mx
    result        TEXT NOT NULL,                           -- '' for success, else a result type of the RFC
    sending_ip    TEXT NOT NULL DEFAULT '',
    mx_host       TEXT NOT NULL DEFAULT '',
    mx_ip         TEXT NOT NULL DEFAULT '',
    reason        TEXT NOT NULL DEFAULT '',
    sessions      INTEGER NOT NULL,
    PRIMARY KEY (day, policy_domain, policy_type, policy, result, sending_ip, mx_host, mx_ip, reason)
) WITHOUT ROWID;

-- What became of a day's report to a domain, by place: who makes the rows makes the report.
CREATE TABLE tls_reports (
    day           TEXT NOT NULL,
    policy_domain TEXT NOT NULL,
    uri           TEXT NOT NULL,                           -- '' where the domain wants none
    state         TEXT NOT NULL,                           -- unwanted, posting, sent, failed
    retry_ts      INTEGER NOT NULL DEFAULT 0,              -- while posting: when another process may try again
    detail        TEXT NOT NULL DEFAULT '',                -- why it was not sent (yet)
    PRIMARY KEY (day, policy_domain, uri)
) WITHOUT ROWID;
CREATE INDEX tls_reports_posting ON tls_reports (retry_ts) WHERE state = 'posting';

-- Servers that take a domain's mail in the place of its MX hosts or the relay (docs/operations.md). The password is
-- kept as the relay's is: it has to be shown to the server as it is.
CREATE TABLE routes (
    scope      TEXT NOT NULL CHECK (scope IN ('recipient_domain', 'sender_domain')),
    name       TEXT NOT NULL,                              -- a domain in A-labels, or '*.' and one for all below it
    host       TEXT NOT NULL DEFAULT '',                   -- '': straight to the MX hosts
    port       INTEGER NOT NULL DEFAULT 25,
    tls        TEXT NOT NULL DEFAULT 'none' CHECK (tls IN ('none', 'starttls', 'tls')),
    user       TEXT NOT NULL DEFAULT '',
    password   TEXT NOT NULL DEFAULT '',
    created_ts INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER)),
    PRIMARY KEY (scope, name)
) WITHOUT ROWID;

-- Addresses of this machine that a sending domain's mail leaves from, and the name that fits their reverse DNS.
CREATE TABLE source_addresses (
    domain     TEXT NOT NULL,                              -- as in routes
    family     INTEGER NOT NULL CHECK (family IN (4, 6)),
    address    TEXT NOT NULL,
    helo_name  TEXT NOT NULL DEFAULT '',                   -- '': the setting's for this address, else hostname
    created_ts INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER)),
    PRIMARY KEY (domain, family)
) WITHOUT ROWID;

-- Signing: selectors --------------------------------------------------------------------------------------------------

-- What a domain's DKIM keys are called. A key is known by its fingerprint (SHA-256 of the public half): the one in
-- certs/<domain>/dkim_private.pem signs, under the selector that stands here for just that key; without a row it has
-- the setting's. states: publishing, active, retiring, retired, removed, aborted (docs/operations.md).
CREATE TABLE dkim_selectors (
    domain       TEXT NOT NULL,
    selector     TEXT NOT NULL,
    algorithm    TEXT NOT NULL,                                            -- rsa-sha256, ed25519-sha256
    fingerprint  TEXT NOT NULL,
    value        TEXT NOT NULL,                                            -- of its TXT record
    state        TEXT NOT NULL,
    created_ts   INTEGER NOT NULL,
    published_ts INTEGER,                                                  -- DNS has shown it since
    switched_ts  INTEGER,                                                  -- began to sign
    retire_ts    INTEGER,                                                  -- its record is needed until
    look_ts      INTEGER NOT NULL DEFAULT 0,                               -- when DNS is asked next
    problem      TEXT NOT NULL DEFAULT '',                                 -- what the last look found wrong
    PRIMARY KEY (domain, selector)
);
CREATE UNIQUE INDEX dkim_selectors_key ON dkim_selectors (domain, fingerprint);
CREATE INDEX dkim_selectors_due ON dkim_selectors (look_ts) WHERE state IN ('publishing', 'retiring', 'retired');

-- Who wrote a message that a forward sends on, as in submitted_by: his keys may sign it. NULL: nobody here.
ALTER TABLE outbox ADD COLUMN written_by TEXT;

-- Explaining: attempts, webhooks --------------------------------------------------------------------------------------

-- A server that an attempt passed over has a row of its own (outcome 'passed_over') before the one that decided.
ALTER TABLE delivery_attempts ADD COLUMN tls_level   TEXT NOT NULL DEFAULT '';      -- reply.TLS_LEVELS, or ''
ALTER TABLE delivery_attempts ADD COLUMN stages      TEXT NOT NULL DEFAULT '{}';    -- JSON: milliseconds by stage
ALTER TABLE delivery_attempts ADD COLUMN explanation TEXT NOT NULL DEFAULT '';      -- the reply in plain words

-- Other programs' SQLite does not cascade unless told to.
CREATE TRIGGER outbox_history_delete AFTER DELETE ON outbox
BEGIN
    DELETE FROM delivery_attempts WHERE outbox_id = old.id;
END;

-- Questions to outbox: what would become of mail to an address.
CREATE TABLE inquiries (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    owner     TEXT NOT NULL,                                               -- '' for administrators
    sender    TEXT NOT NULL,
    recipient TEXT NOT NULL,
    asked_ts  INTEGER NOT NULL,
    answer    TEXT                                                         -- JSON, from outbox
);
CREATE INDEX inquiries_waiting ON inquiries (id) WHERE answer IS NULL;
CREATE INDEX inquiries_time ON inquiries (asked_ts);

-- Alerts: people who are told of limits ----------------------------------------------------------------------------------

-- When people were last told that a limit on outgoing mail was hit: the columns are those of sending_refusals.
CREATE TABLE limit_alerts (
    scope   TEXT NOT NULL,
    name    TEXT NOT NULL,
    counted TEXT NOT NULL,
    told_ts INTEGER NOT NULL,
    PRIMARY KEY (scope, name, counted)
) WITHOUT ROWID;

-- Who is told what became of mail. owner NULL: the administrators', for everybody's mail.
CREATE TABLE webhooks (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    owner            TEXT,
    url              TEXT NOT NULL,
    events           TEXT NOT NULL,                        -- some of: delivered deferred bounced
    secret           TEXT NOT NULL,                        -- whsec_…, what its calls are signed with
    created_ts       INTEGER NOT NULL,
    disabled_ts      INTEGER,
    problem          TEXT NOT NULL DEFAULT '',             -- the last failure, or why it was disabled
    failing_since_ts INTEGER,
    told_ts          INTEGER,                              -- the last success
    waiting          INTEGER NOT NULL DEFAULT 0,           -- rows of webhook_events
    dropped          INTEGER NOT NULL DEFAULT 0,           -- events that it was never told of
    pause_ts         INTEGER NOT NULL DEFAULT 0            -- nothing is told before
);
CREATE INDEX webhooks_owner ON webhooks (owner);
CREATE INDEX webhooks_waiting ON webhooks (id) WHERE waiting > 0;

-- What is to be told: written together with the result of the delivery that it is about.
CREATE TABLE webhook_events (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook_id INTEGER NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    message_id TEXT NOT NULL,                              -- the same at each attempt, so that a receiver knows it again
    payload    TEXT NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    next_ts    INTEGER NOT NULL
);
CREATE INDEX webhook_events_due ON webhook_events (webhook_id, next_ts, id);

-- Sign-in: SCRAM verifiers --------------------------------------------------------------------------------------------

-- A panel password as a SCRAM-SHA-256 verifier, made when that password logged in. `sealed` is StoredKey and ServerKey
-- under a key made of the hash in the panel's file: this table alone tells nothing, and another password voids the row.
CREATE TABLE scram_verifiers (
    username   TEXT PRIMARY KEY,
    salt       BLOB NOT NULL,
    iterations INTEGER NOT NULL,
    sealed     BLOB NOT NULL,
    made_ts    INTEGER NOT NULL
);

-- From where users log in: an address (an IPv6 network of 64 bits) or 'unix:NAME' on this machine. The row of the user
-- '' says when a login by SCRAM last failed there.
CREATE TABLE login_places (
    place    TEXT NOT NULL,
    username TEXT NOT NULL,
    by_panel INTEGER NOT NULL DEFAULT 0,                   -- 1: with the panel password, 0: with app passwords only
    last_ts  INTEGER NOT NULL,
    PRIMARY KEY (place, username)
) WITHOUT ROWID;
CREATE INDEX login_places_time ON login_places (last_ts);

-- Users whose files were gone at the last look, and since when.
CREATE TABLE departed_users (
    username TEXT PRIMARY KEY,
    since_ts INTEGER NOT NULL
) WITHOUT ROWID;
