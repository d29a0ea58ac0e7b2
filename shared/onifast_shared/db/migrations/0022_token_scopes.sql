-- API tokens that may do some things only, and end by themselves. What was made before may do all that its user may.

ALTER TABLE api_tokens ADD COLUMN scopes TEXT NOT NULL DEFAULT 'read send manage admin';  -- names, a space between
ALTER TABLE api_tokens ADD COLUMN expires_ts INTEGER;                                     -- NULL: never
ALTER TABLE api_tokens ADD COLUMN used_from TEXT;                                         -- the last client's address
CREATE INDEX api_tokens_user ON api_tokens (username);
