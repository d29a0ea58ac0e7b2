"""The checks: what each finds, and how bad that is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

from onifast_shared.db import inspection, troubles
from onifast_shared.db.database import Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.health import probes
from onifast_shared.health.probes import Unanswered
from onifast_shared.machine import disk
from onifast_shared.machine.config import Settings
from onifast_shared.machine.disk import DiskLevel
from onifast_shared.programs import presence
from onifast_shared.programs.presence import Presence
from onifast_shared.queue import due
from onifast_shared.tls import expiry

PROGRAMS = ("smtpd", "outbox", "web")
SLOW_SECONDS = 15 * 60.0
"""Mail that should have been tried so long ago: outbox does not keep up, or is not there."""

CERTIFICATE_WARNING = 20.0
"""Days before a certificate's end."""


class State(StrEnum):
    """How well something is, the worst last."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class HealthFinding(NamedTuple):
    """What a check found: of what, how it is, in a sentence, and what puts it right where that can be said.

    `subject` is which of several it is about (a domain, an address), as long as it is about the same.
    """

    check: str
    state: State
    text: str
    remedy: str = ""
    subject: str = ""


def worst(findings: list[HealthFinding]) -> State:
    """The worst state of all; that of nothing is OK."""
    order = list(State)
    return max((finding.state for finding in findings), key=order.index, default=State.OK)


def look(settings: Settings, only: tuple[str, ...] = (), *, knocks: bool = True) -> list[HealthFinding]:
    """Carries out all checks, or those of that name. Takes seconds at the most; changes nothing.

    Where it does not knock, programs are not asked where they listen, and it takes moments: for who is one of them.
    """
    checks = CHECKS if knocks else CHECKS | {name: _program(name, knocks=False) for name in PROGRAMS}
    return [finding for name, check in checks.items() if not only or name in only for finding in check(settings)]


def _program(name: str, *, knocks: bool = True) -> Callable[[Settings], Iterator[HealthFinding]]:
    def check(settings: Settings) -> Iterator[HealthFinding]:
        running = [each for each in presence.present(settings.database) if each.program == name]
        if not running:
            yield HealthFinding(name, State.FAILED, "is not running", f"supervisorctl start {name}, or systemctl")
        for one in running:
            yield from _running(one, settings, alone=len(running) == 1, knocks=knocks)

    return check


def _running(one: Presence, settings: Settings, *, alone: bool, knocks: bool) -> Iterator[HealthFinding]:
    name, now = one.program, time.time()
    if one.is_lost(now):
        if alone:
            text = f"was last heard of {_ago(now - one.heard_at)} ago (process {one.pid})"
            yield HealthFinding(
                name, State.FAILED, text, f"look into its log; supervisorctl restart {name}, or systemctl"
            )
        return
    problems = list(_unanswered(one, settings)) if knocks else []
    yield from (HealthFinding(name, State.FAILED, problem) for problem in problems)
    if one.serving < one.processes:
        yield HealthFinding(name, State.WARNING, f"{one.serving} of its {one.processes} processes serve")
    elif not problems:
        where = "".join(f", {service} at {at}" for service, at in one.listening.items())
        yield HealthFinding(name, State.OK, f"{one.version} serves for {_ago(now - one.started_at)}{where}")


def _unanswered(one: Presence, settings: Settings) -> Iterator[str]:
    """What the program does not do at the addresses where it says that it listens."""
    for service, listening in one.listening.items():
        for at in listening.split(","):
            try:
                if service == "http":
                    probes.readiness(at, settings.url_prefix)
                else:
                    probes.greeting(at, tls=service == "submissions")
            except Unanswered as problem:
                yield f"{service} at {at}: {problem}"


def _database(settings: Settings) -> Iterator[HealthFinding]:
    path = settings.database
    if (trouble := inspection.trouble_with(path, settings.database_timeout)) is not None:
        yield HealthFinding("database", State.FAILED, str(trouble))
        return
    noted = troubles.present(path)
    for each in noted:
        state = State.WARNING if each.kind == troubles.LONG_READER else State.FAILED
        yield HealthFinding("database", state, f"noted {each.times} times: {each.text}")
    if not noted and path.exists():
        yield HealthFinding("database", State.OK, f"{path}, {_octets(path.stat().st_size)}")


def _queue(settings: Settings) -> Iterator[HealthFinding]:
    if not settings.database.exists():
        return
    try:
        database = Database.open(settings.database, timeout=settings.database_timeout)
    except DatabaseError:
        return  # the check of the database has told it
    try:
        since = database.read(lambda tx: due.oldest_due(tx, time.time()))
    except DatabaseError as error:
        yield HealthFinding("queue", State.FAILED, str(error))
        return
    finally:
        database.close()
    waits = time.time() - since if since is not None else 0.0
    if waits > SLOW_SECONDS:
        text = f"mail should have been tried {_ago(waits)} ago"
        yield HealthFinding(
            "queue", State.WARNING, text, "see whether outbox runs, and `onifast-mailctl destination list`"
        )
    else:
        yield HealthFinding("queue", State.OK, "no mail waits longer than it should")


def _disk(settings: Settings) -> Iterator[HealthFinding]:
    folder = settings.database.parent
    try:
        use = disk.use_of(folder)
    except OSError as error:
        yield HealthFinding("disk", State.FAILED, f"{folder}: {error.strerror}")
        return
    level = disk.level_of(use, settings.disk_warn_at, settings.disk_refuse_at)
    state = {DiskLevel.FULL: State.FAILED, DiskLevel.SHORT: State.WARNING, DiskLevel.ROOMY: State.OK}[level]
    text = f"{use.used:.0%} of the disk of {folder} is used, {_octets(use.free)} are free"
    if level is DiskLevel.FULL:
        text += "; new mail is refused"
    remedy = f"make room: new mail is refused from {settings.disk_refuse_at} % on (disk_refuse_at)"
    yield HealthFinding("disk", state, text, "" if state is State.OK else remedy)


def _certificates(settings: Settings) -> Iterator[HealthFinding]:
    problems = False
    found = expiry.certificates(settings.certs_dir)
    for each in found:
        if each.problem:
            problems = True
            yield HealthFinding("certificates", State.WARNING, f"{each.domain}: {each.problem}", "", each.domain)
            continue
        days = (each.ends_at - time.time()) / 86400
        if days < 0:
            problems = True
            yield HealthFinding(
                "certificates", State.WARNING, f"{each.domain}: ended {math.ceil(-days)} days ago", _RENEW, each.domain
            )
        elif days < CERTIFICATE_WARNING:
            problems = True
            yield HealthFinding(
                "certificates", State.WARNING, f"{each.domain}: ends in {math.floor(days)} days", _RENEW, each.domain
            )
    if found and not problems:
        yield HealthFinding(
            "certificates", State.OK, f"{len(found)} are valid for more than {CERTIFICATE_WARNING:.0f} days"
        )


_RENEW = "renew it: docs/operations.md, Certificates"

CHECKS: dict[str, Callable[[Settings], Iterator[HealthFinding]]] = {
    **{name: _program(name) for name in PROGRAMS},
    "database": _database,
    "queue": _queue,
    "disk": _disk,
    "certificates": _certificates,
}
"""Every check by its name, in the order in which they are shown."""


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _octets(size: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
