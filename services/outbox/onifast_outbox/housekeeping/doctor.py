"""Examines this host once a day, and tells its postmaster what turned bad, once, and what is good again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from onifast_shared.accepting import alerts
from onifast_shared.db.database import Connection, Database
from onifast_shared.doctor import examination, memory
from onifast_shared.doctor.memory import TurnedFindings
from onifast_shared.health import checks as health
from onifast_shared.health.checks import HealthFinding, State
from onifast_shared.machine.config import Settings

from onifast_outbox import maillog

ROUND_SECONDS = 300.0
"""How often it is looked whether an examination is due."""

Examine = Callable[[Settings, Sequence[str]], list[HealthFinding]]


class Doctor:
    """One for a program. Of several deliverers on one database, whichever comes first makes the day's examination."""

    def __init__(self, db: Database, settings: Settings, examine: Examine = examination.examine) -> None:
        self._db = db
        self._settings = settings
        self._examine = examine

    async def round(self, now: float) -> bool:
        """Examines if it is time, and whether it was. Raises DatabaseError."""
        names = await self._db.awrite(lambda tx: memory.take(tx, now))
        if names is None:
            await self._look_at_disk(now)
            return False
        found = await asyncio.to_thread(self._examine, self._settings, names)
        await self._note_and_tell(found, names or examination.CHECKS, now)
        return True

    async def _look_at_disk(self, now: float) -> None:
        """A disk fills within hours: it is looked at in each round, and told of after two."""
        found = await asyncio.to_thread(health.look, self._settings, ("disk",))
        if health.worst(found) is not State.OK or await self._db.aread(lambda tx: memory.knows(tx, "disk")):
            await self._note_and_tell(found, ("disk",), now, between=True)

    async def _note_and_tell(
        self, found: list[HealthFinding], names: Sequence[str], now: float, *, between: bool = False
    ) -> None:
        turn = await self._db.awrite(lambda tx: self._note(tx, memory.note(tx, found, names, now, between=between)))
        if turn.bad or turn.good:
            maillog.examined([each.check for each in turn.bad], len(turn.good))

    def _note(self, tx: Connection, turn: TurnedFindings) -> TurnedFindings:
        """Tells in the transaction that remembers: nothing is told twice, or forgotten."""
        if turn.bad or turn.good:
            settings, text = self._settings, "\n".join(_lines(turn, self._settings.hostname))
            alerts.send(tx, [alerts.postmaster(settings)], _subject(turn, settings.hostname), text, settings)
        return turn


def _subject(turn: TurnedFindings, hostname: str) -> str:
    if not turn.bad:
        return f"{hostname}: good again"
    more = f", and {len(turn.bad) - 1} more" if len(turn.bad) > 1 else ""
    return f"{hostname}: {turn.bad[0].text[:100]}{more}"


def _lines(turn: TurnedFindings, hostname: str) -> Iterator[str]:
    if turn.bad:
        yield f"This stands between {hostname} and good delivery, or will soon:\n"
    for each in turn.bad:
        yield f"* {each.check}: {each.text}."
        if each.remedy:
            yield f"  To mend it: {each.remedy}."
        yield ""
    if turn.good:
        yield "Good again:\n"
        yield from (f"* {each}" for each in turn.good)
        yield ""
    yield "You are told of each once, and again when it is good. `onifast-mailctl doctor` shows all as it is now."
