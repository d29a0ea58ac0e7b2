"""A foreign message as it is stored here: line ends, what its old place wrote into its header, and when it came."""

from __future__ import annotations

import email.utils
import hashlib
import re
from dataclasses import dataclass, replace

from onifast_shared.message import forged, parsing
from onifast_shared.message.headers import (
    FIELD,
    decode_words,
    normalise_newlines,
    split_head,
    unfold,
    without_mbox_lines,
)
from onifast_shared.message.parsing import Summary
from onifast_shared.moving.found import Marks

# What mailbox files keep in a message's header, and what only a place of its own has a use for.
_OF_PLACES = frozenset(
    b"status x-status x-keywords x-gmail-labels x-gm-thrid x-gm-labels x-mozilla-status x-mozilla-status2"
    b" x-mozilla-keys x-uid x-imap x-imapbase content-length lines x-evolution x-evolution-source"
    b" x-account-key x-uidl".split()
)
_LABEL = re.compile(r'"([^"]*)"|([^,"]+)')
_EARLIEST, _LATEST_AHEAD = 0, 86400


@dataclass(frozen=True)
class CleanMessage:
    """A message as it is stored. `key` is the same for each copy of it, whichever trace fields that has."""

    raw: bytes
    summary: Summary
    marks: Marks
    received_ts: int
    key: bytes
    places: tuple[str, ...] = ()


def clean(raw: bytes, marks: Marks, received_ts: int | None, *, hostname: str, now: float) -> CleanMessage:
    """Makes a found message ours; `places` are those that its own header names (Gmail's labels)."""
    raw = normalise_newlines(raw)
    head, _ = split_head(raw)
    raw, head = without_mbox_lines(raw, head)
    noted, kept = _taken_out(head)
    raw = forged.remove(kept + raw[len(head) :], hostname)
    head, body = split_head(raw)
    summary = parsing.summary(head)
    marks, places = _marks(noted, marks)
    arrived = received_ts if received_ts is not None else _arrival(summary)
    if arrived is None or not _EARLIEST < arrived < now + _LATEST_AHEAD:
        arrived = _sent(summary, now)
    return CleanMessage(raw, summary, marks, arrived, identity(summary, body), places)


def identity(summary: Summary, body: bytes) -> bytes:
    """What tells a message from others: its Message-ID, and its body but for white space at the ends of lines."""
    digest = hashlib.sha256()
    named = summary.message_id or "\0".join(
        (summary.header("from") or "", summary.header("date") or "", summary.subject)
    )
    digest.update(named.encode("utf-8", "surrogatepass") + b"\0")
    start, size = 0, len(body)
    while start < size:  # in pieces: a large body is not copied whole once more
        end = body.find(b"\n", start + 65536)
        end = size if end < 0 else end + 1
        for line in body[start:end].split(b"\n"):
            if stripped := line.strip():
                digest.update(stripped + b"\n")
        start = end
    return digest.digest()[:20]


def _taken_out(head: bytes) -> tuple[dict[bytes, str], bytes]:
    """What places noted in a header, by lower-case names, and the header without that."""
    found, kept, position = dict[bytes, str](), list[bytes](), 0
    for match in FIELD.finditer(head):
        name = match[1].lower()
        if name in _OF_PLACES:
            found.setdefault(name, decode_words(unfold(match[2].rstrip(b"\r"))))
            kept.append(head[position : match.start()])
            position = match.end()
    return found, b"".join((*kept, head[position:])) if kept else head


def _marks(noted: dict[bytes, str], marks: Marks) -> tuple[Marks, tuple[str, ...]]:
    """The marks with what Status, X-Status, X-Mozilla-Status, X-Keywords and X-Gmail-Labels say besides."""
    status = noted.get(b"status", "") + noted.get(b"x-status", "")
    bits = (
        int(found, 16) if re.fullmatch(r"[0-9A-Fa-f]{1,8}", found := noted.get(b"x-mozilla-status", "").strip()) else 0
    )
    gmail = [(quoted or plain).strip() for quoted, plain in _LABEL.findall(noted.get(b"x-gmail-labels", ""))]
    gmail = [each for each in gmail if each]
    places = tuple(each for each in gmail if each.casefold() not in _GMAIL_MARKS)
    said = {_GMAIL_MARKS[each.casefold()] for each in gmail if each.casefold() in _GMAIL_MARKS}
    labels = tuple(each for each in noted.get(b"x-keywords", "").split() if not each.startswith(("$", "\\")))
    is_gmail = bool(gmail)
    return (
        replace(
            marks,
            is_read=marks.is_read or "R" in status or bool(bits & 1) or (is_gmail and "unread" not in said),
            is_answered=marks.is_answered or "A" in status or bool(bits & 2),
            is_starred=marks.is_starred or "F" in status or bool(bits & 4) or "starred" in said,
            is_forwarded=marks.is_forwarded or bool(bits & 0x1000),
            is_draft=marks.is_draft or "T" in status,
            is_deleted=marks.is_deleted or "D" in status or bool(bits & 8),
            labels=(*marks.labels, *labels),
        ),
        places,
    )


_GMAIL_MARKS = {
    "unread": "unread", "ungelesen": "unread", "non lus": "unread", "no leídos": "unread", "da leggere": "unread",
    "ongelezen": "unread", "opened": "read", "geöffnet": "read", "ouvert": "read", "abierto": "read",
    "starred": "starred", "markiert": "starred", "suivis": "starred", "destacados": "starred", "speciali": "starred",
    "important": "important", "wichtig": "important", "importants": "important", "importante": "important",
}  # fmt: skip


def _arrival(summary: Summary) -> int | None:
    """When the last server took it: the date of the topmost Received field (RFC 5321 section 4.4)."""
    trace = summary.header("received")
    return _moment(trace.rpartition(";")[2]) if trace and ";" in trace else None


def _sent(summary: Summary, now: float) -> int:
    date = _moment(summary.header("date") or "")
    return date if date is not None and _EARLIEST < date < now + _LATEST_AHEAD else int(now)


def _moment(text: str) -> int | None:
    try:
        found = email.utils.parsedate_tz(text.strip()[:100])
        return None if found is None else int(email.utils.mktime_tz(found))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
