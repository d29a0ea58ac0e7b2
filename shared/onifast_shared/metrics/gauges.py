"""What is looked up when somebody asks: the queue, what waits for outbox, the disk, the programs, certificates."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.programs import presence
from onifast_shared.queue import due
from onifast_shared.tls import expiry

PROGRAMS = ("smtpd", "outbox", "web")
QUEUE_STATES = ("ready", "waiting", "sending", "held")


class GaugeNow(NamedTuple):
    """A number as it is now, under the name and labels of a metric."""

    name: str
    number: float
    labels: Mapping[str, str] = {}


class Disk(NamedTuple):
    """Octets of the database's disk that are free, and that there are."""

    free: int
    size: int


class QueueState(NamedTuple):
    """How many recipients are in a state, and since when the oldest is in the queue (epoch seconds; None for none)."""

    recipients: int
    oldest_ts: int | None


def look(settings: Settings, database: Database, now: float | None = None) -> list[GaugeNow]:
    """All gauges. Costs a walk through the queue's indexes. Raises DatabaseError."""
    now = time.time() if now is None else now
    return [
        *database.read(lambda tx: list(_queue(tx, now))),
        *_sizes(settings, database),
        *_programs(settings, now),
        *_certificates(settings),
    ]


def disk(settings: Settings) -> Disk | None:
    """The database's disk; None where it cannot be asked."""
    try:
        found = os.statvfs(settings.database.parent)
    except OSError:
        return None
    return Disk(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)


def queue_states(tx: Connection) -> dict[str, QueueState]:
    """What is in the queue, by state."""
    rows: list[Any] = tx.execute(_QUEUE).fetchall()
    return {state: QueueState(int(count), oldest) for state, count, oldest in rows}


def _queue(tx: Connection, now: float) -> Iterator[GaugeNow]:
    for state, found in queue_states(tx).items():
        age = max(0.0, now - found.oldest_ts) if found.oldest_ts is not None else 0.0
        yield GaugeNow("queue_recipients", found.recipients, {"state": state})
        yield GaugeNow("queue_oldest_seconds", age, {"state": state})
    since = due.oldest_due(tx, now)
    yield GaugeNow("queue_overdue_seconds", max(0.0, now - since) if since is not None else 0.0)
    yield GaugeNow("filing_backlog", int(tx.execute("SELECT count(*) FROM emails WHERE filing = 1").get))
    yield GaugeNow("indexing_backlog", int(tx.execute("SELECT count(*) FROM emails WHERE indexed = 0").get))


def _sizes(settings: Settings, database: Database) -> Iterator[GaugeNow]:
    size, wal = database.sizes()
    yield GaugeNow("database_bytes", size)
    yield GaugeNow("database_wal_bytes", wal)
    if (found := disk(settings)) is not None:
        yield GaugeNow("disk_free_bytes", found.free)
        yield GaugeNow("disk_size_bytes", found.size)


def _programs(settings: Settings, now: float) -> Iterator[GaugeNow]:
    running = [each for each in presence.present(settings.database) if not each.is_lost(now)]
    for name in PROGRAMS:
        found = [each for each in running if each.program == name]
        labels = {"program": name}
        yield GaugeNow("program_up", bool(found), labels)
        yield GaugeNow("program_processes", sum(each.processes for each in found), labels)
        yield GaugeNow("program_serving_processes", sum(each.serving for each in found), labels)


def _certificates(settings: Settings) -> Iterator[GaugeNow]:
    ends = [each.ends_at for each in expiry.certificates(settings.certs_dir) if not each.problem]
    if ends:
        yield GaugeNow("certificate_ends_timestamp_seconds", min(ends))


# One state a row. `ready` and `waiting` walk the index of their rows; what is sent or failed is never looked at.
_QUEUE = """
    SELECT 'ready', count(*), min(queued_ts) FROM outbox INDEXED BY outbox_ready
    WHERE ready = 1 AND status IN ('pending', 'deferred') AND lane >= ''
    UNION ALL
    SELECT 'waiting', count(*), min(queued_ts) FROM outbox INDEXED BY outbox_waiting
    WHERE ready = 0 AND status IN ('pending', 'deferred') AND domain IS NOT NULL
    UNION ALL
    SELECT 'sending', count(*), min(queued_ts) FROM outbox INDEXED BY outbox_leased WHERE status = 'sending'
    UNION ALL
    SELECT 'held', count(*), min(queued_ts) FROM outbox INDEXED BY outbox_held WHERE status = 'held'
"""
