"""The audit trail is kept as long as the setting says, and swept by outbox."""

from __future__ import annotations

import dataclasses

from onifast_outbox.claiming.leases import Leases
from onifast_outbox.housekeeping.janitor import Janitor
from onifast_shared.accounts import audit
from onifast_shared.accounts.audit import Actor
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings


async def test_what_is_older_than_the_setting_is_swept(settings: Settings, database: Database) -> None:
    now, day = 1_900_000_000.0, 86400

    def write(tx: Connection) -> None:
        for age in [*([3 * day] * 1200), day]:
            audit.record(tx, Actor("panel"), "mail.read", owner="demo", now=now - age)

    database.write(write)
    kept = dataclasses.replace(settings, audit_kept=2.0 * day)
    await Janitor(database, Leases(database, 20.0), kept).tidy(now)
    assert [event.ts for event in database.read(audit.list_page).rows] == [int(now - day)]
