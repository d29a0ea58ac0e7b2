-- The four tables of the panel's contract, as the earlier program made them. A database that has them keeps its own.

CREATE TABLE schema_migrations (
    version           INTEGER PRIMARY KEY,
    name              TEXT NOT NULL,
    oldest_compatible INTEGER NOT NULL,
    applied_at        TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE IF NOT EXISTS emails (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    sender      TEXT,
    recipient   TEXT,
    subject     TEXT,
    body        TEXT,
    raw_content TEXT,
    received_at TEXT DEFAULT CURRENT_TIMESTAMP,
    is_read     INTEGER DEFAULT 0,
    folder      TEXT DEFAULT 'inbox',
    file_path   TEXT
);

CREATE TABLE IF NOT EXISTS outbox (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    sender     TEXT,
    recipient  TEXT,
    subject    TEXT,
    body       TEXT,
    status     TEXT DEFAULT 'pending',
    attempts   INTEGER DEFAULT 0,
    last_error TEXT,
    created_at TEXT DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE IF NOT EXISTS mail_addresses (
    address    TEXT PRIMARY KEY,
    domain     TEXT,
    local_part TEXT,
    owner      TEXT,
    created_at TEXT DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE IF NOT EXISTS mail_config (
    key   TEXT PRIMARY KEY,
    value TEXT
);
