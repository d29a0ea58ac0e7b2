"""A kind of disagreement: how it is looked for, in small steps, and how one of it is mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from onifast_shared.db.database import Database
from onifast_shared.fsck.lost_and_found import LostAndFound
from onifast_shared.machine.config import Settings

STEP = 500
"""Rows that one snapshot is read for: no reader keeps the WAL from being emptied for long."""


@dataclass(frozen=True)
class FsckProblem:
    """Something that does not agree: `where` names it (a table and a row, or a path), `text` says what is wrong.

    `mend` puts it right and says how; None where that takes a person, whom `remedy` then tells what to do.
    """

    kind: str
    where: str
    text: str
    mend: Callable[[], str] | None = None
    remedy: str = ""


@dataclass(frozen=True)
class FsckTools:
    """What looking and mending need. `now` is in epoch seconds."""

    settings: Settings
    db: Database
    lost: LostAndFound
    now: float


@dataclass(frozen=True)
class FsckKind:
    """A kind of disagreement, by its name on the command line."""

    name: str
    meaning: str
    look: Callable[[FsckTools], Iterator[FsckProblem]]
