-- How the webmail looks to a user, NULL for as the system has it; and whether they have seen the tour.
ALTER TABLE user_preferences ADD COLUMN theme TEXT;
ALTER TABLE user_preferences ADD COLUMN contrast TEXT;
ALTER TABLE user_preferences ADD COLUMN tour_done INTEGER NOT NULL DEFAULT 0;
