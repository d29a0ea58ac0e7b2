-- Filters: what a user has done with mail as it comes. `rule` is JSON (onifast_shared.filters.rules).
CREATE TABLE mail_filters (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    owner      TEXT NOT NULL,
    position   INTEGER NOT NULL,
    name       TEXT NOT NULL,
    is_on      INTEGER NOT NULL DEFAULT 1,
    rejects    INTEGER NOT NULL DEFAULT 0,                  -- 1: it is on, and refuses mail as it is offered
    rule       TEXT NOT NULL,
    changed_ts INTEGER NOT NULL DEFAULT 0,
    times      INTEGER NOT NULL DEFAULT 0,                  -- how often it has acted
    last_ts    INTEGER
);
CREATE INDEX mail_filters_owner ON mail_filters (owner, position, id);
CREATE INDEX mail_filters_rejecting ON mail_filters (owner) WHERE rejects = 1;
-- Who refuses mail is asked for each message, from memory until it changes.
CREATE TRIGGER directory_filters_insert AFTER INSERT ON mail_filters WHEN new.rejects <> 0
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER directory_filters_update AFTER UPDATE OF rejects, owner ON mail_filters
WHEN new.rejects <> old.rejects OR new.rejects <> 0
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER directory_filters_delete AFTER DELETE ON mail_filters WHEN old.rejects <> 0
BEGIN UPDATE directory_version SET version = version + 1; END;

-- What filters did, for their owner to read.
CREATE TABLE filter_log (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    owner       TEXT NOT NULL,
    email_id    INTEGER,                                    -- NULL: refused, or removed for good
    filter_id   INTEGER NOT NULL,
    filter_name TEXT NOT NULL,
    deeds       TEXT NOT NULL,                              -- JSON: [{"do", "name", "failed"}]
    sender      TEXT NOT NULL DEFAULT '',
    subject     TEXT NOT NULL DEFAULT '',
    logged_ts   INTEGER NOT NULL
);
CREATE INDEX filter_log_owner ON filter_log (owner, id);
CREATE INDEX filter_log_email ON filter_log (email_id) WHERE email_id IS NOT NULL;
CREATE TRIGGER filter_log_email_removed AFTER DELETE ON emails
BEGIN
    UPDATE filter_log SET email_id = NULL WHERE email_id = old.id;
END;

-- Filters run on mail that is here already, some messages at a time, and what it was like before.
CREATE TABLE filter_runs (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    owner      TEXT NOT NULL,
    filter_id  INTEGER,                                     -- NULL: all that are on
    title      TEXT NOT NULL,
    rules      TEXT NOT NULL,                               -- JSON: the filters as they were when it began
    folders    TEXT NOT NULL,                               -- JSON: those that are still to be looked through
    state      TEXT NOT NULL,                               -- running, done, stopped, undoing, undone
    before_ts  INTEGER NOT NULL,                            -- where it is in the first of them
    before_id  INTEGER NOT NULL,
    total      INTEGER NOT NULL DEFAULT 0,
    seen       INTEGER NOT NULL DEFAULT 0,
    changed    INTEGER NOT NULL DEFAULT 0,
    started_ts INTEGER NOT NULL,
    stepped_ts REAL NOT NULL DEFAULT 0,
    ended_ts   INTEGER
);
CREATE INDEX filter_runs_owner ON filter_runs (owner, id);
CREATE INDEX filter_runs_active ON filter_runs (stepped_ts) WHERE state IN ('running', 'undoing');
CREATE TABLE filter_run_changes (
    run_id   INTEGER NOT NULL,
    email_id INTEGER NOT NULL,
    before   TEXT NOT NULL,                                 -- JSON: folder, labels, read, starred
    PRIMARY KEY (run_id, email_id)
) WITHOUT ROWID;
CREATE TRIGGER filter_runs_removed AFTER DELETE ON filter_runs
BEGIN
    DELETE FROM filter_run_changes WHERE run_id = old.id;
END;

-- What an account, or one of its addresses, answers while its user is away; '' is the whole account.
CREATE TABLE vacations (
    owner      TEXT NOT NULL,
    address    TEXT NOT NULL DEFAULT '',
    is_on      INTEGER NOT NULL DEFAULT 0,
    from_ts    INTEGER,
    until_ts   INTEGER,
    subject    TEXT NOT NULL DEFAULT '',
    text       TEXT NOT NULL DEFAULT '',
    html       TEXT NOT NULL DEFAULT '',
    known_text TEXT NOT NULL DEFAULT '',                    -- for whom the user has written to
    known_html TEXT NOT NULL DEFAULT '',
    audience   TEXT NOT NULL DEFAULT 'everybody',           -- or known
    days       INTEGER NOT NULL DEFAULT 7,
    zone       TEXT NOT NULL DEFAULT 'UTC',                 -- in which its times are shown
    PRIMARY KEY (owner, address)
);

-- Who was answered automatically, and when: an answer is queued with its row here.
CREATE TABLE auto_replies (
    owner      TEXT NOT NULL,
    kind       TEXT NOT NULL,                               -- vacation, vacation:ADDRESS, filter:ID
    sender     TEXT NOT NULL,
    replied_ts INTEGER NOT NULL,
    PRIMARY KEY (owner, kind, sender)
) WITHOUT ROWID;
CREATE INDEX auto_replies_time ON auto_replies (owner, replied_ts);

-- What becomes of mail from blocked senders: trash, or else junk.
ALTER TABLE user_preferences ADD COLUMN blocked_to_trash INTEGER NOT NULL DEFAULT 0;
