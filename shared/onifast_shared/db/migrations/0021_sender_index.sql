-- `emails_by_sender` of 0019 finds what this one found: one index less to write for each message.
DROP INDEX IF EXISTS emails_sender;
