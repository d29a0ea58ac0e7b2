"""Teaches what users moved to or out of junk: the filter of our own, or the one elsewhere that learns for each user.

Each lesson is learned once: by our own filter in the transaction that says so, by one elsewhere before it, and that
knows by itself what it has learned. A crash only repeats a lesson.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.junk import judging, lessons, words
from onifast_shared.junk.exchange import MOST_SCANNED, ScanTrouble
from onifast_shared.junk.lessons import Lesson
from onifast_shared.junk.model import Learnable
from onifast_shared.junk.words import Reading
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import mailbox, preferences
from onifast_shared.message.html_text import to_text
from onifast_shared.message.parsing import parse

from onifast_outbox import maillog
from onifast_outbox.junk import tell


class Teacher:
    """One for a program. `now` gives epoch seconds."""

    def __init__(self, db: Database, settings: Settings, *, now: Callable[[], float] = time.time) -> None:
        self._db = db
        self._elsewhere = judging.learns_elsewhere(settings)
        self._own = judging.has_own_filter(settings)
        self._timeout = settings.scanner_timeout
        self._now = now

    async def run_once(self) -> int:
        """Gives a batch of lessons; how many. Raises DatabaseError."""
        if not await self._db.apeek(lambda tx: lessons.any_waits(tx, self._now())):
            return 0
        found = await self._db.aread(lambda tx: lessons.waiting(tx, self._now()))
        for lesson in found:
            try:
                await self._give(lesson)
            except DatabaseError:
                raise
            except Exception:  # it must not hold up the others
                maillog.unforeseen("learning junk")
                await self._db.awrite(lambda tx, lesson=lesson: lessons.postpone(tx, lesson, self._now()))  # type: ignore[misc]
        return len(found)

    async def _give(self, lesson: Lesson) -> None:
        raw = await self._db.aread(lambda tx: _bytes(tx, lesson))
        if raw is None or not (self._own or self._elsewhere):
            await self._db.awrite(lambda tx: lessons.drop(tx, lesson))
        elif self._elsewhere is not None:
            await self._tell(lesson, raw)
        else:
            await self._learn(lesson, raw)

    async def _learn(self, lesson: Lesson, raw: bytes) -> None:
        reading = await asyncio.to_thread(_read, raw, lesson)
        now = self._now()

        def learn(tx: Connection) -> None:
            proven = _is_proven(lesson, reading)
            names = judging.sender_names(reading.author) if reading.author and proven else []
            if lessons.learn(tx, lesson, Learnable(reading.features, names), now) and lesson.wanted == "junk":
                lessons.add_kept(tx, lesson.owner, now)

        await self._db.awrite(learn)

    async def _tell(self, lesson: Lesson, raw: bytes) -> None:
        where = self._elsewhere
        assert where is not None  # noqa: S101
        if len(raw) > MOST_SCANNED:
            await self._db.awrite(lambda tx: lessons.drop(tx, lesson))
            return
        try:
            await tell.teach(where, lesson, raw, self._timeout)
        except (ScanTrouble, OSError, EOFError, TimeoutError) as error:
            maillog.junk_filter_trouble(where.protocol, lesson.owner, error)
            await self._db.awrite(lambda tx: lessons.postpone(tx, lesson, self._now()))
            return
        await self._db.awrite(lambda tx: lessons.note_learned(tx, lesson))


def _bytes(tx: Connection, lesson: Lesson) -> bytes | None:
    """The message; None where it is gone, or its owner wants nothing learned."""
    if not preferences.filters_junk(tx, lesson.owner):
        return None
    try:
        return mailbox.raw(tx, lesson.email_id)
    except KeyError:
        return None


def _read(raw: bytes, lesson: Lesson) -> Reading:
    """The message as it was read when it was judged, whatever its bytes: what is learned must be found again."""
    try:
        parsed = parse(raw)
        text = parsed.text if parsed.text is not None else to_text(parsed.html or "")
        return words.read(parsed, text, judging.checks(lesson.authentication))
    except Exception:
        maillog.unforeseen("reading a message's words")
        return words.NOTHING


def _is_proven(lesson: Lesson, reading: Reading) -> bool:
    """Whether it was shown to be from whom it says: as it was judged, or for older mail by DMARC."""
    if lesson.sender_proven is not None:
        return lesson.sender_proven
    checks = judging.checks(lesson.authentication)
    return reading.author is not None and judging.passes_dmarc(checks, reading.author)
