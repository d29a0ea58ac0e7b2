"""The commands of onifast-mailctl that move mail in and out."""

from __future__ import annotations

import argparse
import contextlib
import os
import stat
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from onifast_shared.acts.scope import ListScope
from onifast_shared.ctl.tools import (
    DONE,
    NOTHING,
    UsageError,
    account_of,
    add,
    complain,
    known_account,
    number,
    of_account,
    opened,
    read,
    read_password,
    show_one,
    show_rows,
)
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import labels
from onifast_shared.mailboxes.mailbox import FOLDERS
from onifast_shared.moving import exporting, imap, jobs, postfix_maps, reading, working
from onifast_shared.moving.jobs import MovingJob
from onifast_shared.moving.postfix_maps import LeftOut, MappedAddress
from onifast_shared.recipients import addresses, forwards
from onifast_shared.search.query import QueryError
from onifast_shared.values import times
from onifast_shared.values.address import parse_domain

_IDS = number(1, 2**63 - 1)
_WIDTH = 30
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_INTO = "a folder or own folder for all of it; as it lay if not said"


def declare_import(area: Any) -> None:
    """Adds the commands that bring mail in to their area."""
    files = add(
        area, "mail", of_account(_mail), "mbox, .eml, Maildir, zip, tar or directory; goes on if broken off", "user"
    )
    files.add_argument("path", type=Path)
    files.add_argument("--into", default="", metavar="FOLDER", help=_INTO)
    account = add(area, "imap", of_account(_imap), "an account at another server, over TLS", "user", "host", "login")
    account.add_argument("--port", type=number(1, 65535), default=imap.PORT)
    account.add_argument("--password-file", type=Path, required=True, help="its first line; - for input")
    account.add_argument("--into", default="", metavar="FOLDER", help=_INTO)
    other = add(area, "database", of_account(_database), "a user's mail in another onifast-mail database", "user")
    other.add_argument("path", type=Path)
    other.add_argument("--of", metavar="OWNER", help="whose mail it is there; the same name if not said")
    maps = add(area, "aliases", _aliases, "Postfix's aliases or virtual: addresses and forwards")
    maps.add_argument("path", type=Path)
    maps.add_argument("--domain", default="", help="of names that have none")
    maps.add_argument("--owner", metavar="USER", required=True, help="whose the addresses are")
    maps.add_argument("--check", action="store_true", help="say what would be made, and make nothing")
    add(area, "list", of_account(_list), "id, kind, state, percent, messages, already here, passed over, name", "user")
    reporting = add(area, "report", of_account(_report), "what an import passed over, and why", "user")
    reporting.add_argument("id", type=_IDS)


def declare_export(area: Any) -> None:
    """Adds the command that writes mail out to its area."""
    writing = add(area, "mail", of_account(_export), "write a user's mail to a new file", "user")
    writing.add_argument("path", type=Path)
    writing.add_argument("--format", choices=tuple(exporting.FORMATS), default="mbox")
    which = writing.add_mutually_exclusive_group()
    which.add_argument("--folder", choices=FOLDERS, help="one of the six folders")
    which.add_argument("--label", help="a label or own folder")
    which.add_argument("--search", help="what a search finds")


def _mail(arguments: argparse.Namespace, settings: Settings) -> int:
    path = _without_links(arguments.path)
    try:
        total = reading.size_of(path)
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    source = {"path": str(path), "name": path.name, "into": arguments.into, "mark": [total, changed]}
    return _run(arguments, settings, source, total)


def _without_links(path: Path) -> Path:
    """Where a path leads. As root, links that others made are refused: they could make anybody's mail their own."""
    path = path.absolute()
    for each in (*reversed(path.parents), path) if os.geteuid() == 0 else ():
        with contextlib.suppress(FileNotFoundError):
            found = each.lstat()
            if stat.S_ISLNK(found.st_mode) and found.st_uid != 0:
                raise UsageError(f"{each} is a link that somebody else than root made: name what it leads to")
    return path.resolve()


def _imap(arguments: argparse.Namespace, settings: Settings) -> int:
    password = read_password(arguments.password_file).reveal()
    where = {"host": arguments.host, "port": arguments.port, "user": arguments.login}
    source = {"imap": where, "name": arguments.host, "into": arguments.into}
    return _run(arguments, settings, source, 1_000_000, password)


def _database(arguments: argparse.Namespace, settings: Settings) -> int:
    path = arguments.path.absolute()
    if path.exists() and path.samefile(settings.database):
        raise UsageError("this is the database that the mail would be put into")
    source = {"path": str(path), "of": arguments.of or arguments.user, "name": path.name}
    return _run(arguments, settings, source, 1_000_000)


def _run(
    arguments: argparse.Namespace,
    settings: Settings,
    source: Mapping[str, Any],
    total: int,
    secret: str | None = None,
) -> int:
    """Works on an import here; one that was broken off is gone on with."""
    known_account(settings, arguments.user)
    with opened(settings) as database:
        job = database.write(lambda tx: _begun(tx, arguments.user, source, total, secret))
        try:
            done = _work(database, settings, job)
        except KeyboardInterrupt:
            return complain("broken off; the same command goes on with it", NOTHING)
        report = database.read(lambda tx: jobs.report(tx, done, 20))
    for each in [] if arguments.json else report:
        complain(f"{each.name}: {each.why}", NOTHING)
    line = f"{done.messages:,} messages, {done.duplicates:,} were here already, {done.skipped:,} passed over"
    show_one(arguments, _row(done) | {"problem": done.problem}, line)
    return DONE if done.state == "done" else complain(done.problem or f"it is {done.state}", NOTHING)


def _begun(tx: Connection, owner: str, source: Mapping[str, Any], total: int, secret: str | None) -> MovingJob:
    found = jobs.unfinished_by_ctl(tx, owner, source)
    if found is None:
        return jobs.begin(
            tx, owner, "import", source, state="running", total=total, now=time.time(), secret=secret, by_ctl=True
        )
    jobs.start(tx, found, time.time(), secret=secret)
    return replace(found, state="running")


def _work(database: Database, settings: Settings, job: MovingJob) -> MovingJob:
    work = working.take(database, settings, job)
    if work is None:
        raise UsageError("another onifast-mailctl is at it")
    bar = _Bar()
    with closing(work):
        while work.step():
            bar.show(work.job.percent, work.job.messages)
    bar.end()
    done = database.read(lambda tx: jobs.get(tx, None, job.id))
    return done or job


class _Bar:
    """Progress on standard error, where that is a terminal."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()

    def show(self, percent: int, messages: int) -> None:
        """Draws it anew."""
        if self._is_shown:
            full = percent * _WIDTH // 100
            bar = "#" * full + "." * (_WIDTH - full)
            print(f"\r[{bar}] {percent:3} %  {messages:,} messages", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Takes it away."""
        if self._is_shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _aliases(arguments: argparse.Namespace, settings: Settings) -> int:
    try:
        text = sys.stdin.read() if str(arguments.path) == "-" else arguments.path.read_text("utf-8", "replace")
    except OSError as error:
        raise UsageError(f"{arguments.path}: {error.strerror}") from None
    domain = parse_domain(arguments.domain) if arguments.domain else ""
    owner = account_of(settings, arguments.owner)
    known_account(settings, owner)
    found = list(postfix_maps.read(text, domain))
    mapped = [each for each in found if isinstance(each, MappedAddress)]
    with opened(settings) as database:
        if not arguments.check:
            for start in range(0, len(mapped), 200):
                some = mapped[start : start + 200]
                database.write(lambda tx, some=some: _map(tx, some, owner))  # type: ignore[misc]
    for left in found:
        if isinstance(left, LeftOut):
            complain(f"left out: {left.line}: {left.why}", NOTHING)
    return show_rows(
        arguments,
        ({"address": str(each.address), "targets": ", ".join(map(str, each.targets))} for each in mapped),
    )


def _map(tx: Connection, some: list[MappedAddress], owner: str) -> None:
    """Makes an address of what delivers to itself or to nobody, and forwards of all others."""
    for mapped in some:
        if mapped.address in mapped.targets or not mapped.targets:
            addresses.add(tx, mapped.address, owner)
        for target in mapped.targets:
            if target != mapped.address:
                forwards.add(tx, mapped.address, target, owner)


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    found = read(settings, lambda tx: jobs.list_all(tx, arguments.user))
    return show_rows(arguments, map(_row, found))


def _report(arguments: argparse.Namespace, settings: Settings) -> int:
    job = read(settings, lambda tx: jobs.get(tx, arguments.user, arguments.id))
    if job is None:
        return complain(f"{arguments.user} has no import {arguments.id}", NOTHING)
    found = read(settings, lambda tx: jobs.report(tx, job))
    return show_rows(arguments, ({"name": each.name, "why": each.why} for each in found))


def _row(job: MovingJob) -> dict[str, Any]:
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "percent": job.percent,
        "messages": job.messages,
        "duplicates": job.duplicates,
        "skipped": job.skipped,
        "name": str(job.source.get("name") or job.source.get("title") or ""),
        "begun": times.rfc3339(job.created_ts),
    }


def _export(arguments: argparse.Namespace, settings: Settings) -> int:
    known_account(settings, arguments.user)
    with opened(settings) as database:
        wanted = database.read(lambda tx: _scope(tx, arguments))
        bar, written = _Bar(), 0
        try:
            total = database.read(lambda tx: exporting.total(tx, arguments.user, wanted))
            with os.fdopen(os.open(arguments.path, _NEW, 0o600), "wb") as file:
                writer = exporting.writer(arguments.format, file)
                for email_id in exporting.ids(database, arguments.user, wanted):
                    message = database.read(lambda tx, email_id=email_id: exporting.read(tx, arguments.user, email_id))  # type: ignore[misc]
                    if message is not None and message.raw:
                        writer.add(message)
                        written += 1
                    if written % 50 == 0:
                        bar.show(min(99, written * 100 // max(1, total)), written)
                writer.finish()
                size = file.tell()
        except QueryError as error:
            raise UsageError(f"--search: {error}") from None
        except OSError as error:
            raise UsageError(f"{arguments.path}: {error.strerror}") from None
        finally:
            bar.end()
    values = {"path": str(arguments.path), "messages": written, "octets": size}
    return show_one(arguments, values, f"{written:,} messages, {size:,} octets")


def _scope(tx: Connection, arguments: argparse.Namespace) -> ListScope | None:
    if arguments.label:
        label = labels.find(tx, arguments.user, arguments.label)
        if label is None:
            raise UsageError(f"{arguments.user} has no label or own folder {arguments.label!r}")
        return ListScope(label_id=label.id)
    if arguments.search:
        return ListScope(text=arguments.search)
    return ListScope(folder=arguments.folder) if arguments.folder else None
