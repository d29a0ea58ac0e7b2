"""The daily examination: who is told what, and how often."""

from __future__ import annotations

from collections.abc import Sequence

from onifast_outbox.housekeeping.doctor import Doctor
from onifast_shared.db.database import Database
from onifast_shared.doctor.memory import AGAIN, DAY, WHILE_BAD
from onifast_shared.health.checks import HealthFinding, State
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import contents

BAD = HealthFinding("blocklists", State.FAILED, "list.test lists 203.0.113.9", "ask it", "203.0.113.9 list.test")
WELL = HealthFinding("clock", State.OK, "the clock is kept right")


class Examined:
    """Findings that a test chooses, and what they were asked for by."""

    def __init__(self) -> None:
        self.found = [WELL]
        self.asked: list[Sequence[str]] = []

    def __call__(self, settings: Settings, only: Sequence[str]) -> list[HealthFinding]:
        self.asked.append(only)
        return self.found


def mail(database: Database) -> list[str]:
    """The texts of what was queued to the postmaster, newest last."""
    rows = database.read(
        lambda tx: tx.execute(
            "SELECT content_id FROM outbox WHERE recipient = 'postmaster@mail.host.test' ORDER BY id"
        ).fetchall()
    )
    return [database.read(lambda tx, one=one: contents.read(tx, one)).decode() for (one,) in rows]  # type: ignore[misc]


async def test_what_turns_bad_is_told_once_and_again_when_it_is_good(database: Database, settings: Settings) -> None:
    examined, now = Examined(), 1_800_000_000.0
    doctor = Doctor(database, settings, examined)
    assert not await doctor.round(now), "a new installation is still being set up"
    now += AGAIN
    assert await doctor.round(now) and not await doctor.round(now + 1)
    examined.found = [WELL, BAD]
    now += DAY
    assert await doctor.round(now) and mail(database) == [], "it may be a moment's trouble"
    now += AGAIN
    assert await doctor.round(now)
    (told,) = mail(database)
    assert "Subject: mail.host.test: list.test lists 203.0.113.9" in told and "To mend it: ask it." in told
    for _ in range(3):
        now += WHILE_BAD
        assert await doctor.round(now)
    assert len(mail(database)) == 1 and examined.asked[-1] == ["blocklists"], "the rest has its turn once a day"
    examined.found = [WELL]
    now += WHILE_BAD
    assert await doctor.round(now)
    assert "Good again:" in mail(database)[1] and not await doctor.round(now + WHILE_BAD)


async def test_what_is_good_when_looked_at_again_is_never_told(database: Database, settings: Settings) -> None:
    examined, now = Examined(), 1_800_000_000
    doctor, other = Doctor(database, settings, examined), Doctor(database, settings, examined)
    await doctor.round(now)
    examined.found = [BAD]
    assert await doctor.round(now + AGAIN) and not await other.round(now + AGAIN), "one of several looks"
    examined.found = []
    assert await other.round(now + 2 * AGAIN)
    assert mail(database) == []
    assert not await doctor.round(now - 30 * DAY) and await doctor.round(now - 30 * DAY + AGAIN), "a clock set back"
