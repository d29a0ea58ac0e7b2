"""Attachments shown before they are saved: each on a page of its own, within bounds, and nothing of one runs."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Response, make_response, render_template, url_for
from onifast_shared.message.parsing import Attachment, Parsed

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.actions import downloads
from onifast_web.http import response_headers
from onifast_web.http.problems import not_found
from onifast_web.reading import previews
from onifast_web.webmail import inside, message
from onifast_web.webmail.declared import Notices, PageRoute
from onifast_web.webmail.opened import OpenedMessage, file_stem, open_message
from onifast_web.webmail.pages import page, user


@allow(Who.USER, visitors=True)
def preview(email_id: int, index: int, path: str = "") -> Response:
    """An attachment as far as a page can show it, with the way to the one before and the one after."""
    opened, parsed = _open(email_id, path)
    links = inside.links(email_id, path) if path else message.links(email_id)
    item = _item(parsed, index)
    kind = previews.kind_of(item)
    listed = _listed(parsed, item)
    place = listed.index(index)
    text, is_cut = previews.text_of(item) if kind.form in ("text", "table") else ("", False)
    response = page(
        "preview.html",
        opened.row.folder,
        name=downloads.name_of(item),
        size=item.size,
        kind=kind,
        text=text,
        rows=previews.table_of(text) if kind.form == "table" else [],
        is_cut=is_cut,
        number=place + 1,
        total=len(listed),
        before=_preview_url(email_id, path, listed[place - 1]) if place else None,
        after=_preview_url(email_id, path, listed[place + 1]) if place + 1 < len(listed) else None,
        inside=links.inside(index) if item.is_message and links.inside else "",
        shown_url=url_for("webmail.previewed", email_id=email_id, path=path or None, index=index),
        file_url=links.attachment(index),
        message_url=links.page(),
    )
    response.headers["Content-Security-Policy"] = response_headers.PREVIEW_POLICY
    return response


@allow(Who.USER, visitors=True)
def previewed(email_id: int, index: int, path: str = "") -> Response:
    """What a preview or a card shows: octets of a kind that browsers show without running anything in them."""
    item = _item(_open(email_id, path)[1], index)
    kind = previews.kind_of(item)
    if not kind.form or not kind.media_type:
        raise not_found("preview")
    return downloads.shown(item, kind.media_type)


@allow(Who.USER, visitors=True)
def archive(email_id: int, path: str = "") -> Response:
    """All attachments of a message as one zip file."""
    opened, parsed = _open(email_id, path)
    items = parsed.attachments
    if not items:
        raise not_found("attachment")
    return downloads.archive(items, f"{file_stem(opened.row)}.zip", datetime.fromtimestamp(opened.row.received_ts, UTC))


@allow(Who.USER, visitors=True)
def pdf_frame() -> Response:
    """The page that draws a PDF: of no origin, so that it has nothing of the reader's but what the preview hands it."""
    response = make_response(render_template("pdf_frame.html"))
    response.headers["Content-Security-Policy"] = response_headers.PDF_POLICY
    return response


_PLACES = ("/messages/<int:email_id>", "/messages/<int:email_id>/inside/<path>")
ROUTES = (
    *(PageRoute("GET", f"{each}/preview/<int:index>", preview, off_menu="a message leads to it") for each in _PLACES),
    *(PageRoute("GET", f"{each}/preview/<int:index>/content", previewed, off_menu="shown there") for each in _PLACES),
    *(PageRoute("GET", f"{each}/attachments.zip", archive, off_menu="a download") for each in _PLACES),
    PageRoute("GET", "/pdf", pdf_frame, off_menu="shown within a preview"),
)
NAV = ()
NOTICES: Notices = {}


def _open(email_id: int, path: str) -> tuple[OpenedMessage, Parsed]:
    if path:
        return inside.open_inside(email_id, path)
    opened = open_message(user()[1], email_id)
    return opened, opened.parsed


def _preview_url(email_id: int, path: str, index: int) -> str:
    return url_for("webmail.preview", email_id=email_id, path=path or None, index=index)


def _item(parsed: Parsed, index: int) -> Attachment:
    if index >= len(parsed.attachments):
        raise not_found("attachment")
    return parsed.attachments[index]


def _listed(parsed: Parsed, wanted: Attachment) -> list[int]:
    """Those that one goes through: not the images that the text shows, unless it is one of them that was asked for."""
    within = {each.index for each in parsed.embedded.values()} - {wanted.index}
    return [each.index for each in parsed.attachments if each.index not in within]
