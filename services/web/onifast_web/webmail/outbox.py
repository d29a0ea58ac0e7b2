"""The queue as a page: where each recipient's copy is, why, and what can be done."""

from __future__ import annotations

from flask import Response, redirect, request, url_for
from onifast_shared import contents, queue_view
from onifast_shared import message as messages
from onifast_shared.db import Connection
from onifast_shared.mailbox import CursorError
from onifast_shared.message import Parsed
from onifast_shared.queue_view import ACTIONS, OutboxRow
from werkzeug.wrappers import Response as AnyResponse

from onifast_web import render
from onifast_web.auth import Who, allow
from onifast_web.context import current
from onifast_web.problems import Problem, not_found
from onifast_web.webmail.filters import STATUS_WORDS
from onifast_web.webmail.mailbox import selected_ids
from onifast_web.webmail.message import html_page, plain_text, shown_attachments
from onifast_web.webmail.pages import page, user

_PAGE = 50
_SOURCE_SHOWN = 64 * 1024
_TABS = (("", "All"), *((status, word) for status, (word, _) in STATUS_WORDS.items() if status != "sending"))


@allow(Who.USER)
def outbox() -> Response:
    """A page of the queue, newest first; everybody's for administrators."""
    caller, _ = user()
    status, cursor = request.args.get("status", ""), request.args.get("cursor") or None
    if status and status not in STATUS_WORDS:
        raise not_found("page")
    try:
        found = current().database.read(
            lambda tx: queue_view.list_page(tx, caller.manages, status=status or None, limit=_PAGE, cursor=cursor)
        )
    except CursorError:
        raise not_found("page") from None
    return page(
        "outbox.html",
        "outbox",
        rows=found.rows,
        next_cursor=found.next_cursor,
        cursor=cursor,
        status=status,
        statuses=_TABS,
    )


@allow(Who.USER)
def outbox_act() -> AnyResponse:
    """Retries, cancels, holds or releases the selected deliveries, as far as their states let it."""
    caller, _ = user()
    action, ids, web = request.form.get("action", ""), selected_ids(), current()
    if action not in ACTIONS:
        raise Problem(400, "That action is not known.")
    changed = web.database.write(lambda tx: queue_view.act(tx, caller.manages, ids, action, web.clock()))
    did = "outbox" if changed else "outbox-none" if ids else "none"
    status = request.form.get("status") or None
    return redirect(url_for("webmail.outbox", status=status, did=did, n=len(changed)), 303)


@allow(Who.USER)
def captured(outbox_id: int) -> Response:
    """What is sent, or was captured, as its recipient would see it."""
    row, raw, parsed = _open(outbox_id)
    has_html = parsed.html is not None
    return page(
        "captured.html",
        "outbox",
        entry=row,
        parsed=parsed,
        frame_url=url_for("webmail.captured_frame", outbox_id=outbox_id) if has_html else None,
        text_html="" if has_html else render.text_to_html(plain_text(parsed)),
        attachments=shown_attachments(parsed),
        raw=raw[:_SOURCE_SHOWN].decode("utf-8", "replace"),
    )


@allow(Who.USER)
def captured_frame(outbox_id: int) -> Response:
    """Its HTML, for the sandboxed frame."""
    return html_page(_open(outbox_id)[2])


ROUTES = (
    ("GET", "/outbox", outbox),
    ("POST", "/outbox", outbox_act),
    ("GET", "/outbox/<int:outbox_id>", captured),
    ("GET", "/outbox/<int:outbox_id>/html", captured_frame),
)


def _open(outbox_id: int) -> tuple[OutboxRow, bytes, Parsed]:
    """A queue row with its message. What a mailbox's owner may read, an administrator of the queue may not."""
    caller, username = user()

    def read(tx: Connection) -> tuple[OutboxRow, bytes]:
        row = queue_view.get(tx, caller.manages, outbox_id) if outbox_id < 2**63 else None
        if row is None or row.owner not in (username, None):
            raise not_found("message")
        return row, contents.read(tx, row.content_id) if row.content_id is not None else b""

    row, raw = current().database.read(read)
    return row, raw, messages.parse(raw)
