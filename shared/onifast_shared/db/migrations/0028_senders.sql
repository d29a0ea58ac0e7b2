-- Senders whom users have accepted or blocked, and the own folder in which mail of unknown ones lies.

CREATE TABLE sender_choices (
    username  TEXT NOT NULL,
    sender    TEXT NOT NULL,                                -- an address, or 'list:' and the id of a mailing list
    choice    TEXT NOT NULL,                                -- accepted, blocked
    chosen_ts INTEGER NOT NULL,
    PRIMARY KEY (username, sender)
);

ALTER TABLE user_preferences ADD COLUMN keeps_unknown_apart INTEGER NOT NULL DEFAULT 0;
ALTER TABLE user_preferences ADD COLUMN unknown_folder_id INTEGER;  -- the label that is that folder; NULL: none yet
