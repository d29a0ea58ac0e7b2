"""What follows from the rows: that pages are sound, the queue's states and leases, counts, and the search index."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from onifast_shared.db.database import Connection
from onifast_shared.db.errors import DatabaseCorrupt
from onifast_shared.db.inspection import MOST_FINDINGS
from onifast_shared.fsck.kinds import FsckProblem, FsckTools
from onifast_shared.mailboxes import counts
from onifast_shared.queue import scripts as queue_scripts
from onifast_shared.queue import store as queue
from onifast_shared.search import check as search_check
from onifast_shared.search import upkeep

PAGES, STATES, LEASES, COUNTS, SEARCH = "pages", "queue-states", "leases", "counts", "search"

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_OUT_OF_DAMAGE = "stop the programs and keep a copy; docs/operations.md, The database is not what it was, has the steps"


def pages(tools: FsckTools) -> Iterator[FsckProblem]:
    """Damage, as SQLite finds it: each table with its indexes in a snapshot of its own."""
    sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0 ORDER BY name"
    for (table,) in tools.db.read(lambda tx: tx.execute(sql).fetchall()):
        try:
            found = tools.db.read(partial(_integrity, table=str(table)))
        except DatabaseCorrupt as error:
            found = [str(error)]
        for each in found:
            yield FsckProblem(PAGES, str(table), each, remedy=_OUT_OF_DAMAGE)


def _integrity(tx: Connection, table: str) -> list[str]:
    # A name, since a number would be taken for how many findings are wanted.
    quoted = table.replace("'", "''")
    found = [str(row[0]) for row in tx.execute(f"PRAGMA integrity_check('{quoted}')").fetchall()]
    return [] if found == ["ok"] else found[:MOST_FINDINGS]


def states(tools: FsckTools) -> Iterator[FsckProblem]:
    """Rows of the queue in states that no transition leads to."""
    for row_id, status in tools.db.read(queue_scripts.unknown):
        yield FsckProblem(STATES, f"outbox {row_id}", f"there is no state {status!r}", partial(_hold, tools))


def _hold(tools: FsckTools) -> str:
    tools.db.write(queue_scripts.hold_unknown)
    return "held"


def leases(tools: FsckTools) -> Iterator[FsckProblem]:
    """Rows that are being sent by nobody any more: a running outbox puts them back by itself."""
    boot_id = _BOOT_ID.read_text("ascii").strip()
    boot_now_ms = int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1000)
    for row_id in tools.db.read(lambda tx: queue.dead(tx, boot_id, boot_now_ms)):
        text = "it is being sent, and its lease has run out"
        yield FsckProblem(LEASES, f"outbox {row_id}", text, partial(_put_back, tools, boot_id, boot_now_ms))


def _put_back(tools: FsckTools, boot_id: str, boot_now_ms: int) -> str:
    tools.db.write(lambda tx: queue.release_dead(tx, boot_id, boot_now_ms))
    return "back in the queue"


def kept_counts(tools: FsckTools) -> Iterator[FsckProblem]:
    """Folders whose kept numbers are not those of their messages."""
    for each in counts.check(tools.db):
        text = f"kept are {each.kept.total}, {each.kept.unread} of them unread; there are "
        text += f"{each.counted.total} and {each.counted.unread}"
        yield FsckProblem(COUNTS, f"{each.owner or '-'}/{each.folder}", text, partial(_count, tools))


def _count(tools: FsckTools) -> str:
    counts.rebuild(tools.db)
    return "counted anew"


def search(tools: FsckTools) -> Iterator[FsckProblem]:
    """Messages that the search index has otherwise, or not at all. Nothing while it is being made anew."""
    if not tools.db.read(upkeep.is_ready):
        return
    for each in search_check.check(tools.db):
        mend = partial(_index, tools, each.email_id)
        yield FsckProblem(SEARCH, f"emails {each.email_id}", each.problem, mend)


def _index(tools: FsckTools, email_id: int) -> str:
    if tools.db.read(lambda tx: tx.execute("SELECT 1 FROM emails WHERE id = ?", (email_id,)).fetchone()):
        tools.db.write(lambda tx: upkeep.index_message(tx, email_id))
        return "outbox indexes it anew"
    # Which words are to be taken out, only the message would tell.
    search_check.rebuild(tools.db)
    return "outbox makes the index anew"
