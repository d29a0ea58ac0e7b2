"""Troubles with the database that an administrator should hear of, kept in a small file beside it.

Not in the database, since that is what they are about. All programs add to the file; webmail, API and `onifast-mailctl
database show` read it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from onifast_shared.db import beside

FLUSH_SECONDS = 10.0
FORGOTTEN_SECONDS = 1200.0
"""A long reader that nobody has met for so long: the program that noted it has ended."""

REFUSED = "refused"
DAMAGED = "damaged"
LONG_READER = "long-reader"


class Trouble(NamedTuple):
    """One trouble: its kind, its last sentence, how often it was met, and when first and last, in epoch seconds."""

    kind: str
    text: str
    times: int
    since: int
    last: int


class _Noted(NamedTuple):
    text: str
    times: int


def troubles_path(database: Path) -> Path:
    """The file."""
    return database.with_suffix(".troubles")


def present(database: Path) -> list[Trouble]:
    """The troubles that are not over, as all programs noted them; none where the file cannot be read."""
    found = _parsed(beside.read(troubles_path(database)))
    return [each for each in found if each.kind != LONG_READER or each.last > time.time() - FORGOTTEN_SECONDS]


class Troubles:
    """One process's part: counts, and writes by and by. Never raises: there is trouble enough."""

    def __init__(self, database: Path) -> None:
        self._path = troubles_path(database)
        self._lock = threading.Lock()
        self._noted: dict[str, _Noted] = {}
        self._over: set[str] = set()
        self._known: set[str] = set()
        self._written = -FLUSH_SECONDS

    def note(self, kind: str, text: str) -> None:
        """A trouble was met. Costs no file access."""
        with self._lock:
            before = self._noted.get(kind)
            self._noted[kind] = _Noted(text, before.times + 1 if before else 1)
            self._over.discard(kind)

    def end(self, kind: str) -> None:
        """A trouble is over."""
        with self._lock:
            self._noted.pop(kind, None)
            self._over.add(kind)

    def flush(self) -> None:
        """Writes what was noted: a new kind at once, more of what is known every ten seconds."""
        with self._lock:
            is_new = bool(self._noted.keys() - self._known or self._over)
            if not (self._noted or self._over) or not (is_new or time.monotonic() > self._written + FLUSH_SECONDS):
                return
            noted, over = self._noted, self._over
            self._noted, self._over = {}, set()
            self._known = (self._known | noted.keys()) - over
            self._written = time.monotonic()
        if noted or (over and self._path.exists()):
            with contextlib.suppress(OSError):
                _merge(self._path, noted, over)


def _merge(path: Path, noted: dict[str, _Noted], over: set[str]) -> None:
    def merged(entries: beside.Entries) -> beside.Entries:
        known = {each.kind: each for each in _parsed(entries)}
        now = int(time.time())
        for kind, (text, times) in noted.items():
            before = known.get(kind, Trouble(kind, text, 0, now, now))
            known[kind] = Trouble(kind, text, before.times + times, before.since, now)
        return [each._asdict() for each in known.values() if each.kind not in over]

    beside.change(path, merged)


def _parsed(entries: beside.Entries) -> list[Trouble]:
    with contextlib.suppress(ValueError, TypeError):
        return [_trouble(each) for each in entries]
    return []


def _trouble(values: dict[str, Any]) -> Trouble:
    return Trouble(
        str(values.get("kind")),
        str(values.get("text")),
        int(values.get("times", 0)),
        int(values.get("since", 0)),
        int(values.get("last", 0)),
    )
