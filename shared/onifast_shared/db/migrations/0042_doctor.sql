-- What the daily examination of this host found wrong, and when its administrator was told.
CREATE TABLE doctor_findings (
    check_name TEXT NOT NULL,
    subject    TEXT NOT NULL DEFAULT '',
    state      TEXT NOT NULL,                               -- warning, failed
    text       TEXT NOT NULL DEFAULT '',
    since_ts   INTEGER NOT NULL,
    told_ts    INTEGER,                                     -- NULL: seen once, and not told yet
    PRIMARY KEY (check_name, subject)
);

-- When the next examination is due, and when all was looked at last.
CREATE TABLE doctor_rounds (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    next_ts  INTEGER NOT NULL,
    whole_ts INTEGER NOT NULL DEFAULT 0
);
