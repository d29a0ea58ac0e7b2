"""The directory's answers, kept until somebody changes it: whose an address is, and where its mail goes.

Panels and scripts write its tables themselves, and a row counts from the next RCPT on. So triggers count every change
in `directory_version`, and an answer is good as long as that number stays what it was. Finding out costs no file
access: `PRAGMA data_version` looks into the WAL's shared memory, and only after a commit is the one row read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseError

T = TypeVar("T")

MOST_KEPT = 20_000
"""Answers kept; a stranger who asks for more makes us forget all of them."""

_VERSION = "SELECT version FROM directory_version"


class CachedDirectory:
    """Keeps answers for one event loop: a repeated look-up needs neither thread nor file."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: int | None = None  # Database.data_version
        self._version: int | None = None
        self._is_current = False
        self._answers: dict[Hashable, Any] = {}
        self._answered_at: int | None = None

    async def ask(self, question: Hashable, fn: Callable[[Connection], T]) -> T:
        """What `fn` reads from the directory's tables, and from nothing else; `question` names it, values included.

        Raises DatabaseError.
        """
        version = self._current()
        if version is not None and version == self._answered_at and question in self._answers:
            answer: T = self._answers[question]
            return answer
        read_at, answer = await self._database.aread(lambda tx: (_version(tx), fn(tx)))
        self._keep(read_at, question, answer)
        return answer

    def _current(self) -> int | None:
        """The version that everybody sees now; None where that cannot be told at once.

        All that one turn of the event loop asks gets one look: it was read from sockets before that, so a row that was
        there when a client asked is seen.
        """
        if self._is_current:
            return self._version
        # A look that would have to wait is no look for an event loop: it fails at once, and the answer is read anew.
        try:
            seen = self._database.data_version()
            if seen != self._seen:
                if self._seen is not None and self._seen >> 32 != seen >> 32:
                    self._answered_at = None  # another file, perhaps: its numbers are others
                self._version = self._database.peek(_version)
                self._seen = seen
        except DatabaseError:
            return None
        self._is_current = True
        asyncio.get_running_loop().call_soon(self._look_again)
        return self._version

    def _look_again(self) -> None:
        self._is_current = False

    def _keep(self, version: int, question: Hashable, answer: object) -> None:
        if self._answered_at is not None and version < self._answered_at:
            return  # others have seen a later state since
        if version != self._answered_at or len(self._answers) >= MOST_KEPT:
            self._answers.clear()
            self._answered_at = version
        self._answers[question] = answer


def _version(tx: Connection) -> int:
    return int(tx.execute(_VERSION).get)
