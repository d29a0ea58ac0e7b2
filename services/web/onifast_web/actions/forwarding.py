"""What goes along when a message is forwarded: its HTML with the images that it shows, or the message as a file."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from html import escape

from onifast_shared.message.compose import EmbeddedImage, OutgoingAttachment
from onifast_shared.message.conversion import Unconvertible, are_ascii_lines, into_seven_bits
from onifast_shared.message.headers import remove_headers
from onifast_shared.message.html_text import to_text
from onifast_shared.message.parsing import Parsed

from onifast_web.reading import render
from onifast_web.reading.safe_html import sanitise

TITLE = "---------- Forwarded message ----------"

# Where the forwarded message begins in the HTML of one that we built: no note can hold it, as a note is escaped.
_BEGIN = '<div class="forwarded-message">'
# The class that the rules of a forwarded message's style sheets are for: that of what stands below its head.
_SCOPE = "forwarded-body"
_END = "</body></html>"
# Who else got a message is for its sender's eyes alone.
_PRIVATE = frozenset({b"bcc", b"resent-bcc", b"x-onifast-draft"})


@dataclass(frozen=True)
class Forwarded:
    """A message's HTML, sanitised, with a head that tells whose it is. `images` are those of its files (`places` in
    the list of attachments) that it shows."""

    html: str
    images: tuple[EmbeddedImage, ...] = ()
    places: frozenset[int] = frozenset()

    @property
    def text(self) -> str:
        """The same for readers without HTML."""
        return to_text(self.html)

    def below(self, note: str) -> tuple[str, str]:
        """The text and the HTML of a message that has a note above this one."""
        lines = "<br>\n".join(map(render.linkify, note.rstrip().split("\n")))
        text = f"{note.rstrip()}\n\n{self.text}\n"
        return text, f"<!doctype html>\n<html><body><div>{lines}</div><br>\n{self.html}{_END}\n"


def with_formatting(parsed: Parsed) -> Forwarded | None:
    """A message with HTML, to be forwarded as it looks; None for any other one."""
    if parsed.html is None:
        return None
    return _framed(parsed, _head(parsed) + "<br>\n", parsed.html)


def taken_up(parsed: Parsed) -> tuple[str, Forwarded] | None:
    """The note of a message that `Forwarded.below` built, and what stands below it; None for any other message."""
    part, text = part_of(parsed), (parsed.text or "").rstrip()
    if not part or not text.endswith(below := to_text(part)):
        return None
    note = text.removesuffix(below).rstrip()
    return note, _framed(parsed, "", part.removeprefix(_BEGIN).removesuffix("</div>"), is_scoped=True)


def part_of(parsed: Parsed) -> str:
    """The HTML of what stands below the note of a message that `Forwarded.below` built, unsanitised; "" for others."""
    _, begin, rest = (parsed.html or "").partition(_BEGIN)
    return begin + rest.strip().removesuffix(_END)


def as_attachment(raw: bytes, name: str) -> OutgoingAttachment:
    """A message as a file, without what only its sender may know; `name` is what it is called."""
    message = remove_headers(raw, lambda *_: True, _PRIVATE)
    if not are_ascii_lines(message):
        try:
            message = into_seven_bits(message)
        except Unconvertible:
            return OutgoingAttachment(f"{name}.eml", "application/octet-stream", message)
    return OutgoingAttachment(f"{name}.eml", "message/rfc822", message)


def facts(parsed: Parsed) -> list[tuple[str, str]]:
    """What the reader of a forwarded message is told of it: from whom it is, when, about what, and to whom it went."""
    found = {name: parsed.people(name) for name in ("from", "to", "cc")}
    found |= {"date": parsed.header("date") or "", "subject": parsed.subject}
    return [(name.capitalize(), found[name]) for name in ("from", "date", "subject", "to", "cc") if found[name]]


def _framed(parsed: Parsed, head: str, html: str, *, is_scoped: bool = False) -> Forwarded:
    """`is_scoped` where the HTML is what this function once made."""
    token = secrets.token_hex(8)
    ids = {name: f"{item.index}.{token}@forwarded.invalid" for name, item in parsed.embedded.items()}
    inline = {name: f"cid:{content_id}" for name, content_id in ids.items()}
    safe = sanitise(html, images=True, inline=inline, scope=_SCOPE)
    shown = {ids[name]: parsed.embedded[name] for name in sorted(safe.embedded)}
    images = tuple(EmbeddedImage(key, item.filename, item.image_type, item.data) for key, item in shown.items())
    places = frozenset(item.index for item in shown.values())
    below = (f"<style>{safe.css}</style>" if safe.css else "") + safe.html if is_scoped else safe.fragment(_SCOPE)
    return Forwarded(f"{_BEGIN}{head}{below}</div>", images, places)


def _head(parsed: Parsed) -> str:
    lines = [TITLE, *(f"{name}: {text}" for name, text in facts(parsed))]
    return f"<div>{'<br>'.join(map(escape, lines))}</div>"
