-- The second factor of logins to the webmail (TOTP, RFC 6238), and what lies between the first step and the second.

-- A user's authenticator. `sealed` is its secret, NULL until it was confirmed; `begun` one that is being set up.
CREATE TABLE totp_secrets (
    username     TEXT PRIMARY KEY,
    sealed       BLOB,
    confirmed_ts INTEGER,
    last_step    INTEGER NOT NULL DEFAULT 0,               -- the time step of the last code: none counts twice
    recovery     TEXT NOT NULL DEFAULT '',                 -- SHA-256 of the unused recovery codes, in hex, with spaces
    begun        BLOB,
    begun_ts     INTEGER
);

-- Who has shown the first factor and not the second; `token_hash` is that of a cookie.
CREATE TABLE pending_logins (
    token_hash BLOB PRIMARY KEY,
    username   TEXT NOT NULL,
    shown      TEXT NOT NULL,                              -- the first factor: password or sso
    credential TEXT NOT NULL,                              -- tells whether the password is still the same
    target     TEXT NOT NULL DEFAULT '',                   -- the path to go to in the end
    expires_ts INTEGER NOT NULL
);
CREATE INDEX pending_logins_expiry ON pending_logins (expires_ts);

-- Browsers that need no second factor for a while.
CREATE TABLE remembered_devices (
    token_hash    BLOB PRIMARY KEY,
    username      TEXT NOT NULL,
    credential    TEXT NOT NULL,
    created_ts    INTEGER NOT NULL,
    used_ts       INTEGER NOT NULL,
    expires_ts    INTEGER NOT NULL,
    used_from     TEXT NOT NULL DEFAULT '',
    user_agent    TEXT NOT NULL DEFAULT '',
    password_mark BLOB
);
CREATE INDEX remembered_devices_user ON remembered_devices (username);
CREATE INDEX remembered_devices_expiry ON remembered_devices (expires_ts);

-- A keyed hash of what the panel stored as the password when the session began: another password, and the session is
-- of no use any more and not listed. NULL: not known.
ALTER TABLE web_sessions ADD COLUMN password_mark BLOB;
