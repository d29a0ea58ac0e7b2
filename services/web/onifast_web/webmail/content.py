"""What a message says, ready for a page: its text or the frame of its HTML, notices, cards, and what is attached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Response, make_response, render_template, request
from onifast_shared.message import html_text
from onifast_shared.message.parsing import Attachment, Parsed

from onifast_web.actions import downloads
from onifast_web.http import response_headers
from onifast_web.http.problems import not_found
from onifast_web.reading import bodies, events, render
from onifast_web.reading.render import SafeHtml

_ALL_OF_A_TEXT = 4 * 1024 * 1024  # characters: more of them is a file to be saved
_PROTECTED = {
    "pgp": "This message is encrypted with PGP and cannot be read here. Save it, and open it where your key is.",
    "smime": "This message is encrypted with S/MIME and cannot be read here. Save it, and open it where your key is.",
    "smime-signed": "This is an S/MIME message in a form that cannot be opened here. Save it, and open it with a mail"
    " program that knows S/MIME.",
}


@dataclass(frozen=True)
class Links:
    """Where the pages of a message are: itself, its frame, an attachment, a message inside, and all of it as a file."""

    page: Callable[..., str]
    frame: Callable[..., str]
    attachment: Callable[[int], str]
    inside: Callable[[int], str] | None = None
    whole: str = ""


@dataclass(frozen=True)
class ShownAttachment:
    """An attachment in a list; `inside` is where it opens as a message, None where it is none."""

    index: int
    name: str
    size: int
    url: str
    inside: str | None
    subject: str = ""


def of(parsed: Parsed, links: Links) -> dict[str, Any]:
    """What the template `_content.html` shows, as the query asks for it."""
    wants_text = request.args.get("view") == "text" and parsed.text is not None
    images, everything = request.args.get("images") == "1", request.args.get("all") == "1"
    shows_html = parsed.html is not None and render.fits(parsed.html) and not wants_text
    safe = bodies.safe_html(parsed, images=images) if shows_html else None
    text = "" if shows_html else plain_text(parsed)
    shown = text[: _ALL_OF_A_TEXT if everything else render.MAX_TEXT]
    return {
        "frame_url": links.frame(images=1 if images else None) if shows_html else None,
        "blocked_images": safe.blocked_images if safe else 0,
        "images_url": links.page(images=1),
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
        "attachments": _listed(parsed, safe, links),
    }


def plain_text(parsed: Parsed) -> str:
    """The message's words, whether it has a plain text or not."""
    return parsed.text if parsed.text is not None else html_text.to_text(parsed.html or "")


def html_page(parsed: Parsed, part: str = "") -> Response:
    """A message's HTML, or a part of it, in the page that the sandboxed frame shows. Raises Problem(404)."""
    images = request.args.get("images") == "1"
    safe = bodies.safe_html(parsed, images=images, part=part)
    if safe is None:
        raise not_found("HTML text")
    response = make_response(render_template("frame.html", html=safe.html))
    response.headers["Content-Security-Policy"] = response_headers.frame_policy(images=images)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _other_view(parsed: Parsed, links: Links, *, shows_html: bool) -> str | None:
    """Where the same is shown in its other form, if it has two."""
    if parsed.html is None or parsed.text is None or not render.fits(parsed.html):
        return None
    return links.page(view="text") if shows_html else links.page()


def _listed(parsed: Parsed, safe: SafeHtml | None, links: Links) -> list[ShownAttachment]:
    """What is listed below a message: all but the images that its HTML, where that is shown, really shows."""
    hidden = {parsed.embedded[name].index for name in safe.embedded} if safe else set[int]()
    return [_shown(item, links) for item in parsed.attachments if item.index not in hidden]


def _shown(item: Attachment, links: Links) -> ShownAttachment:
    opens = links.inside is not None and item.is_message
    inside = links.inside(item.index) if links.inside is not None and opens else None
    return ShownAttachment(
        item.index,
        downloads.name_of(item),
        item.size,
        links.attachment(item.index),
        inside,
        item.subject if opens else "",
    )
