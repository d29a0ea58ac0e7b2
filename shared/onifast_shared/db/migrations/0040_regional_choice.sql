-- What language people want the webmail in (BCP 47), and the time zone of what it shows (IANA name).
ALTER TABLE user_preferences ADD COLUMN language TEXT;
ALTER TABLE user_preferences ADD COLUMN time_zone TEXT;
