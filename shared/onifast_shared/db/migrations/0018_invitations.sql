-- What users answered to invitations, so that these and their later versions tell it.

CREATE TABLE invitation_answers (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    owner       TEXT NOT NULL,
    uid         TEXT NOT NULL,                             -- of the event (RFC 5545 section 3.8.4.7)
    occurrence  TEXT NOT NULL DEFAULT '',                  -- of a series: RECURRENCE-ID as it is written
    sequence    INTEGER NOT NULL DEFAULT 0,                -- the version that was answered
    answer      TEXT NOT NULL,                             -- accepted, declined, tentative
    answered_ts INTEGER NOT NULL,
    UNIQUE (owner, uid, occurrence)
);
