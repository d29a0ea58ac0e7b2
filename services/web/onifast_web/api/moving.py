"""Moving mail in and out: imports of files and of accounts elsewhere, and exports."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal, cast

from flask import Response, request
from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.moving.jobs import MovingJob
from onifast_shared.values import times
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.actions import moving as actions
from onifast_web.api import forms
from onifast_web.api.chosen import Folder, the_user
from onifast_web.api.endpoint import Call, Endpoint, Id, Moment, optional_moment
from onifast_web.http.models import Model
from onifast_web.http.problems import unprocessable

_WHAT = "imports and exports"
_ENCODED = (actions.PIECE + 2) // 3 * 4

Into = Annotated[
    str, Field(max_length=200, description="A folder or own folder for all of it; empty as it lay.", examples=["Old"])
]
State = Literal["uploading", "running", "paused", "done", "failed", "cancelled"]


class MovingInfo(Model):
    """An import or export. `problem` says why it is paused or failed; paused ones wait for `continue`."""

    id: Id
    kind: Annotated[Literal["import", "export"], Field(description="Whether mail comes in or goes out.")]
    name: Annotated[str, Field(description="What is imported, or exported, in words.")]
    state: Annotated[State, Field(description="How it stands.")]
    percent: Annotated[int, Field(description="How far it is, in a hundred.")]
    total: Annotated[int, Field(description="Octets of a file to be imported, messages to be exported.")]
    received: Annotated[int, Field(description="Octets of an upload that are here: the next piece begins there.")]
    messages: Annotated[int, Field(description="Messages that came in, or were written.")]
    duplicates: Annotated[int, Field(description="Messages that were here already.")]
    skipped: Annotated[int, Field(description="What was passed over; the report says why.")]
    problem: Annotated[str, Field(description="Why it waits, or failed; empty where it does not.")]
    created_at: Moment
    ended_at: Annotated[Moment | None, Field(description="When it ended; null where it has not.")]


class MovingList(Model):
    """The caller's imports and exports, the latest first."""

    jobs: Annotated[list[MovingInfo], Field(description="The imports and exports, the latest first.")]


class FileImportBody(Model):
    """A file that is uploaded next, in pieces: an mbox, a message, or a zip or tar with these or a Maildir."""

    filename: Annotated[str, Field(min_length=1, max_length=actions.LONGEST_NAME)]
    size: Annotated[int, Field(ge=1, le=2**50, description="How many octets it has.")]
    into: Into = ""


class PieceBody(Model):
    """The next piece of an upload, base64 in JSON, or as it is in the file `content` of a form."""

    id: Id
    offset: Annotated[int, Field(ge=0, le=2**50, description="Where in the file it begins: what is `received`.")]
    content: Annotated[
        str,
        Field(min_length=1, max_length=_ENCODED, json_schema_extra={"contentEncoding": "base64", "format": "byte"}),
    ]


class AccountBody(Model):
    """An account at another IMAP server, which is reached over TLS; the password is forgotten when the import ends."""

    host: Annotated[str, Field(min_length=1, max_length=253, examples=["imap.example.net"])]
    port: Annotated[int, Field(ge=1, le=65535, description="Where it offers IMAP over TLS.")] = 993
    user: Annotated[str, Field(min_length=1, max_length=320, description="Who logs in there.", examples=["ann"])]
    password: Annotated[str, Field(min_length=1, max_length=1000)]
    into: Into = ""


class ExportBody(Model):
    """What is written, and how; all mail where neither a folder, a label nor a search is given."""

    format: Annotated[Literal["mbox", "maildir", "eml"], Field(description="How it is written.")] = "mbox"
    folder: Folder | None = None
    label: Id | None = None
    q: Annotated[str, Field(max_length=1000)] = ""


class MovingQuery(Model):
    """Which one."""

    id: Id


class MovingAct(Model):
    """What to do with an import or export: `remove` forgets one that has ended, with its file."""

    id: Id
    action: Annotated[Literal["cancel", "continue", "remove"], Field(description="What is done.")]


class PassedOverInfo(Model):
    """What an import passed over."""

    name: Annotated[str, Field(description="What it is, and where it stands in the source.")]
    why: Annotated[str, Field(description="Why it was passed over.")]


class MovingReport(Model):
    """What was passed over; the first thousand of it."""

    lines: Annotated[list[PassedOverInfo], Field(description="What was passed over, in order.")]


def list_moving(call: Call) -> MovingList:
    """The last fifty, those under way among them."""
    return MovingList(jobs=[_info(call, each) for each in actions.list_all(call.web, the_user(call, _WHAT))])


def begin_import(call: Call) -> MovingInfo:
    """Begins an import; its pieces come next."""
    body = cast(FileImportBody, call.body)
    return _info(call, actions.begin_upload(call.web, the_user(call, _WHAT), body.filename, body.size, body.into))


def take_piece(call: Call) -> MovingInfo:
    """Takes a piece of at most 4 MiB. One that is here already changes nothing; with the last one outbox begins."""
    body, owner = cast(PieceBody, call.body), the_user(call, _WHAT)
    actions.of(call.web, owner, body.id)
    try:
        data = base64.b64decode(body.content, validate=True)
    except (binascii.Error, ValueError):
        raise unprocessable("content", "it is not base64") from None
    return _info(call, actions.take_piece(call.web, owner, body.id, body.offset, data))


def import_account(call: Call) -> MovingInfo:
    """Begins an import of all folders of an account; nothing changes there."""
    body = cast(AccountBody, call.body)
    where = {"host": body.host, "port": body.port, "user": body.user}
    return _info(call, actions.begin_account(call.web, the_user(call, _WHAT), where, body.password, body.into))


def begin_export(call: Call) -> MovingInfo:
    """Begins an export; when it is done, its file can be fetched for some days."""
    body, owner = cast(ExportBody, call.body), the_user(call, _WHAT)
    scope = call.web.database.read(lambda tx: actions.scope(tx, owner, body.folder, body.label, body.q))
    title = body.folder or body.q or "mail"
    return _info(call, actions.begin_export(call.web, owner, body.format, scope, title))


def act_on_moving(call: Call) -> MovingList:
    """Cancels one, goes on with a paused one, or forgets one that has ended."""
    body = cast(MovingAct, call.body)
    actions.act(call.web, the_user(call, _WHAT), body.id, body.action)
    return list_moving(call)


def moving_report(call: Call) -> MovingReport:
    """Why some of what was to be imported is not here."""
    found = actions.report(call.web, the_user(call, _WHAT), cast(MovingQuery, call.query).id)
    return MovingReport(lines=[PassedOverInfo(name=name, why=why) for name, why in found])


def exported_file(call: Call) -> Response:
    """The file of an export that is done."""
    return actions.file(call.web, the_user(call, _WHAT), cast(MovingQuery, call.query).id)


def piece_of_form() -> dict[str, Any]:
    """A piece that comes in a form, as JSON has it; raises Problem(422)."""
    fields = forms.fields_of(PieceBody, request.form)
    item = request.files.get("content")
    if item is not None:
        fields["content"] = base64.b64encode(item.stream.read(actions.PIECE + 1)).decode("ascii")
    return fields


_GONE = {404: "There is no such import or export."}
_MANY = {409: "Too many are under way already."}
_FULL = {507: "There is not enough room on the server's disk."}
ENDPOINTS = (
    Endpoint(
        "GET", "/api/mail/moving", Who.USER, TokenScope.READ, "Imports and exports", list_moving, answer=MovingList,
    ),
    Endpoint(
        "POST", "/api/mail/moving", Who.USER, TokenScope.MANAGE, "Cancel, continue or forget one", act_on_moving,
        body=MovingAct, answer=MovingList, failures=_GONE | {409: "It is in no state for that."},
    ),
    Endpoint(
        "GET", "/api/mail/moving/report", Who.USER, TokenScope.READ, "What an import passed over", moving_report,
        MovingQuery, answer=MovingReport, failures=_GONE,
    ),
    Endpoint(
        "POST", "/api/mail/imports", Who.USER, TokenScope.MANAGE, "Begin to import a file", begin_import,
        body=FileImportBody, answer=MovingInfo, status=201,
        failures=_MANY | _FULL | {413: "The file is larger than any may be."},
    ),
    Endpoint(
        "POST", "/api/mail/imports/pieces", Who.USER, TokenScope.MANAGE, "Upload a piece of a file", take_piece,
        body=PieceBody, answer=MovingInfo, form=piece_of_form,
        failures=_GONE | _FULL | {409: "It begins elsewhere than where the last one ended, or nothing is awaited."},
    ),
    Endpoint(
        "POST", "/api/mail/imports/account", Who.USER, TokenScope.MANAGE, "Import an account by IMAP", import_account,
        body=AccountBody, answer=MovingInfo, status=201, failures=_MANY,
    ),
    Endpoint(
        "POST", "/api/mail/exports", Who.USER, TokenScope.MANAGE, "Begin an export", begin_export,
        body=ExportBody, answer=MovingInfo, status=201, failures=_MANY | {404: "There is no such label, or no mail."},
    ),
    Endpoint(
        "GET", "/api/mail/exports/file", Who.USER, TokenScope.READ, "The file of an export", exported_file, MovingQuery,
        failures={404: "There is no such export, it is not done, or its time is over."}, gives_file=True,
        headers={"Range": "A part of the file: bytes=0-1023 (RFC 9110 section 14.2)."},
    ),
)  # fmt: skip


def _info(call: Call, job: MovingJob) -> MovingInfo:
    return MovingInfo(
        id=job.id,
        kind=job.kind,
        name=str(job.source.get("name") or job.source.get("title") or ""),
        state=job.state,
        percent=job.percent,
        total=job.total,
        received=actions.received(call.web, job),
        messages=job.messages,
        duplicates=job.duplicates,
        skipped=job.skipped,
        problem=job.problem,
        created_at=times.rfc3339(job.created_ts),
        ended_at=optional_moment(job.ended_ts),
    )
