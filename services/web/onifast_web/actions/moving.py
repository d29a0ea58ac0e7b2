"""Moving mail in and out, as users ask for it: uploads, accounts elsewhere, exports, and what becomes of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Response
from onifast_shared.acts.scope import ListScope
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import labels, mailbox
from onifast_shared.moving import exporting, jobs, spool, working
from onifast_shared.moving.jobs import JobError, MovingJob
from onifast_shared.moving.places import own_name
from onifast_shared.moving.spool import SpoolError, WrongOffset
from onifast_shared.search.query import QueryError

from onifast_web.access.context import Web
from onifast_web.actions import downloads
from onifast_web.http.problems import Problem, not_found, unprocessable

PIECE = 4 * 1024 * 1024
"""Octets of the largest piece of an upload."""

LONGEST_NAME = 200
_HOST = re.compile(r"[A-Za-z0-9.:-]{1,253}")
_SCALE = 1_000_000  # how far one is with an account, whose octets nobody knows

T = TypeVar("T")


def list_all(web: Web, owner: str) -> list[MovingJob]:
    """An owner's imports and exports, the latest first."""
    return web.database.read(lambda tx: jobs.list_all(tx, owner))


def of(web: Web, owner: str, job_id: int) -> MovingJob:
    """A job of an owner's; raises Problem(404)."""
    found = web.database.read(lambda tx: jobs.get(tx, owner, job_id)) if 0 < job_id < 2**63 else None
    if found is None:
        raise not_found("import or export")
    return found


def received(web: Web, job: MovingJob) -> int:
    """How many octets of an upload are here."""
    return spool.received(web.settings, job.id) if job.state == "uploading" else 0


def begin_upload(web: Web, owner: str, name: str, size: int, into: str = "") -> MovingJob:
    """Begins an import of a file of so many octets. Raises Problem(409), Problem(413), Problem(422), Problem(507)."""
    if size > web.settings.import_max_size:
        raise Problem(413, f"The file has {size:,} octets; {web.settings.import_max_size:,} are the most.")
    _check_room(web, size)
    source = {"name": name[:LONGEST_NAME], "into": _place(into)}
    return _begin(web, owner, source, state="uploading", total=size)


def take_piece(web: Web, owner: str, job_id: int, offset: int, data: bytes) -> MovingJob:
    """Takes the next piece of an upload; with the last one the import begins.

    Raises Problem(404), Problem(409), Problem(507).
    """
    job = of(web, owner, job_id)
    if job.state != "uploading":
        raise Problem(409, "The file is here already, or the import was cancelled.")
    try:
        there = spool.append(web.settings, job.id, offset, data, job.total)
    except WrongOffset as error:
        raise Problem(409, str(error)) from None
    except SpoolError as error:
        raise Problem(507, str(error)) from None
    if there == job.total:
        web.database.write(lambda tx: jobs.start(tx, job, web.clock()))
    else:
        web.database.write(lambda tx: jobs.touch(tx, job, web.clock()), lasting=False)
    return of(web, owner, job_id)


def begin_account(web: Web, owner: str, where: dict[str, Any], password: str, into: str = "") -> MovingJob:
    """Begins an import from an IMAP server: `host`, `port`, `user`. Raises Problem(409), Problem(422)."""
    host = str(where["host"]).strip().lower()
    if not _HOST.fullmatch(host):
        raise unprocessable("host", "that is no name of a server")
    if not where["user"] or not password:
        raise unprocessable("user" if password else "password", "it is needed")
    source = {"imap": {**where, "host": host}, "name": f"{where['user']}, {host}"[:LONGEST_NAME], "into": _place(into)}
    return _begin(web, owner, source, state="running", total=_SCALE, secret=password)


def begin_export(web: Web, owner: str, form: str, scope: ListScope | None, title: str) -> MovingJob:
    """Begins to write mail to a file; all of it for None. Raises Problem(404), Problem(409), Problem(422)."""
    try:
        count = web.database.read(lambda tx: exporting.total(tx, owner, scope))
    except QueryError as error:
        raise unprocessable("q", str(error)) from None
    if not count:
        raise not_found("mail")
    source = {"format": form, "scope": scope.as_dict() if scope else None, "title": title[:LONGEST_NAME]}
    return _begin(web, owner, source, kind="export", state="running", total=count)


def scope(tx: Connection, owner: str, folder: str | None, label_id: int | None, text: str) -> ListScope | None:
    """What is to be exported, and None for all; raises Problem(404)."""
    if label_id is not None:
        label = labels.get(tx, owner, label_id) if 0 < label_id < 2**63 else None
        if label is None:
            raise not_found("label")
        return ListScope(label_id=label.id)
    if text.strip():
        return ListScope(text=text.strip())
    return ListScope(folder=folder) if folder else None


def act(web: Web, owner: str, job_id: int, action: str) -> None:
    """Cancels a job, has a paused one go on, or forgets one that has ended. Raises Problem(404), Problem(409)."""
    job = of(web, owner, job_id)
    match action:
        case "cancel":
            done = working.cancel(web.database, web.settings, job, web.clock())
        case "continue":
            done = job.state == "paused" and web.database.write(lambda tx: jobs.start(tx, job, web.clock()))
        case _:
            done = not job.is_open
            if done:
                working.forget(web.database, web.settings, job)
    if not done:
        raise Problem(409, f"It is {job.state}.")


def report(web: Web, owner: str, job_id: int) -> list[tuple[str, str]]:
    """What an import passed over, and why; raises Problem(404)."""
    job = of(web, owner, job_id)
    return [(each.name, each.why) for each in web.database.read(lambda tx: jobs.report(tx, job))]


def file(web: Web, owner: str, job_id: int) -> Response:
    """The file that an export made. Raises Problem(404) for one that is not ready, or whose time is over."""
    job = of(web, owner, job_id)
    path = spool.made(web.settings, job.id)
    if job.kind != "export" or job.state != "done" or not path.exists():
        raise not_found("file")
    ending, media_type = exporting.FORMATS[str(job.source["format"])]
    name = downloads.safe_name(f"{job.source.get('title') or 'mail'} {job.source['format']}.{ending}")
    return downloads.on_disk(path, f"{job.id} {job.octets} {job.created_ts}", name, media_type)


def _begin(web: Web, owner: str, source: dict[str, Any], *, kind: jobs.JobKind = "import", **more: Any) -> MovingJob:
    return _told(lambda: web.database.write(lambda tx: jobs.begin(tx, owner, kind, source, now=web.clock(), **more)))


def _told(begin: Callable[[], T]) -> T:
    try:
        return begin()
    except JobError as error:
        raise Problem(409, str(error)) from None


def _check_room(web: Web, size: int) -> None:
    try:
        spool.check_room(web.settings, size)
    except SpoolError as error:
        raise Problem(507, str(error)) from None


def _place(into: str) -> str:
    """Where all of an import goes: a folder, or what an own folder can be called; "" as it lay."""
    into = into.strip()
    if not into or into.lower() in mailbox.FOLDERS:
        return into.lower()
    return own_name(into) or "Imported"
