-- Who did what to whose things, and from where, for those whose things they are and for administrators.

CREATE TABLE audit_events (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    ts      INTEGER NOT NULL,
    actor   TEXT NOT NULL,                                 -- user:NAME, panel, unix:NAME, or a program of ours
    token   TEXT NOT NULL DEFAULT '',                      -- what they acted with: service, token:ID, session; '' for none
    action  TEXT NOT NULL,                                 -- mail.read and its like
    owner   TEXT,                                          -- whose it is; NULL: nobody's
    object  TEXT NOT NULL DEFAULT '',                      -- what it was done to: email:ID and its like
    details TEXT NOT NULL DEFAULT '{}',                    -- JSON
    ip      TEXT NOT NULL DEFAULT ''                       -- the client's address; '' where there is none
);
CREATE INDEX audit_events_owner ON audit_events (owner, id);
CREATE INDEX audit_events_ts ON audit_events (ts);
