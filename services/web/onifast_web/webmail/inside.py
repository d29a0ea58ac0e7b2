"""Messages within a message (RFC 2046 section 5.2.1), each a page of its own: its number in the list of attachments,
and so on for what lies inside that one, make its path."""

from __future__ import annotations

import re

from flask import Response, url_for
from onifast_shared.message.parsing import Parsed

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.actions import downloads
from onifast_web.http.problems import not_found
from onifast_web.webmail import content
from onifast_web.webmail.content import Links
from onifast_web.webmail.declared import Notices, PageRoute
from onifast_web.webmail.opened import OpenedMessage, image_proxy_of, open_message
from onifast_web.webmail.pages import page, user

_PATH = re.compile(r"\d{1,4}(?:\.\d{1,4}){0,9}")


@allow(Who.USER, visitors=True)
def inside(email_id: int, path: str) -> Response:
    """The page of a message that is attached to another one."""
    opened, parsed = open_inside(email_id, path)
    outer = path.rpartition(".")[0]
    back = (
        url_for("webmail.inside", email_id=email_id, path=outer)
        if outer
        else url_for("webmail.message", email_id=email_id)
    )
    return page(
        "inside.html",
        opened.row.folder,
        row=opened.row,
        parsed=parsed,
        content=content.of(parsed, links(email_id, path)),
        back=back,
        file_url=_attachment_url(email_id, outer, int(path.rpartition(".")[2])),
    )


@allow(Who.USER, visitors=True)
def inside_frame(email_id: int, path: str) -> Response:
    """Its HTML, for the sandboxed frame."""
    return content.html_page(open_inside(email_id, path)[1], proxy=image_proxy_of(email_id))


@allow(Who.USER, visitors=True)
def inside_attachment(email_id: int, path: str, index: int) -> Response:
    """One of its attachments, to be saved."""
    return downloads.attachment(open_inside(email_id, path)[1], index)


_PLACE = "/messages/<int:email_id>/inside/<path>"
ROUTES = (
    PageRoute("GET", _PLACE, inside, off_menu="the page of the message around it leads to it"),
    PageRoute("GET", f"{_PLACE}/html", inside_frame, off_menu="shown within its page"),
    PageRoute("GET", f"{_PLACE}/attachments/<int:index>", inside_attachment, off_menu="a download"),
)
NAV = ()
NOTICES: Notices = {}


def open_inside(email_id: int, path: str) -> tuple[OpenedMessage, Parsed]:
    """A message, and the one of that path inside it; raises Problem(404)."""
    opened = open_message(user()[1], email_id)
    if not _PATH.fullmatch(path):
        raise not_found("message")
    parsed = opened.parsed
    for number in map(int, path.split(".")):
        found = parsed.attachments[number].message if number < len(parsed.attachments) else None
        if found is None:
            raise not_found("message")
        parsed = found
    return opened, parsed


def links(email_id: int, path: str) -> Links:
    """Where the pages of a message inside another one are."""
    return Links(
        page=lambda **query: url_for("webmail.inside", email_id=email_id, path=path, **query),
        frame=lambda **query: url_for("webmail.inside_frame", email_id=email_id, path=path, **query),
        attachment=lambda index: _attachment_url(email_id, path, index),
        preview=lambda index: url_for("webmail.preview", email_id=email_id, path=path, index=index),
        shown=lambda index: url_for("webmail.previewed", email_id=email_id, path=path, index=index),
        inside=lambda index: url_for("webmail.inside", email_id=email_id, path=f"{path}.{index}"),
        archive=url_for("webmail.archive", email_id=email_id, path=path),
        whole=_attachment_url(email_id, path.rpartition(".")[0], int(path.rpartition(".")[2])),
    )


def _attachment_url(email_id: int, path: str, index: int) -> str:
    if not path:
        return url_for("webmail.attachment", email_id=email_id, index=index)
    return url_for("webmail.inside_attachment", email_id=email_id, path=path, index=index)
