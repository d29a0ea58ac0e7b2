"""What leaves trash and junk after a while, and the room that it leaves."""

from __future__ import annotations

import dataclasses
import time

import mail_rows
import pytest
from onifast_outbox.claiming.leases import Leases
from onifast_outbox.housekeeping.compactor import Compactor
from onifast_outbox.housekeeping.janitor import Janitor
from onifast_shared.db import compacting
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import mailbox

DAY = 86400


def put(database: Database, folder: str, subject: str, octets: int = 0) -> int:
    raw = f"Subject: {subject}\r\n\r\n".encode() + b"x" * octets
    return mail_rows.put(database, raw, now=time.time() - 400 * DAY, folder=folder)


def move(database: Database, folder: str, *ids: int) -> None:
    database.write(lambda tx: mailbox.move(tx, "ann", ids, folder))


def left(database: Database) -> set[int]:
    return {int(str(row[0])) for row in database.read(lambda tx: tx.execute("SELECT id FROM emails").fetchall())}


async def test_what_was_put_away_long_ago_is_removed_for_good_and_nothing_else(
    database: Database, settings: Settings
) -> None:
    inbox, trash, junk, back = (put(database, folder, folder) for folder in ("inbox", "trash", "junk", "trash"))
    move(database, "trash", inbox)
    move(database, "inbox", back)
    fresh = put(database, "inbox", "an old message that was put away just now")
    many = [put(database, "trash", f"many {number}") for number in range(120)]
    database.write(lambda tx: tx.execute("UPDATE put_away SET since_ts = since_ts - ?", (31 * DAY,)) and None)
    move(database, "trash", fresh)
    leases = Leases(database, 20.0)
    await Janitor(database, leases, settings).tidy(time.time())
    assert len(left(database)) == 5 + len(many), "for ever, unless a setting says how long"
    await Janitor(database, leases, dataclasses.replace(settings, trash_kept=30.0 * DAY)).tidy(time.time())
    assert left(database) == {junk, back, fresh}
    await Janitor(database, leases, dataclasses.replace(settings, junk_kept=30.0 * DAY)).tidy(time.time())
    assert left(database) == {back, fresh} and trash not in left(database)


async def test_room_is_given_back_while_nobody_writes(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compacting, "KEPT_PAGES", 10)
    gone = [put(database, "trash", str(number), 400_000) for number in range(20)]
    database.write(lambda tx: mailbox.erase(tx, gone))
    before = database.read(compacting.free_pages)
    compactor = Compactor(database)
    assert before > 1000 and await compactor.round() == 0, "somebody has just written"
    given = 0
    while pages := await compactor.round():
        given += pages
    assert database.read(compacting.free_pages) == 10 and given == before - 10
