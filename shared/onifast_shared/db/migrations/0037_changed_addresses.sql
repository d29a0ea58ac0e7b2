-- What other programs do to addresses that more than one text stands for: in international domains, with letters beyond
-- ASCII, quotes, or dots at odd places. The triggers of 0003 end the forwards that an earlier owner made of an address,
-- but compare texts; these note the change, for programs that know the forms. `last_forward`: what comes later is meant.
CREATE TABLE mail_address_changes (
    id           INTEGER PRIMARY KEY,
    address      TEXT NOT NULL,
    owner        TEXT,
    is_gone      INTEGER NOT NULL DEFAULT 0,
    last_forward INTEGER NOT NULL DEFAULT 0
);

CREATE TRIGGER mail_addresses_noted_insert AFTER INSERT ON mail_addresses
WHEN (new.address GLOB '*[^a-zA-Z0-9.@_+=-]*' OR new.address LIKE '%xn--%'
    OR '.' || new.address LIKE '%..%' OR new.address LIKE '%.@%')
  AND EXISTS (SELECT 1 FROM mail_forwards WHERE owner <> '')
BEGIN
    INSERT INTO mail_address_changes (address, owner, is_gone, last_forward)
    SELECT new.address, new.owner, 0, max(id) FROM mail_forwards;
END;
CREATE TRIGGER mail_addresses_noted_update AFTER UPDATE OF address, owner ON mail_addresses
WHEN (new.address || old.address GLOB '*[^a-zA-Z0-9.@_+=-]*' OR new.address || old.address LIKE '%xn--%'
    OR '.' || new.address || '@.' || old.address LIKE '%..%' OR new.address || old.address LIKE '%.@%')
  AND EXISTS (SELECT 1 FROM mail_forwards WHERE owner <> '')
BEGIN
    INSERT INTO mail_address_changes (address, owner, is_gone, last_forward)
    SELECT old.address, old.owner, 1, (SELECT max(id) FROM mail_forwards) WHERE new.address <> old.address;
    INSERT INTO mail_address_changes (address, owner, is_gone, last_forward)
    SELECT new.address, new.owner, 0, max(id) FROM mail_forwards;
END;
CREATE TRIGGER mail_addresses_noted_delete AFTER DELETE ON mail_addresses
WHEN (old.address GLOB '*[^a-zA-Z0-9.@_+=-]*' OR old.address LIKE '%xn--%'
    OR '.' || old.address LIKE '%..%' OR old.address LIKE '%.@%')
  AND EXISTS (SELECT 1 FROM mail_forwards WHERE owner <> '')
BEGIN
    INSERT INTO mail_address_changes (address, owner, is_gone, last_forward)
    SELECT old.address, old.owner, 1, max(id) FROM mail_forwards;
END;
