"""One message: its page, the sandboxed page of its HTML, its attachments, its source."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from flask import Response, make_response, render_template, request, url_for
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import mailbox
from onifast_shared.mailboxes.mailbox import EmailRow
from onifast_shared.message import html_text, parsing
from onifast_shared.message.parsing import Attachment, Parsed
from onifast_shared.queue import view as queue_view
from onifast_shared.queue import waiting as waiting_store
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address, AddressError

from onifast_web.access.auth import Who, allow
from onifast_web.access.context import current
from onifast_web.actions import answering, forwarding
from onifast_web.http import csrf, response_headers
from onifast_web.http.problems import not_found
from onifast_web.reading import bodies, impostors, render
from onifast_web.reading.render import SafeHtml
from onifast_web.webmail.filters import listed
from onifast_web.webmail.pages import page, user

_WHERE_SENT_MAIL_LIES = ("sent", "archive", "trash")
_SOURCE_SHOWN = 256 * 1024
_ATTACHMENT_POLICY = "default-src 'none'; sandbox"
# Types that a browser would run something in, were it ever to show them.
_ACTIVE_TYPES = ("text/html", "text/xml", "text/javascript", "application/xhtml", "application/xml", "image/svg")


@dataclass(frozen=True)
class OpenedMessage:
    """A message with its bytes read."""

    row: EmailRow
    raw: bytes
    parsed: Parsed


@dataclass(frozen=True)
class ShownAttachment:
    """An attachment in a list."""

    index: int
    name: str
    size: int


@allow(Who.USER)
def message(email_id: int) -> Response:
    """The message's page; seeing it marks it as read."""
    _, username = user()
    opened = open_message(username, email_id)
    _mark_read(username, opened.row)
    return page("message.html", opened.row.folder, row=opened.row, **_body(opened), **_head(username, opened))


@allow(Who.USER)
def frame(email_id: int) -> Response:
    """The message's HTML, sanitised, as a page of its own that its headers lock in."""
    parsed = open_message(user()[1], email_id).parsed
    return html_page(parsed, forwarding.part_of(parsed) if request.args.get("part") == "forwarded" else "")


@allow(Who.USER)
def attachment(email_id: int, index: int) -> Response:
    """An attachment, to be saved: never shown by the browser in our name."""
    return download_attachment(open_message(user()[1], email_id).parsed, index)


@allow(Who.USER)
def source(email_id: int) -> Response:
    """Every header, and the bytes as they came."""
    opened = open_message(user()[1], email_id)
    shown = opened.raw[:_SOURCE_SHOWN].decode("utf-8", "replace")
    return page(
        "source.html",
        opened.row.folder,
        row=opened.row,
        headers=opened.parsed.headers,
        raw=shown,
        truncated=len(opened.raw) > _SOURCE_SHOWN,
    )


@allow(Who.USER)
def raw(email_id: int) -> Response:
    """The message as a file."""
    opened = open_message(user()[1], email_id)
    return _download(opened.raw, f"{file_stem(opened.row)}.eml", "message/rfc822")


ROUTES = (
    ("GET", "/messages/<int:email_id>", message),
    ("GET", "/messages/<int:email_id>/html", frame),
    ("GET", "/messages/<int:email_id>/attachments/<int:index>", attachment),
    ("GET", "/messages/<int:email_id>/source", source),
    ("GET", "/messages/<int:email_id>/raw", raw),
)


def open_message(owner: str, email_id: int) -> OpenedMessage:
    """A message of this owner's; raises Problem(404) for any other id."""

    def read(tx: Connection) -> tuple[EmailRow, bytes]:
        row = mailbox.get(tx, owner, email_id) if email_id < 2**63 else None
        if row is None:
            raise not_found()
        return row, mailbox.raw(tx, email_id)

    row, data = current().database.read(read)
    return OpenedMessage(row, data, parsing.parse(data))


def file_stem(row: EmailRow) -> str:
    """What a message is called as a file, without the file's extension."""
    return render.file_name(row.subject, "message")[:100]


def own_addresses(owner: str, opened: OpenedMessage) -> dict[str, Address]:
    """Those of the addresses in a message, and of where it came, whose mail comes to its owner alone: by key, the
    address of theirs that takes it."""
    web, named = current(), answering.everybody(opened.parsed)
    with contextlib.suppress(AddressError):
        named.append(Address.parse(opened.row.recipient))
    return web.database.read(lambda tx: addresses.own_among(tx, owner, named, web.settings))


def html_page(parsed: Parsed, part: str = "") -> Response:
    """A message's HTML, or a part of it, in the page that the sandboxed frame shows."""
    images = request.args.get("images") == "1"
    safe = bodies.safe_html(parsed, images=images, part=part)
    if safe is None:
        raise not_found("HTML text")
    response = make_response(render_template("frame.html", html=safe.html))
    response.headers["Content-Security-Policy"] = response_headers.frame_policy(images=images)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def download_attachment(parsed: Parsed, index: int) -> Response:
    """A message's attachment; raises Problem(404) for a number that it does not have."""
    if index >= len(parsed.attachments):
        raise not_found("attachment")
    item = parsed.attachments[index]
    active = item.content_type.startswith(_ACTIVE_TYPES) or item.content_type.endswith("+xml")
    return _download(
        item.data, _name(item), "application/octet-stream" if active or not item.content_type else item.content_type
    )


def shown_attachments(parsed: Parsed, safe: SafeHtml | None) -> list[ShownAttachment]:
    """What is listed below a message: all but the images that its HTML, where that is shown, really shows."""
    hidden = {parsed.embedded[name].index for name in safe.embedded} if safe else set[int]()
    return [
        ShownAttachment(item.index, _name(item), item.size) for item in parsed.attachments if item.index not in hidden
    ]


def plain_text(parsed: Parsed) -> str:
    """The message's words, whether it has a plain text or not."""
    return parsed.text if parsed.text is not None else html_text.to_text(parsed.html or "")


def _body(opened: OpenedMessage) -> dict[str, Any]:
    parsed, email_id = opened.parsed, opened.row.id
    wants_text = request.args.get("view") == "text"
    shows_html = parsed.html is not None and not (wants_text and parsed.text is not None)
    images = request.args.get("images") == "1"
    safe = bodies.safe_html(parsed, images=images) if shows_html else None
    return {
        "frame_url": url_for("webmail.frame", email_id=email_id, images=1 if images else None) if shows_html else None,
        "blocked_images": safe.blocked_images if safe else 0,
        "text_html": "" if shows_html else render.text_to_html(plain_text(parsed)),
        "has_both": parsed.html is not None and parsed.text is not None,
        "attachments": shown_attachments(parsed, safe),
    }


def _head(username: str, opened: OpenedMessage) -> dict[str, Any]:
    row, parsed = opened.row, opened.parsed
    # Wherever they have put it since, the sender's copy tells what became of it.
    is_sent, now = row.folder in _WHERE_SENT_MAIL_LIES, current().clock()
    web = current()
    deliveries, waiting, who = web.database.read(
        lambda tx: (
            queue_view.for_email(tx, row.id) if is_sent else [],
            waiting_store.of_email(tx, username, row.id, now) if is_sent else None,
            impostors.reader(tx, username, web.settings),
        )
    )
    live = [item.status for item in deliveries if item.status != "cancelled"]
    recallable = bool(live) and all(status in waiting_store.RECALLABLE for status in live)
    own = own_addresses(username, opened)
    answers = answering.to(parsed, own, folder=row.folder)
    named = [*parsed.mailboxes("to"), *parsed.mailboxes("cc")]
    names = ["me" if each.key in own else each.name or each.shown for each in named]
    sender = parsed.sender.display if parsed.sender else row.sender
    domain = parsed.sender.domain if parsed.sender else ""  # the envelope's sender is not what was shown to be genuine
    return {
        "parsed": parsed,
        "sender": sender,
        "sender_name": parsed.sender_name,
        "to_short": _shortened(list(dict.fromkeys(names))) or row.recipient or "undisclosed recipients",
        "reply_all": answers.reply_all() != answers.reply(),
        "reply_list": parsed.list_post,
        "warnings": impostors.warnings(who, row, parsed.authors),
        "verdict": bodies.verdict(row.authentication, domain),
        "deliveries": deliveries,
        "waiting": waiting,
        "recallable": recallable,
    }


def _shortened(names: list[str]) -> str:
    return listed(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _mark_read(username: str, row: EmailRow) -> None:
    # A link on somebody else's site, or a browser that looks ahead, reads nothing.
    if row.is_read or not csrf.comes_from_here(request) or csrf.is_prefetch(request):
        return
    current().database.write(lambda tx: mailbox.set_read(tx, username, [row.id], True))


def _name(item: Attachment) -> str:
    return render.file_name(item.filename, f"attachment-{item.index + 1}")


def _download(data: bytes, name: str, content_type: str) -> Response:
    response = Response(data, content_type=content_type)
    # RFC 6266: the plain name for old programs, the real one for all others.
    plain = name.encode("ascii", "replace").decode("ascii").replace("?", "_")
    response.headers["Content-Disposition"] = (
        f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    )
    response.headers["Content-Security-Policy"] = _ATTACHMENT_POLICY
    return response
