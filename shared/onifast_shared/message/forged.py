"""Forged trace fields: what only we may write is taken out of a message, in whatever spelling it claims to be ours."""

from __future__ import annotations

import re
from collections.abc import Iterator

from onifast_shared.message.headers import decode_words, unfold
from onifast_shared.values.address import AddressError, in_letters, parse_domain
from onifast_shared.values.letters import plain, skeleton

MAX_LOOKED_AT = 500  # characters in which the name of who wrote a field must come, whatever comments stand before it

# Octets that some readers pass over or end a name at are no way around it, nor is a name that is folded.
_FIELD = re.compile(
    rb"(?<![^\n])[\x00-\x08\x0b-\x1f\x7f]*(return-path|authentication-results|received-spf)[\x00-\x20\x7f]*:"
    rb"([^\n]*(?:\n[ \t][^\n]*)*)(?:\n|\Z)",
    re.IGNORECASE,
)
_RECEIVED = re.compile(rb"(?<![^\n])received[\x00-\x20\x7f]*:", re.IGNORECASE)
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"?|\\.|[();]|[^"\\();]+|\\', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_RECEIVER = re.compile(r"\breceiver\s*=\s*([^;]*)", re.IGNORECASE)
_VERSION = re.compile(r"\s\d+\s*$")
_BETWEEN = re.compile(r"[\s\x00-,/:-@\[-^`{-\x7f]+")  # what no host name has, of ASCII
_INNERMOST = re.compile(r"\([^()]*\)")
_MOST_NESTED = 5
_AROUND_DOT = re.compile(r"\s*\.\s*")


def remove(raw: bytes, hostname: str) -> bytes:
    """The message without the fields that only we may write; all other bytes stay as they are.

    Those are Return-Path, since this is its final delivery (RFC 5321 section 4.4); Authentication-Results that claim to
    be ours, or that do not clearly say whose they are (RFC 8601 section 5); and Received-SPF that do, or that stand
    above all Received fields, where ours will stand (RFC 7208 section 9.1). They are looked for up to the first empty
    line, since for many readers no line before it ends the header.
    """
    head = raw[: _end_of_header(raw)]
    lower = head.lower()
    if b"return-path" not in lower and b"authentication-results" not in lower and b"received-spf" not in lower:
        return raw
    ours, hops = _canonical(hostname), _RECEIVED.search(head)
    first_hop = hops.start() if hops else len(head)
    kept, position = [], 0
    for match in _FIELD.finditer(head):
        if _is_forged(match, ours, above=match.start() < first_hop):
            kept.append(raw[position : match.start()])
            position = match.end()
    return b"".join((*kept, raw[position:])) if kept else raw


def _end_of_header(raw: bytes) -> int:
    if raw.startswith((b"\r\n", b"\n")):
        return 0
    ends = [place for place in (raw.find(b"\n\r\n"), raw.find(b"\n\n")) if place >= 0]
    return min(ends) + 1 if ends else len(raw)


def _is_forged(match: re.Match[bytes], ours: str, *, above: bool) -> bool:
    name, value = match[1].lower(), unfold(match[2])
    if name == b"return-path":
        return True
    if name == b"received-spf":
        return above or _names_us(spf_receivers(value), ours)
    names = results_of(value)
    return not names or _names_us(names, ours)


def _names_us(names: set[str], ours: str) -> bool:
    """Whether one of the names is ours, or is in another script and looks like it."""
    if ours in names:
        return True
    foreign = [shown for shown in map(in_letters, names) if not shown.isascii()]
    return bool(foreign) and skeleton(in_letters(ours)) in map(skeleton, foreign)


def results_of(value: str) -> set[str]:
    """Everybody whose results an Authentication-Results field could be said to hold, each in a canonical form.

    RFC 8601 section 2.2 has one authserv-id, which may be a quoted string, with comments around it. Readers take it
    apart in ways of their own, and some decode what is no encoded word there, so all readings count. None is a field
    that does not say whose it is.
    """
    begun = value[:MAX_LOOKED_AT]
    return {name for text in {begun, decode_words(begun)} for name in map(_canonical, _readings(text)) if name}


def spf_receivers(value: str) -> set[str]:
    """Whose check a Received-SPF field could be said to be: `receiver=`, and the name that begins its comment."""
    text = decode_words(value[: 4 * MAX_LOOKED_AT])
    found = {_canonical(match[1]) for match in _RECEIVER.finditer(text)}
    comment = text.partition("(")[2].partition(":")[0]
    return {*found, *map(_canonical, comment.split())} - {""}


def _readings(text: str) -> Iterator[str]:
    strict = _AROUND_DOT.sub(".", _without_comments(text))
    if not strict.strip():
        return
    yield strict.split()[0]
    yield _VERSION.sub("", strict)
    first, *others = text.split(";", 2)
    # `i=1` is no name, and what follows it is one in ARC.
    loose = ";".join((first, *others[: "=" in first])).translate({ord(each): None for each in '"\\'})
    yield from _BETWEEN.split(loose)
    # Some take whatever stands in brackets away, within a word or in quotes too.
    for _ in range(_MOST_NESTED):
        loose = _INNERMOST.sub("", loose)
    yield from _BETWEEN.split(loose)


def _without_comments(text: str) -> str:
    """What stands before the first semicolon outside comments (RFC 5322 section 3.2.2), without these and unquoted."""
    depth, kept = 0, []
    for piece in _TOKENS.findall(text):
        if piece in "()":
            depth = max(0, depth + (1 if piece == "(" else -1))
            kept.append(" ")
        elif depth:
            continue
        elif piece == ";":
            break
        else:
            kept.append(_QUOTED_PAIR.sub(r"\1", piece.strip('"') if piece.startswith('"') else piece))
    return "".join(kept)


def _canonical(name: str) -> str:
    """A host's name as all readers could understand it: by its letters alone."""
    bare = "".join(each for each in plain(name) if each.isprintable() and not each.isspace()).strip(".\"'<>")
    try:
        return parse_domain(bare)
    except AddressError:
        return bare.lower()
