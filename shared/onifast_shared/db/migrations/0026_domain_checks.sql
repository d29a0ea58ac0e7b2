-- The MTA-STS policy that web serves for a domain: none, testing or enforce; '' for the setting's (mta_sts_mode).
ALTER TABLE domains ADD COLUMN mta_sts TEXT NOT NULL DEFAULT '';

-- What DNS said of a domain when somebody looked last, so that a list of domains need not ask about each.
CREATE TABLE domain_checks (
    domain     TEXT PRIMARY KEY,
    checked_ts INTEGER NOT NULL,
    standing   TEXT NOT NULL,                              -- good, wrong, unknown
    problems   INTEGER NOT NULL DEFAULT 0                  -- records that are needed and not good
) WITHOUT ROWID;
CREATE TRIGGER domain_checks_domain_gone AFTER DELETE ON domains
BEGIN
    DELETE FROM domain_checks WHERE domain = old.domain;
END;
