-- DNS look-ups that fail and stand between a message and a refusal: mail waits for them, but not for ever.

CREATE TABLE dns_failures (
    lookup       TEXT PRIMARY KEY,              -- name and type: 'sel._domainkey.a.test TXT'
    organization TEXT NOT NULL DEFAULT '',      -- the author's, each of which has so many rows at the most
    first_ts     INTEGER NOT NULL DEFAULT 0,    -- since when it fails, as far as is known without a break
    last_ts      INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX dns_failures_organization ON dns_failures (organization);
CREATE INDEX dns_failures_last ON dns_failures (last_ts);
