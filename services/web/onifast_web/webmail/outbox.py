"""The queue as a page: where each recipient's copy is, why, and what can be done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, redirect, request, url_for
from onifast_shared.db.database import Connection
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import contents
from onifast_shared.message import parsing
from onifast_shared.message.parsing import Parsed
from onifast_shared.queue import sandbox
from onifast_shared.queue import view as queue_view
from onifast_shared.queue.view import ACTIONS, OutboxRow, Search
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address, AddressError
from onifast_shared.values.paging import CursorError
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import downloads, queue
from onifast_web.http.problems import Problem, not_found
from onifast_web.languages.texts import _, marked, ngettext
from onifast_web.reading import render
from onifast_web.webmail import content
from onifast_web.webmail.acts import selected_ids
from onifast_web.webmail.content import Links
from onifast_web.webmail.declared import NavEntry, NavGroup, Notice, Notices, PageRoute
from onifast_web.webmail.filters import STATUS_WORDS
from onifast_web.webmail.pages import page, user

_PAGE = 50
_LONGEST_TEXT = 200  # characters that are looked for
_SOURCE_SHOWN = 64 * 1024
_LARGEST_ID = 2**63 - 1
_ID_DIGITS = 19
_TABS = (
    ("", marked("All")),
    *((status, word) for status, (word, _kind) in STATUS_WORDS.items() if status != "sending"),
)


@allow(Who.USER)
def outbox() -> Response:
    """A page of the queue, newest first; everybody's for administrators."""
    caller, _username = user()
    search, cursor = _search(request.args), request.args.get("cursor") or None
    settings = current().settings
    try:
        found, here = current().database.read(
            lambda tx: (
                rows := queue_view.list_page(tx, caller.manages, search, limit=_PAGE, cursor=cursor),
                {row.id: _is_here(tx, row, settings) for row in rows.rows},
            )
        )
    except CursorError:
        raise not_found("page") from None
    return page(
        "outbox.html",
        "outbox",
        rows=found.rows,
        ways={row.id: _way(row, here=here[row.id]) for row in found.rows},
        next_cursor=found.next_cursor,
        cursor=cursor,
        status=search.status or "",
        q=search.text,
        statuses=_TABS,
    )


@allow(Who.USER)
def outbox_act() -> AnyResponse:
    """Retries, cancels, holds or releases deliveries, the selected or all of the list, as their states allow."""
    caller, _username = user()
    action, ids, search = request.form.get("action", ""), selected_ids(), _search(request.form)
    if action not in ACTIONS:
        raise Problem(400, _("That action is not known."))
    every = bool(request.form.get("every"))
    try:
        if every:
            changed = queue.act_on_all(current(), caller, search, action).changed
        else:
            changed = queue.act(current(), caller, ids, action).changed
        did = "outbox" if changed else "outbox-none" if ids or every else "none"
    except Problem:
        changed, did = [], "outbox-forbidden"
    said: dict[str, Any] = {"did": did, "n": len(changed)}
    message = request.form.get("message", "")
    if message.isdecimal() and len(message) < _ID_DIGITS:
        return redirect(url_for("webmail.message", email_id=int(message), **said), 303)
    return redirect(url_for("webmail.outbox", status=search.status, q=search.text or None, **said), 303)


@allow(Who.USER)
def captured(outbox_id: int) -> AnyResponse:
    """What is sent, or was captured, as its recipient would see it; and having it sent after all."""
    if request.method == "GET":
        return _captured_page(outbox_id)
    caller, _username = user()
    web, do, outbox_id = current(), request.form.get("do", ""), _row(outbox_id).id
    if do not in ("release", "redirect"):
        raise Problem(400, _("That action is not known."))
    try:
        if do == "release":
            done = queue.act(web, caller, [outbox_id], "release")
        else:
            done = queue.redirect(web, caller, [outbox_id], Address.parse(request.form.get("to", "").strip()))
    except AddressError as error:
        return _captured_page(outbox_id, {"to": render.sentence(error)})
    except Problem as problem:
        return _captured_page(outbox_id, {"do": problem.detail})
    did = ("released" if do == "release" else "outbox-redirected") if done.changed else "outbox-none"
    return redirect(url_for("webmail.outbox", did=did, n=len(done.changed)), 303)


def _is_here(tx: Connection, row: OutboxRow, settings: Settings) -> bool:
    domain = row.recipient.rpartition("@")[2].lower()
    return bool(domain) and addresses.is_local_domain(tx, domain, settings)


def _way(row: OutboxRow, *, here: bool) -> tuple[str, str]:
    """Which way a message goes, in a word, and its looks."""
    if here:
        return (_("local"), "")
    return (_("passes through"), "") if row.origin == "forward" else (_("out"), "move")


def _captured_page(outbox_id: int, errors: dict[str, str] | None = None) -> Response:
    caller, username = user()
    row = _row(outbox_id)
    may_let_out = row.status == "sandboxed" and current().database.read(
        lambda tx: sandbox.may_let_out(tx, caller.manages, outbox_id)
    )
    known = {"entry": row, "may_let_out": may_let_out, "errors": errors or {}, "to": request.form.get("to", "")}
    status = 422 if errors else 200
    if row.owner not in (username, None):
        if not may_let_out:
            raise not_found("message")
        # What a mailbox's owner may read, an administrator of the queue may not.
        return page("captured.html", "outbox", status, **known, parsed=None)
    _entry, raw, parsed = _open(outbox_id)
    return page(
        "captured.html",
        "outbox",
        status,
        **known,
        parsed=parsed,
        content=content.of(parsed, _links(outbox_id)),
        raw=raw[:_SOURCE_SHOWN].decode("utf-8", "replace"),
    )


@allow(Who.USER)
def captured_frame(outbox_id: int) -> Response:
    """Its HTML, for the sandboxed frame."""
    return content.html_page(_open(outbox_id)[2])


@allow(Who.USER)
def captured_attachment(outbox_id: int, index: int) -> Response:
    """One of its attachments, to be saved."""
    return downloads.attachment(_open(outbox_id)[2], index)


def _links(outbox_id: int) -> Links:
    return Links(
        page=lambda **query: url_for("webmail.captured", outbox_id=outbox_id, **query),
        frame=lambda **query: url_for("webmail.captured_frame", outbox_id=outbox_id, **query),
        attachment=lambda index: url_for("webmail.captured_attachment", outbox_id=outbox_id, index=index),
    )


def _search(asked: Mapping[str, str]) -> Search:
    """What of the queue is shown; raises Problem(404) for no status of ours."""
    status, text = asked.get("status", ""), asked.get("q", "").strip()[:_LONGEST_TEXT]
    if status and status not in STATUS_WORDS:
        raise not_found("page")
    return Search(status or None, text)


ROUTES = (
    PageRoute("GET", "/outbox", outbox),
    PageRoute("POST", "/outbox", outbox_act, off_menu="the outbox posts to it"),
    PageRoute("GET POST", "/outbox/<int:outbox_id>", captured, off_menu="the outbox leads to it"),
    PageRoute("GET", "/outbox/<int:outbox_id>/html", captured_frame, off_menu="shown within a captured message's page"),
    PageRoute("GET", "/outbox/<int:outbox_id>/attachments/<int:index>", captured_attachment, off_menu="a download"),
)
NAV = (
    NavEntry(
        "outbox",
        marked("Outbox"),
        outbox,
        icon="outbox",
        group=NavGroup.DELIVERY,
        order=10,
        hint=marked("What is on its way, what became of it, and what waits."),
    ),
)
NOTICES: Notices = {
    "outbox": lambda n: ngettext("Changed %(n)s delivery.", "Changed %(n)s deliveries.", n),
    "outbox-none": marked("That does not apply to the selected deliveries."),
    "outbox-forbidden": Notice(marked("This was captured by a sandbox that is not yours to open."), is_failure=True),
    "released": lambda n: ngettext(
        "Released: %(n)s copy will be sent for real.", "Released: %(n)s copies will be sent for real.", n
    ),
    "outbox-redirected": marked("Redirected. It is on its way to the other address."),
}


def _open(outbox_id: int) -> tuple[OutboxRow, bytes, Parsed]:
    """A queue row with its message. What a mailbox's owner may read, an administrator of the queue may not."""
    row = _row(outbox_id)
    if row.owner not in (user()[1], None):
        raise not_found("message")
    raw = current().database.read(lambda tx: b"" if row.content_id is None else contents.read(tx, row.content_id))
    return row, raw, parsing.parse(raw)


def _row(outbox_id: int) -> OutboxRow:
    caller, _username = user()
    row = current().database.read(lambda tx: queue_view.get(tx, caller.manages, min(outbox_id, _LARGEST_ID)))
    if row is None:
        raise not_found("message")
    return row
