"""What a message says, ready for a page: its text or the frame of its HTML, notices, cards, and what is attached."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, make_response, render_template, request
from onifast_shared.message import html_text
from onifast_shared.message.parsing import Attachment, Parsed

from onifast_web.actions import downloads
from onifast_web.http import response_headers
from onifast_web.http.problems import not_found
from onifast_web.languages.texts import marked
from onifast_web.reading import bodies, events, looks, previews, render
from onifast_web.reading.previews import AttachmentKind
from onifast_web.reading.safe_html import SafeHtml, fits

_ALL_OF_A_TEXT = 4 * 1024 * 1024  # characters: more of them is a file to be saved
_PROTECTED = {
    "pgp": marked(
        "This message is encrypted with PGP and cannot be read here. Save it, and open it where your key is."
    ),
    "smime": marked(
        "This message is encrypted with S/MIME and cannot be read here. Save it, and open it where your key is."
    ),
    "smime-signed": marked(
        "This is an S/MIME message in a form that cannot be opened here. Save it, and open it with a mail"
        " program that knows S/MIME."
    ),
}


@dataclass(frozen=True)
class Links:
    """Where the pages of a message are: itself, its frame, an attachment as a file, its preview and what that shows, a
    message inside, all attachments as one file, and all of the message. What is not there is None or ""."""

    page: Callable[..., str]
    frame: Callable[..., str]
    attachment: Callable[[int], str]
    preview: Callable[[int], str] | None = None
    shown: Callable[[int], str] | None = None
    inside: Callable[[int], str] | None = None
    archive: str = ""
    whole: str = ""


@dataclass(frozen=True)
class ImageConsent:
    """Whose remote images the reader can have shown always ("" where it is not proven who wrote the message), whether
    they have, and where they say so."""

    sender: str = ""
    always: bool = False
    url: str = ""


@dataclass(frozen=True)
class ImageProxy:
    """Shows images by way of this server: the address here of an image's URL, and what has a message's ones fetched."""

    address: Callable[[str], str]
    prepare: Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class ShownAttachment:
    """An attachment in a list; `inside` is where it opens as a message, `preview` where it is shown before it is
    saved, `thumbnail` the image that its card shows: "" where there is no such thing."""

    index: int
    name: str
    size: int
    kind: AttachmentKind
    url: str
    inside: str = ""
    preview: str = ""
    thumbnail: str = ""
    subject: str = ""


def of(parsed: Parsed, links: Links, consent: ImageConsent | None = None) -> dict[str, Any]:
    """What the template `_content.html` shows, as the query and the reader's consent to images ask for it."""
    wants_text = request.args.get("view") == "text" and parsed.text is not None
    consent = consent or ImageConsent()
    asked = request.args.get("images")
    images = asked == "1" or (consent.always and asked != "0")
    everything, theme = request.args.get("all") == "1", _theme()
    shows_html = parsed.html is not None and fits(parsed.html) and not wants_text
    safe = bodies.safe_html(parsed, images=images) if shows_html else None
    text = "" if shows_html else plain_text(parsed)
    shown = text[: _ALL_OF_A_TEXT if everything else render.MAX_TEXT]
    return {
        "frame_url": links.frame(images=1 if images else None, theme=theme) if shows_html else None,
        "blocked_images": safe.blocked_images if safe else 0,
        "trackers": safe.trackers if safe else 0,
        "lies": safe.lies if safe else (),
        "shows_images": images and safe is not None and bool(safe.loaded),
        "images_url": links.page(images=1, theme=theme),
        "consent": consent,
        "always_shown": consent.always and safe is not None and bool(safe.loaded),
        "paper": safe is not None and looks.of(safe, theme) == looks.PAPER,
        "other_look": _other_look(safe, links, theme, images=images) if safe else None,
        # With links in it, a text of many of them takes ten times its room.
        "text_html": render.text_to_html(shown, links=len(shown) <= render.MAX_TEXT) if shown.strip() else "",
        "cut": len(shown) < len(text),
        "all_url": links.page(all=1, view=request.args.get("view"))
        if len(shown) < min(len(text), _ALL_OF_A_TEXT)
        else None,
        "whole_url": links.whole,
        "other_url": _other_view(parsed, links, shows_html=shows_html),
        "shows_html": shows_html,
        "notice": _PROTECTED.get(parsed.protection, ""),
        "event": parsed.event,
        "event_note": events.sentence(parsed.event) if parsed.event else "",
        "cards": parsed.cards,
        "attachments": _cards(listed(parsed, safe), links),
        "archive_url": links.archive,
    }


def plain_text(parsed: Parsed) -> str:
    """The message's words, whether it has a plain text or not."""
    return parsed.text if parsed.text is not None else html_text.to_text(parsed.html or "")


def html_page(parsed: Parsed, part: str = "", proxy: ImageProxy | None = None) -> Response:
    """A message's HTML, or a part of it, in the page that the sandboxed frame shows. Raises Problem(404)."""
    images, theme = request.args.get("images") == "1", _theme()
    remote = proxy.address if proxy else None
    safe = bodies.safe_html(parsed, images=images, part=part, remote=remote, is_light=theme == "light")
    if safe is None:
        raise not_found("HTML text")
    if proxy:
        proxy.prepare(safe.loaded)
    response = make_response(render_template("frame.html", safe=safe, look=looks.of(safe, theme)))
    policy = response_headers.frame_policy(images=images, proxied=proxy is not None)
    response.headers["Content-Security-Policy"] = policy
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def embedded_image(data: bytes, content_type: str) -> Response:
    """An image that a message's HTML shows; the browser keeps it for a while, and nothing runs in it."""
    response = Response(data, content_type=content_type)
    response.headers["Content-Security-Policy"] = downloads.POLICY
    response.headers["Cache-Control"] = "private, max-age=86400"
    return response


def _theme() -> str | None:
    """What page the message is to be shown on: "light" or "dark", None for as it fits."""
    asked = request.args.get("theme")
    return asked if asked in ("light", "dark") else None


def _other_look(safe: SafeHtml, links: Links, theme: str | None, *, images: bool) -> tuple[str, str] | None:
    """What the message could look like on a dark page instead, and where; None where there is nothing to choose."""
    other = looks.other(safe, theme)
    return (other.title, links.page(images=1 if images else None, theme=other.theme)) if other else None


def _other_view(parsed: Parsed, links: Links, *, shows_html: bool) -> str | None:
    """Where the same is shown in its other form, if it has two."""
    if parsed.html is None or parsed.text is None or not fits(parsed.html):
        return None
    return links.page(view="text") if shows_html else links.page()


def listed(parsed: Parsed, safe: SafeHtml | None) -> list[Attachment]:
    """What is listed below a message: all but the images that its HTML, where that is shown, really shows."""
    hidden = {parsed.embedded[name].index for name in safe.embedded} if safe else set[int]()
    return [item for item in parsed.attachments if item.index not in hidden]


def _cards(items: Sequence[Attachment], links: Links) -> list[ShownAttachment]:
    found, thumbnails = list[ShownAttachment](), 0
    for item in items:
        kind = previews.kind_of(item)
        opens = links.inside is not None and item.is_message
        thumbnail = thumbnails < previews.MOST_THUMBNAILS and previews.has_thumbnail(item, kind) and links.shown
        thumbnails += bool(thumbnail)
        found.append(
            ShownAttachment(
                item.index,
                downloads.name_of(item),
                item.size,
                kind,
                links.attachment(item.index),
                inside=links.inside(item.index) if links.inside and opens else "",
                preview=links.preview(item.index) if kind.form and links.preview else "",
                thumbnail=thumbnail(item.index) if thumbnail else "",
                subject=item.subject if opens else "",
            )
        )
    return found
