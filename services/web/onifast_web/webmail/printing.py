"""Messages for paper: one, or all of a conversation, on a page without scripts, with all that was quoted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Response, make_response, render_template, request
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import conversations, image_senders
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.message.parsing import Attachment, Parsed

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import downloads
from onifast_web.http import response_headers
from onifast_web.http.problems import not_found
from onifast_web.reading import bodies, render
from onifast_web.webmail import content
from onifast_web.webmail.declared import Notices, PageRoute
from onifast_web.webmail.opened import OpenedMessage, image_proxy_of, open_message
from onifast_web.webmail.pages import user

MOST_MESSAGES = 200
"""Of a conversation that are printed, the newest."""

MOST_OCTETS = 200 * 1024 * 1024
"""Of the messages that one page is made of, read one after the other."""

_MOST_TEXT = 4 * 1024 * 1024  # characters


@dataclass(frozen=True)
class PrintedMessage:
    """A message as it stands on paper; `body` is safe HTML."""

    row: EmailRow
    parsed: Parsed
    body: str
    attachments: list[tuple[str, int]]


@allow(Who.USER, visitors=True)
def print_message(email_id: int) -> Response:
    """One message."""
    opened = open_message(user()[1], email_id)
    return _page(opened.row.subject, [_printed(opened)])


@allow(Who.USER, visitors=True)
def print_conversation(conversation_id: int) -> Response:
    """The messages of a conversation, the oldest first."""
    _caller, username = user()

    def read(tx: Connection) -> list[EmailRow]:
        found = conversations.get(tx, username, conversation_id) if conversation_id < 2**63 else None
        if found is None:
            raise not_found("conversation")
        return conversations.messages(tx, found, limit=MOST_MESSAGES, cursor=None, hidden=None).rows

    rows, room = list[EmailRow](), MOST_OCTETS
    for row in current().database.read(read):
        if row.folder == "drafts" or row.size > room:
            continue
        rows.append(row)
        room -= row.size
    if not rows:
        raise not_found("conversation")
    return _page(rows[-1].subject, [_printed(open_message(username, row.id)) for row in reversed(rows)])


ROUTES = (
    PageRoute("GET", "/messages/<int:email_id>/print", print_message, off_menu="a message's page leads to it"),
    PageRoute("GET", "/conversations/<int:conversation_id>/print", print_conversation, off_menu="its page leads to it"),
)
NAV = ()
NOTICES: Notices = {}


def _page(subject: str, printed: Sequence[PrintedMessage]) -> Response:
    response = make_response(render_template("print.html", subject=subject, printed=printed))
    response.headers["Content-Security-Policy"] = response_headers.PRINT_POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _printed(opened: OpenedMessage) -> PrintedMessage:
    parsed, scope = opened.parsed, f"printed-{opened.row.id}"
    proxy = image_proxy_of(opened.row.id) if _shows_images(opened) else None
    safe = bodies.safe_html(
        parsed, images=proxy is not None, remote=proxy.address if proxy else None, scope=scope, is_light=True
    )
    if proxy and safe:
        proxy.prepare(safe.loaded)
    hidden = {parsed.embedded[name].index for name in safe.embedded} if safe else set[int]()
    return PrintedMessage(
        opened.row,
        parsed,
        safe.fragment(scope) if safe else f'<div class="text">{_text(parsed)}</div>',
        [(downloads.name_of(each), each.size) for each in _listed(parsed, hidden)],
    )


def _listed(parsed: Parsed, hidden: set[int]) -> list[Attachment]:
    return [each for each in parsed.attachments if each.index not in hidden]


def _text(parsed: Parsed) -> str:
    return render.text_to_html(content.plain_text(parsed)[:_MOST_TEXT], links=False, folds=False)


def _shows_images(opened: OpenedMessage) -> bool:
    """Whether its reader sees the images of it that lie elsewhere."""
    if (asked := request.args.get("images")) is not None:
        return asked == "1"
    author = bodies.proven_author(opened.row.authentication, opened.parsed)
    username = user()[1]
    return author is not None and current().database.read(lambda tx: image_senders.has(tx, username, author))
