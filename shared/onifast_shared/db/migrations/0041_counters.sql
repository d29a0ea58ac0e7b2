-- What the programs count and measure, added up over their processes (onifast_shared.metrics). Labels are `name=value`
-- with commas between them; `width` is how many seconds a row counts together, `number` of what was counted, or seconds.
CREATE TABLE counters (
    width    INTEGER NOT NULL,
    begin_ts INTEGER NOT NULL,
    name     TEXT NOT NULL,
    labels   TEXT NOT NULL,
    program  TEXT NOT NULL,
    number   REAL NOT NULL,
    PRIMARY KEY (width, begin_ts, name, labels, program)
) WITHOUT ROWID;
-- The same since ever.
CREATE TABLE counter_totals (
    name    TEXT NOT NULL,
    labels  TEXT NOT NULL,
    program TEXT NOT NULL,
    number  REAL NOT NULL,
    PRIMARY KEY (name, labels, program)
) WITHOUT ROWID;
-- How much is held, and since when, without a walk through all that was ever sent.
CREATE INDEX outbox_held ON outbox (queued_ts) WHERE status = 'held';
