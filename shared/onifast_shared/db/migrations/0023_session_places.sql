-- Where a login to the webmail came from, and with which browser, for its user to tell theirs from a stranger's.

ALTER TABLE web_sessions ADD COLUMN started_from TEXT NOT NULL DEFAULT '';  -- the client's address; '' for not known
ALTER TABLE web_sessions ADD COLUMN user_agent TEXT NOT NULL DEFAULT '';    -- as the browser named itself
