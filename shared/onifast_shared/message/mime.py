"""The MIME structure of a message (RFC 2045, RFC 2046): its leaves, found by one bounded walk, decoded when asked."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from onifast_shared.message import charsets, tnef, transfer
from onifast_shared.message.entities import IDENTITY, MAX_HEAD, Part, PartContext, PartHead, Window
from onifast_shared.message.headers import split_head

MESSAGE_TYPES = ("message/rfc822", "message/global", "message/news")
MAX_DEPTH = 50
MAX_PARTS = 1000

_USED_BOUNDARY = re.compile(rb"(?<![^\n])--([^\r\n]{1,200}+)\r?\n(?=Content-)", re.IGNORECASE)
# A line that is neither a delimiter nor a field of a part's header.
_LOST_LINE = re.compile(rb"^(?!--|[A-Za-z0-9-]{1,60}:|[ \t\r]*$)[^\n]*\S", re.MULTILINE)


def leaves(raw: bytes) -> list[Part]:
    """The leaves of a message in order; of a hostile one only so many, and down to MAX_DEPTH."""
    found: list[Part] = []
    groups = itertools.count()
    # A stack instead of recursion: depth is the sender's choice.
    todo = [(Window.whole(raw), PartContext())]
    for _ in range(2 * MAX_PARTS):
        if not todo:
            break
        entity, context = todo.pop()
        octets, body = entity.split()
        head = PartHead(octets, context.parent)
        if not head.content_type.startswith("multipart/") or context.depth == MAX_DEPTH:
            found += _leaf(head, body, context)
            continue
        parts = _parts_of(head, body)
        if not parts:
            found.append(Part(head.as_text(), body, context))
            continue
        inside = PartContext(context.depth + 1, context.alternative, head.content_type)
        if head.content_type == "multipart/alternative" and context.alternative is None:
            inside.alternative = next(groups)
        todo += [(part, inside) for part in reversed(parts)]
    return found if any(part.has_octets for part in found) else _whole(raw) or found


def _whole(raw: bytes) -> list[Part]:
    """The body of a message as one text, where all its parts turned out to be empty and there is something around them.

    So nothing that was written is hidden by a boundary that can be read in two ways.
    """
    octets, body = split_head(raw)
    return (
        [Part(PartHead(octets).as_text(), Window.whole(body), PartContext())]
        if _LOST_LINE.search(body[:MAX_HEAD])
        else []
    )


def charset_of(parts: list[Part], head: bytes) -> str:
    """The charset that raw octets in a message's header and its files' names are in, as far as can be known.

    That is the one that its texts name, or else what these octets look like.
    """
    named = (part.charset for part in parts if part.content_type.startswith("text/"))
    label = next((label for label in named if charsets.is_of_a_script(label)), "")
    if label:
        return label
    octets = b"\n".join((b"" if charsets.is_plain(head) else head, *(part.undeclared() for part in parts[:50])))
    return "" if charsets.is_plain(octets) else charsets.guess_charset(octets)


def _leaf(head: PartHead, window: Window, context: PartContext) -> Iterator[Part]:
    """A part, and the files that lie within it: in a text of an old program (uuencode), or in Outlook's winmail.dat."""
    if head.content_type in tnef.TYPES and (packed := tnef.read(transfer.decode(window.octets, head.encoding))):
        yield from _unpacked(packed, context)
        return
    may_hold = head.content_type == "text/plain" and (head.encoding in IDENTITY or transfer.is_uuencoded(head.encoding))
    may_hold = may_hold and window.raw.find(b"begin", window.start, window.end) >= 0
    body = window.octets if may_hold else b""
    files = list(transfer.uu_files(body))
    if not files:
        yield Part(head, window, context)
        return
    edges = [0, *(edge for file in files for edge in (file.start, file.end)), len(body)]
    rest = b"".join(body[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))
    head.encoding = ""
    yield Part(head, Window.whole(rest), context)
    for file in files:
        name = file.name.decode("utf-8", "surrogateescape")
        yield Part(PartHead.of_file(name), Window.whole(file.content), PartContext(context.depth, None, context.parent))


def _unpacked(packed: tnef.Tnef, context: PartContext) -> Iterator[Part]:
    """What was in a winmail.dat. Its text mostly stands beside it already."""
    for kind, text in (("text/plain", packed.text), ("text/html", packed.html)):
        if text.strip():
            yield Part(PartHead.of_text(kind), Window.whole(text.encode()), context, is_spare=True)
    for file in packed.files:
        head = PartHead.of_file(file.name, file.content_type, file.content_id)
        yield Part(head, Window.whole(file.content), PartContext(context.depth + 1, None, context.parent))


def _parts_of(head: PartHead, body: Window) -> list[Window]:
    """A multipart's parts; where its boundary is missing or wrong, by the one that it uses; [] where it has none."""
    if head.encoding == "base64":  # which RFC 2045 section 6.4 forbids, and some do
        body = Window.whole(transfer.decode_base64(body.octets))
    parts = list(_split_multipart(body, head.boundary)) if head.boundary else []
    if parts:
        return parts
    used = _USED_BOUNDARY.search(body.head(MAX_HEAD))
    return list(_split_multipart(body, used[1].rstrip())) if used else []


@dataclass(frozen=True)
class Structure:
    """How deep a message's multiparts are nested, and how many parts they have in all."""

    depth: int
    parts: int


def measure(raw: bytes, depth: int, parts: int) -> Structure:
    """Measures a message; looks no further once one of the limits is passed."""
    deepest = count = 0
    todo = [(Window.whole(raw), 0)]
    while todo and deepest <= depth and count <= parts:
        entity, level = todo.pop()
        deepest = max(deepest, level)
        octets, body = entity.split()
        head = PartHead(octets)
        if not head.content_type.startswith("multipart/") or not head.boundary:
            continue
        found = list(itertools.islice(_split_multipart(body, head.boundary, parts + 2), parts + 1))
        count += len(found)
        todo += [(part, level + 1) for part in found]
    return Structure(deepest, count)


def _split_multipart(body: Window, boundary: bytes, most: int = MAX_PARTS) -> Iterator[Window]:
    """The parts between delimiter lines (RFC 2046 section 5.1.1); what has no closing delimiter ends with the body."""
    start: int | None = None
    for before, after, closing in delimiters(body.raw, b"--" + boundary, most, body.start, body.end):
        if start is not None:
            yield Window(body.raw, start, max(start, before))
        start = None if closing else after
        if closing:
            return
    if start is not None:
        yield Window(body.raw, start, body.end)


def delimiters(
    raw: bytes, delimiter: bytes, most: int = MAX_PARTS, start: int = 0, stop: int | None = None
) -> Iterator[tuple[int, int, bool]]:
    """(end of what is before, start of what is after, whether it closes) of each delimiter line, up to `most`.

    Looked for from `start` to `stop`, the end unless given.
    """
    stop = len(raw) if stop is None else stop
    position, count = start, 0
    while count < most and (at := raw.find(delimiter, position, stop)) >= 0:
        position = at + len(delimiter)
        if at > start and raw[at - 1 : at] != b"\n":
            continue
        limit = min(position + 1000, stop)
        end = raw.find(b"\n", position, limit)
        rest = raw[position : end if end >= 0 else limit]
        closing = rest.startswith(b"--")
        if not closing and rest.strip():
            continue  # a longer boundary, of another multipart
        count += 1
        after = end + 1 if end >= 0 else stop
        # The line end before a delimiter belongs to it, not to the part.
        before = at - 2 if at - 2 >= start and raw[at - 2 : at] == b"\r\n" else max(at - 1, start)
        yield before, after, closing
