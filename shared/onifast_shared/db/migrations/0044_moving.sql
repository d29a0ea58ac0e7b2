-- Mail on its way in from elsewhere, and out: what users asked for, how far it is, and what was passed over.
CREATE TABLE moving_jobs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    owner       TEXT NOT NULL,
    kind        TEXT NOT NULL,                             -- import, export
    source      TEXT NOT NULL,                             -- JSON: what is read, or what is written and how
    secret      TEXT,                                      -- a password of elsewhere, until the job ends
    state       TEXT NOT NULL,                             -- uploading, running, paused, done, failed, cancelled
    position    TEXT NOT NULL DEFAULT '',                  -- where the next step begins
    octets      INTEGER NOT NULL DEFAULT 0,                -- how much is read or written
    total       INTEGER NOT NULL DEFAULT 0,                -- of so much: octets of an import, messages of an export
    messages    INTEGER NOT NULL DEFAULT 0,
    duplicates  INTEGER NOT NULL DEFAULT 0,
    skipped     INTEGER NOT NULL DEFAULT 0,
    problem     TEXT NOT NULL DEFAULT '',                  -- why it is paused, or failed
    by_ctl      INTEGER NOT NULL DEFAULT 0,                -- 1: onifast-mailctl works on it, and nobody else
    created_ts  INTEGER NOT NULL,
    changed_ts  REAL NOT NULL,
    ended_ts    INTEGER
);
CREATE INDEX moving_jobs_owner ON moving_jobs (owner, id);
CREATE INDEX moving_jobs_active ON moving_jobs (changed_ts) WHERE state = 'running';
CREATE INDEX moving_jobs_ended ON moving_jobs (ended_ts) WHERE ended_ts IS NOT NULL;

CREATE TABLE moving_reports (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id INTEGER NOT NULL,
    name   TEXT NOT NULL,                                  -- of what was passed over
    why    TEXT NOT NULL
);
CREATE INDEX moving_reports_job ON moving_reports (job_id, id);
CREATE TRIGGER moving_jobs_removed AFTER DELETE ON moving_jobs
BEGIN
    DELETE FROM moving_reports WHERE job_id = old.id;
END;

-- Which messages were imported, by a hash that all copies of a message have.
CREATE TABLE imported_messages (
    id       INTEGER PRIMARY KEY,
    owner    TEXT NOT NULL,
    key      BLOB NOT NULL,
    email_id INTEGER NOT NULL
);
CREATE INDEX imported_messages_key ON imported_messages (owner, key);
CREATE INDEX imported_messages_email ON imported_messages (email_id);
CREATE TRIGGER emails_imported_delete AFTER DELETE ON emails
BEGIN
    DELETE FROM imported_messages WHERE email_id = old.id;
END;
