"""One run: each kind is looked for, and what is found is mended where that is wanted."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from onifast_shared.db.database import Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.fsck import derived, files, references, stored
from onifast_shared.fsck.kinds import FsckKind, FsckProblem, FsckTools
from onifast_shared.fsck.lost_and_found import LostAndFound
from onifast_shared.machine.config import Settings

KINDS = (
    FsckKind(derived.PAGES, "damaged pages, and indexes that do not fit their tables", derived.pages),
    FsckKind(references.NAME, "rows that refer to rows which are not there", references.look),
    FsckKind(stored.INCOMPLETE, "messages whose bytes are gone", stored.incomplete),
    FsckKind(stored.UNUSED, "bytes that no message has", stored.unused),
    FsckKind(derived.STATES, "queue rows in unknown states", derived.states),
    FsckKind(derived.LEASES, "queue rows that are being sent by nobody", derived.leases),
    FsckKind(derived.COUNTS, "kept numbers of messages", derived.kept_counts),
    FsckKind(derived.SEARCH, "the search index", derived.search),
    FsckKind(files.COPIES, "messages whose copy in the owner's home is gone", files.missing_copies),
    FsckKind(files.UNKNOWN_COPIES, "copies in homes that belong to no message", files.unknown_copies),
    FsckKind(files.LEFT_OVERS, "files of work that broke off", files.left_overs),
    FsckKind(files.RIGHTS, "keys and database that everybody may read", files.rights),
)
"""In the order in which they are looked for: what one mends, the next ones look at."""


@dataclass(frozen=True)
class FsckFinding:
    """What was found, and what became of it: `mended` says how it was put right, '' for what is as it was."""

    problem: FsckProblem
    mended: str = ""
    failed: str = ""


def examine(
    settings: Settings, db: Database, names: Collection[str], *, fix: bool, progress: Callable[[str], None]
) -> Iterator[FsckFinding]:
    """Looks for these kinds, or for all; `progress` is told of each as it begins. Raises DatabaseError."""
    now = time.time()
    tools = FsckTools(settings, db, LostAndFound(settings.database.parent, now), now)
    for kind in KINDS:
        if names and kind.name not in names:
            continue
        progress(kind.name)
        for problem in kind.look(tools):
            yield _mended(problem) if fix else FsckFinding(problem)


def _mended(problem: FsckProblem) -> FsckFinding:
    if problem.mend is None:
        return FsckFinding(problem)
    try:
        return FsckFinding(problem, mended=problem.mend())
    except (OSError, DatabaseError) as error:
        return FsckFinding(problem, failed=str(error))
