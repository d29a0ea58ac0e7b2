-- Dialogues that administrators watch (onifast_shared.tracing): who watches what, and what was said meanwhile. Kept for
-- an hour. An empty column of a watch fits everything.
CREATE TABLE trace_watches (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    address   TEXT NOT NULL DEFAULT '',
    client    TEXT NOT NULL DEFAULT '',
    session   TEXT NOT NULL DEFAULT '',
    direction TEXT NOT NULL DEFAULT '',                     -- in, out
    asked_by  TEXT NOT NULL DEFAULT '',
    begun_ts  REAL NOT NULL,
    until_ts  REAL NOT NULL
);
CREATE TABLE trace_sessions (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    name      TEXT NOT NULL,
    direction TEXT NOT NULL,
    peer      TEXT NOT NULL,
    begun_ts  REAL NOT NULL,
    ended_ts  REAL,                                         -- NULL: it goes on
    envelope  TEXT NOT NULL DEFAULT '',                     -- MAIL and RCPT
    last      TEXT NOT NULL DEFAULT ''                      -- what was said last
);
CREATE INDEX trace_sessions_begun ON trace_sessions (begun_ts);
CREATE TABLE trace_lines (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id INTEGER NOT NULL,
    at_ts      REAL NOT NULL,
    who        TEXT NOT NULL,                               -- client, server, note
    text       TEXT NOT NULL
);
CREATE INDEX trace_lines_session ON trace_lines (session_id);
