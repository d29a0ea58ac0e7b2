"""What goes along when a message is forwarded: its HTML with the images that it shows, or the message as a file."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from html import escape

from onifast_shared.message.compose import EmbeddedImage, OutgoingAttachment
from onifast_shared.message.conversion import Unconvertible, are_ascii_lines, into_seven_bits
from onifast_shared.message.headers import remove_headers
from onifast_shared.message.html_text import to_quotable
from onifast_shared.message.parsing import Parsed

from onifast_web.reading import render
from onifast_web.reading.safe_html import sanitise

TITLE = "---------- Forwarded message ----------"

# Where the forwarded message begins in the HTML of one that we built: no note can hold it, as a note is escaped.
_BEGIN = '<div class="forwarded-message">'
# The class that the rules of a forwarded message's style sheets are for: that of what stands below its head.
_SCOPE = "forwarded-body"
_START, _END = "<!doctype html>\n<html><body>", "</body></html>"
# What was written stands in it; that itself has no classes.
_WRITTEN = '<div class="written-message">'
_QUOTE = (
    '<blockquote type="cite" style="margin:0 0 0 0.8ex;border-left:2px solid #b8bfcc;padding-left:1ex">',
    "</blockquote>",
)
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
        return to_quotable(self.html)

    def below(self, note: str, html: str = "") -> tuple[str, str]:
        """The text and the HTML of a message that has a note above this one; `html` is the note with its looks."""
        lines = "<br>\n".join(map(render.linkify, note.rstrip().split("\n")))
        text = f"{note.rstrip()}\n\n{self.text}\n"
        return text, f"{_START}{_written(html) if html else f'<div>{lines}</div>'}<br>\n{self.html}{_END}\n"


def page(html: str) -> str:
    """The HTML of a message that is nothing but what was written."""
    return f"{_START}{_written(html)}{_END}\n"


def written_in(html: str) -> str | None:
    """What was written, of the HTML that `page` or `below` made; None for any other HTML. Unsanitised."""
    if not html.startswith(_START + _WRITTEN):
        return None
    above = html.removeprefix(_START + _WRITTEN).partition(_BEGIN)[0].strip()
    return above.removesuffix(_END).removesuffix("<br>").rstrip().removesuffix("</div>")


def _written(html: str) -> str:
    return f"{_WRITTEN}{html}</div>"


def with_formatting(parsed: Parsed) -> Forwarded | None:
    """A message with HTML, to be forwarded as it looks; None for any other one."""
    if parsed.html is None:
        return None
    return _framed(parsed, _head(parsed) + "<br>\n", parsed.html)


def quoted(parsed: Parsed, attribution: str) -> Forwarded:
    """A message that is answered, to be quoted as it looks below the answer."""
    source = (
        parsed.html if parsed.html is not None else render.text_to_html(parsed.text or "", links=False, folds=False)
    )
    return _framed(parsed, f"<div>{escape(attribution)}</div>\n", source, around=_QUOTE)


def taken_up(parsed: Parsed) -> tuple[str, Forwarded] | None:
    """The note of a message that `Forwarded.below` built, and what stands below it; None for any other message."""
    part, text = part_of(parsed), (parsed.text or "").rstrip()
    if not part or not text.endswith(below := to_quotable(part)):
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


def _framed(
    parsed: Parsed, head: str, html: str, *, is_scoped: bool = False, around: tuple[str, str] = ("", "")
) -> Forwarded:
    """`is_scoped` where the HTML is what this function once made; `around` are tags around the message."""
    token = secrets.token_hex(8)
    ids = {name: f"{item.index}.{token}@forwarded.invalid" for name, item in parsed.embedded.items()}
    inline = {name: f"cid:{content_id}" for name, content_id in ids.items()}
    safe = sanitise(html, images=True, inline=inline, scope=_SCOPE)
    shown = {ids[name]: parsed.embedded[name] for name in sorted(safe.embedded)}
    images = tuple(EmbeddedImage(key, item.filename, item.image_type, item.data) for key, item in shown.items())
    places = frozenset(item.index for item in shown.values())
    below = (f"<style>{safe.css}</style>" if safe.css else "") + safe.html if is_scoped else safe.fragment(_SCOPE)
    return Forwarded(f"{_BEGIN}{head}{around[0]}{below}{around[1]}</div>", images, places)


def _head(parsed: Parsed) -> str:
    lines = [TITLE, *(f"{name}: {text}" for name, text in facts(parsed))]
    return f"<div>{'<br>'.join(map(escape, lines))}</div>"
