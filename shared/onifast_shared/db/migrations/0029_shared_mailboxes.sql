-- Shared mailboxes (info@, support@): mailbox users whom nobody logs in as, and whose mailbox several people open.

ALTER TABLE mailbox_users ADD COLUMN is_shared INTEGER NOT NULL DEFAULT 0;
ALTER TABLE mailbox_users ADD COLUMN names_sender INTEGER NOT NULL DEFAULT 0; -- 1: the Sender field says who wrote

CREATE TABLE mailbox_members (
    account TEXT NOT NULL,                                 -- of the shared mailbox
    member  TEXT NOT NULL,                                 -- its panel user, or one of their mailbox users
    PRIMARY KEY (account, member)
);
CREATE INDEX mailbox_members_member ON mailbox_members (member);
CREATE TRIGGER mailbox_members_version_insert AFTER INSERT ON mailbox_members
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER mailbox_members_version_delete AFTER DELETE ON mailbox_members
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER mailbox_users_members AFTER DELETE ON mailbox_users
BEGIN
    DELETE FROM mailbox_members WHERE account = old.account OR member = old.account;
END;

-- What those who share a mailbox tell each other of a message.
CREATE TABLE team_marks (
    email_id     INTEGER PRIMARY KEY,
    assigned_to  TEXT,                                     -- an account
    done_by      TEXT,
    done_ts      INTEGER,
    answering_by TEXT,                                     -- who has begun an answer, for people to see; it shuts nobody out
    answering_ts INTEGER,
    sent_by      TEXT                                      -- who wrote it, of a message in sent
);
CREATE INDEX team_marks_answering ON team_marks (answering_by) WHERE answering_by IS NOT NULL;
CREATE TRIGGER team_marks_email AFTER DELETE ON emails
BEGIN
    DELETE FROM team_marks WHERE email_id = old.id;
END;
