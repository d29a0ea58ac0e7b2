-- Junk that learns: what each user moved to or out of junk, and what was learned from that for them alone.

-- 0: outbox has still to judge the message, and whatever follows its arrival waits for that; 1: judged, or not to be.
ALTER TABLE emails ADD COLUMN judged INTEGER NOT NULL DEFAULT 1;
-- What its owner had to do with its sender when it came: written, known, seen, first; NULL: not looked at.
ALTER TABLE emails ADD COLUMN correspondent TEXT;
ALTER TABLE emails ADD COLUMN sender_proven INTEGER;        -- 1: it was shown to be from whom it says; NULL: not looked at
ALTER TABLE emails ADD COLUMN junk_score REAL;              -- 0.0 to 1.0, by what the owner taught; NULL: none
ALTER TABLE emails ADD COLUMN junk_reason TEXT;             -- why it lies where it lies, in a sentence; NULL: no reason

CREATE INDEX emails_sender ON emails (owner, lower(sender));

-- One model a user. `words` counts its rows of junk_words.
CREATE TABLE junk_models (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL UNIQUE,
    good  INTEGER NOT NULL DEFAULT 0,                       -- messages that were learned as kept
    junk  INTEGER NOT NULL DEFAULT 0,
    words INTEGER NOT NULL DEFAULT 0
);

-- In how many learned messages a feature stood; `word` is a hash of it.
CREATE TABLE junk_words (
    model_id INTEGER NOT NULL,
    word     INTEGER NOT NULL,
    good     INTEGER NOT NULL DEFAULT 0,
    junk     INTEGER NOT NULL DEFAULT 0,
    seen_day INTEGER NOT NULL DEFAULT 0,                    -- days since the epoch
    PRIMARY KEY (model_id, word)
) WITHOUT ROWID;

-- What became of messages of senders that DMARC proved: an address, or '@' and an organizational domain.
CREATE TABLE junk_senders (
    model_id INTEGER NOT NULL,
    name     TEXT NOT NULL,
    good     INTEGER NOT NULL DEFAULT 0,
    junk     INTEGER NOT NULL DEFAULT 0,
    seen_day INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (model_id, name)
) WITHOUT ROWID;

CREATE TRIGGER junk_models_delete AFTER DELETE ON junk_models
BEGIN
    DELETE FROM junk_words WHERE model_id = old.id;
    DELETE FROM junk_senders WHERE model_id = old.id;
END;

-- What a message is to be learned as, and was: junk, good, or '' for nothing. Outbox makes the second what the first is.
CREATE TABLE junk_lessons (
    email_id INTEGER PRIMARY KEY,
    wanted   TEXT NOT NULL,
    learned  TEXT NOT NULL DEFAULT '',
    moved    INTEGER NOT NULL DEFAULT 1,                    -- 1: its owner moved it; 0: it was kept, and taken beside one
    due_ts   INTEGER NOT NULL DEFAULT 0,
    tries    INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX junk_lessons_waiting ON junk_lessons (due_ts) WHERE wanted <> learned;

-- Whoever moves a message to or out of junk teaches, by whatever program; judging moves nothing but what it judges. Who
-- takes a move back teaches nothing.
CREATE TRIGGER emails_junk_taught AFTER UPDATE OF folder ON emails
WHEN new.owner IS NOT NULL AND new.judged IS old.judged
     AND (new.folder = 'junk' AND old.folder NOT IN ('junk', 'trash', 'sent', 'drafts')
          OR old.folder = 'junk' AND new.folder NOT IN ('junk', 'trash', 'sent', 'drafts'))
BEGIN
    INSERT INTO junk_lessons (email_id, wanted)
    SELECT new.id, CASE new.folder WHEN 'junk' THEN 'junk' ELSE 'good' END WHERE true
    ON CONFLICT (email_id) DO UPDATE SET
        wanted = CASE WHEN moved = 1 AND wanted <> '' AND wanted <> excluded.wanted THEN '' ELSE excluded.wanted END,
        moved = 1, due_ts = 0, tries = 0;
END;

-- What was taught as junk, thrown away, and then taken out of the trash was no junk.
CREATE TRIGGER emails_junk_restored AFTER UPDATE OF folder ON emails
WHEN old.folder = 'trash' AND new.folder NOT IN ('junk', 'trash')
BEGIN
    UPDATE junk_lessons SET wanted = '', due_ts = 0, tries = 0 WHERE email_id = new.id AND wanted = 'junk';
END;

CREATE TRIGGER emails_junk_delete AFTER DELETE ON emails
BEGIN
    DELETE FROM junk_lessons WHERE email_id = old.id;
END;

-- Refused mail that is kept apart for a while, so that its recipient can fetch it back.
CREATE TABLE refused_messages (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    owner        TEXT NOT NULL,
    recipient    TEXT NOT NULL,
    reverse_path TEXT NOT NULL,
    content_id   INTEGER NOT NULL,                          -- its bytes, in contents
    trace        BLOB NOT NULL,                             -- header lines of this copy alone
    size         INTEGER NOT NULL,
    client       TEXT NOT NULL,                             -- its network: an IPv4 address, or an IPv6 /64
    author       TEXT NOT NULL DEFAULT '',                  -- From and Subject as they are shown
    subject      TEXT NOT NULL DEFAULT '',
    queue_id     TEXT NOT NULL DEFAULT '',
    kept_ts      INTEGER NOT NULL
);
CREATE INDEX refused_messages_owner ON refused_messages (owner, kept_ts);
CREATE INDEX refused_messages_client ON refused_messages (client, kept_ts);
CREATE INDEX refused_messages_kept ON refused_messages (kept_ts);
CREATE INDEX refused_messages_content ON refused_messages (content_id);

ALTER TABLE refusals ADD COLUMN kept_id INTEGER;            -- its row in refused_messages, while that is there
ALTER TABLE refusals ADD COLUMN rescued_ts INTEGER;         -- when its recipient fetched it back

-- A record that goes takes along what nobody could find any more without it; the bytes are swept.
CREATE TRIGGER refusals_kept_delete AFTER DELETE ON refusals
WHEN old.kept_id IS NOT NULL
BEGIN
    DELETE FROM refused_messages WHERE id = old.kept_id AND owner = old.owner;
END;

-- What users chose: whether junk is learned and looked for (1, 0), and how often they are told of junk and refused mail.
ALTER TABLE user_preferences ADD COLUMN filters_junk INTEGER;
ALTER TABLE user_preferences ADD COLUMN junk_digest TEXT;   -- daily or weekly; NULL: never
ALTER TABLE user_preferences ADD COLUMN digested_ts INTEGER;    -- up to when they were told
CREATE INDEX user_preferences_digest ON user_preferences (digested_ts) WHERE junk_digest IS NOT NULL;
