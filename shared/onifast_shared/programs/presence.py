"""Which programs are running on a database, as each of them notes it beside it; `onifast-mailctl health` reads it.

Not in the database, which may be what they cannot reach, and not asked of them, since not all of them can be asked.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from onifast_shared.db import beside

NOTE_SECONDS = 15.0
"""How often a program notes that it is there."""

LOST_SECONDS = 4 * NOTE_SECONDS
"""One that was not heard of for so long has died, or hangs."""

_FORGOTTEN_SECONDS = 7 * 86400.0


@dataclass(frozen=True)
class Presence:
    """A program that runs, or did when it was last heard of. Times are epoch seconds."""

    program: str
    pid: int
    version: str
    started_at: float
    heard_at: float
    processes: int = 1
    serving: int = 0
    """How many of its processes serve, and are not stuck."""
    listening: Mapping[str, str] = field(default_factory=dict)
    """Where each of its services listens: addresses of sockets, with commas between them."""

    def is_lost(self, now: float) -> bool:
        """Whether it has died without a word, or hangs. What runs in another container is not seen here, but heard."""
        silence = now - self.heard_at
        return silence > LOST_SECONDS or (silence > NOTE_SECONDS * 4 / 3 and not _is_here(self.pid))


def presence_path(database: Path) -> Path:
    """The file."""
    return database.with_suffix(".programs")


def present(database: Path) -> list[Presence]:
    """Those that run, and those that have died without a word, by name."""
    found = (_presence(each) for each in beside.read(presence_path(database)))
    return sorted((each for each in found if each), key=lambda each: (each.program, each.pid))


def note(database: Path, presence: Presence) -> None:
    """Notes that a program is there. One of its name that died here before it is forgotten. Raises OSError."""

    def noted(entries: beside.Entries) -> beside.Entries:
        oldest = time.time() - _FORGOTTEN_SECONDS
        known = [each for each in map(_presence, entries) if each and each.heard_at > oldest]
        others = [each for each in known if not (each.program == presence.program and _has_ended(each, presence))]
        return [asdict(each) for each in [*others, presence]]

    beside.change(presence_path(database), noted)


def leave(database: Path, program: str, pid: int) -> None:
    """Notes that a program has ended as it should. Never raises."""

    def left(entries: beside.Entries) -> beside.Entries:
        known = [each for each in map(_presence, entries) if each]
        return [asdict(each) for each in known if (each.program, each.pid) != (program, pid)]

    with contextlib.suppress(OSError):
        if presence_path(database).exists():
            beside.change(presence_path(database), left)


def _has_ended(other: Presence, ours: Presence) -> bool:
    """Whether another note is this program's own, or that of a process which is there no more."""
    return other.pid == ours.pid or not _is_here(other.pid)


def _is_here(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _presence(values: dict[str, Any]) -> Presence | None:
    with contextlib.suppress(TypeError, ValueError, KeyError, AttributeError):
        return Presence(
            str(values["program"]),
            int(values["pid"]),
            str(values["version"]),
            float(values["started_at"]),
            float(values["heard_at"]),
            int(values["processes"]),
            int(values["serving"]),
            {str(service): str(at) for service, at in values["listening"].items()},
        )
    return None
