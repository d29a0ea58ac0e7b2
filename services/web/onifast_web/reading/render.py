"""Texts of messages, made safe to show, and names of files and sizes. Pure: strings in, strings out."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape

from onifast_web.languages import dates
from onifast_web.languages.texts import _, ngettext

MAX_TEXT = 256 * 1024
"""Characters of text on a page, unless it is asked for all of it: of links alone, ten times as much HTML comes."""
FOLD_QUOTE_FROM_LINES = 4
LONGEST_SIGNATURE = 4
"""Lines of a signature that is shown as it is: what netiquette allows."""

_MOST_SIGNATURE = 40  # lines: what is longer is no signature
_SIGNATURE_MARKS = ("-- ", "--")

_URL = re.compile(r"https?://[^\s<>\"']+|\bwww\.[a-z0-9-]+\.[^\s<>\"']+", re.IGNORECASE)
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")
_LINK = re.compile(f"(?P<url>{_URL.pattern})|(?P<email>{_EMAIL.pattern})", re.IGNORECASE)
_CLOSING = {")": "(", "]": "[", "}": "{"}


def sentence(clause: object) -> str:
    """A clause, as errors are worded, with a capital and a full stop."""
    text = str(clause).strip()
    end = "" if not text or text.endswith((".", "!", "?", "…")) else "."
    return text[:1].upper() + text[1:] + end


def text_to_html(text: str, *, links: bool = True, folds: bool = True) -> str:
    """Plain text as HTML: links can be followed, quoted lines are marked, a long quote at the end is folded away, and
    so is a signature (RFC 3676 section 4.3) that is longer than it should be."""
    line_to_html = linkify if links else escape
    blocks = _blocks(text.replace("\r\n", "\n").rstrip("\n").split("\n"))
    rendered = []
    last = max((number for number, (_depth, lines) in enumerate(blocks) if any(map(str.strip, lines))), default=0)
    for number, (depth, lines) in enumerate(blocks):
        body = "\n".join(map(line_to_html, lines))
        if not depth:
            rendered.append(_with_signature(lines, line_to_html) if folds else f"<div>{body}</div>")
        elif folds and len(lines) >= FOLD_QUOTE_FROM_LINES and number and number >= last:
            title = escape(_("Quoted text"))
            rendered.append(f"<details><summary>{title}</summary><blockquote>{body}</blockquote></details>")
        else:
            rendered.append(f"<blockquote>{body}</blockquote>")
    return "".join(rendered)


def _with_signature(lines: list[str], line_to_html: Callable[[str], str]) -> str:
    """Lines that nobody quoted, the signature below them folded where it is long."""
    at = next((place for place in range(len(lines) - 1, -1, -1) if lines[place].rstrip("\r") in _SIGNATURE_MARKS), None)
    signature = [] if at is None else lines[at + 1 :]
    size = sum(map(bool, map(str.strip, signature)))
    if at is None or not LONGEST_SIGNATURE < size <= _MOST_SIGNATURE:
        return f"<div>{_joined(lines, line_to_html)}</div>"
    above, below = _joined(lines[:at], line_to_html), _joined(signature, line_to_html)
    title = escape(_("Signature"))
    return f'<div>{above}</div><details class="signature"><summary>{title}</summary><div>{below}</div></details>'


def _joined(lines: list[str], line_to_html: Callable[[str], str]) -> str:
    return "\n".join(map(line_to_html, lines))


def _blocks(lines: list[str]) -> list[tuple[bool, list[str]]]:
    """Runs of quoted and of unquoted lines."""
    blocks: list[tuple[bool, list[str]]] = []
    for line in lines:
        quoted = line.startswith(">")
        if not blocks or blocks[-1][0] != quoted:
            blocks.append((quoted, []))
        blocks[-1][1].append(re.sub(r"^> ?", "", line) if quoted else line)
    return blocks


def linkify(line: str) -> str:
    """One line of text, escaped, with web and mail addresses as links."""
    parts: list[str] = []
    end = 0
    for match in _LINK.finditer(line):
        found = _without_trailing_punctuation(match.group())
        parts.append(escape(line[end : match.start()]))
        parts.append(_anchor(found, is_email=match.group("email") is not None))
        end = match.start() + len(found)
    parts.append(escape(line[end:]))
    return "".join(parts)


def _anchor(found: str, *, is_email: bool) -> str:
    if is_email:
        return f'<a href="mailto:{escape(found)}" rel="nofollow">{escape(found)}</a>'
    target = found if "://" in found else f"http://{found}"
    return f'<a href="{escape(target)}" target="_blank" rel="noopener noreferrer nofollow">{escape(found)}</a>'


def _without_trailing_punctuation(url: str) -> str:
    """What a sentence around the address adds to it is no part of it: `(see http://a.example/b).`"""
    count = {bracket: url.count(bracket) for pair in _CLOSING.items() for bracket in pair}
    end = len(url)
    while end and (final := url[end - 1]) in ".,;:!?)]}*_":
        if opening := _CLOSING.get(final):
            if count[opening] >= count[final]:
                break
            count[final] -= 1
        end -= 1
    return url[:end]


def quote(text: str, attribution: str) -> str:
    """The text that a reply starts with: room to write, who wrote what, and each line behind `>`."""
    lines = text.replace("\r\n", "\n").strip("\n").split("\n")
    quoted = "\n".join(">" + line if line.startswith(">") else f"> {line}".rstrip() for line in lines)
    return f"\n\n{attribution}\n{quoted}\n"


_REPLY = re.compile(r"^\s*+(?:re|aw|sv|antw|odp|vs|回复|答复)\s*+(?:\[\d++\])?\s*+[::]\s*", re.IGNORECASE)
_FORWARD = re.compile(r"^\s*+(?:fwd?|wg|tr)\s*+[::]\s*", re.IGNORECASE)


def reply_subject(subject: str) -> str:
    """`Re: ` once, whatever the mailers before us put in front."""
    return f"Re: {_stripped(subject, _REPLY)}".rstrip()


def forward_subject(subject: str) -> str:
    """`Fwd: ` once."""
    return f"Fwd: {_stripped(subject, _FORWARD)}".rstrip()


def _stripped(subject: str, prefix: re.Pattern[str]) -> str:
    while match := prefix.match(subject):
        subject = subject[match.end() :]
    return subject.strip()


def byte_size(size: int) -> str:
    """A number of bytes as people read it."""
    if size < 1024:
        return ngettext("%(n)s byte", "%(n)s bytes", size)
    amount = float(size)
    for unit in ("kB", "MB", "GB"):
        amount /= 1024
        if amount < 999.5 or unit == "GB":
            shown = dates.decimal(amount) if amount < 9.95 else f"{amount:.0f}"
            return f"{shown} {unit}"
    return str(size)  # pragma: no cover


_CONTROLS = re.compile(r"[\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069/\\:*?\"<>|]+")


def file_name(name: str | None, fallback: str) -> str:
    """A name to save an attachment under: no path, no control or direction-changing characters, at most 150 long."""
    clean = _CONTROLS.sub("_", name or "").strip(" ._") or fallback
    stem, dot, extension = clean.rpartition(".")
    if dot and len(extension) <= 10:
        return f"{stem[: 149 - len(extension)]}.{extension}"
    return clean[:150]
