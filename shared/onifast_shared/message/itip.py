"""Answers to invitations (iTIP, RFC 5546 section 3.2.3): the calendar object that tells the organizer who comes.

What is said of the event is taken over from the invitation line by line, time zones included, so that the organizer's
calendar knows it again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from onifast_shared.message.calendar import ANSWERS, Attendee
from onifast_shared.message.content_lines import ContentLine, lines

PARTICIPATION = {"accepted": "ACCEPTED", "declined": "DECLINED", "tentative": "TENTATIVE"}
_KEPT = ("UID", "SEQUENCE", "ORGANIZER", "RECURRENCE-ID", "DTSTART", "DTEND", "DUE", "DURATION", "SUMMARY", "LOCATION")
_ONCE = ("VEVENT", "VTODO")
_MOST_ZONE_LINES = 500
_LINE_OCTETS = 75  # RFC 5545 section 3.1
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NEEDS_QUOTES = re.compile(r"[:;,]")


def reply(text: str, attendee: Attendee, answer: str, now: float, comment: str = "") -> str | None:
    """The answer of `attendee`, one of calendar.ANSWERS, to the first event of a calendar object.

    None where that has no event, or nothing to know it by: an identifier and an organizer. Raises ValueError
    for another answer.
    """
    if answer not in ANSWERS:
        raise ValueError(f"not an answer: {answer}")
    found = lines(text)
    event = _event(found)
    if event is None:
        return None
    kind, kept = event
    if not {"UID", "ORGANIZER"} <= {line.name for line in kept}:
        return None
    written = [
        *_written("BEGIN:VCALENDAR", "PRODID:-//onifast-mail//webmail//EN", "VERSION:2.0", "METHOD:REPLY"),
        *(_line(line) for line in _zones(found, {line.parameters.get("TZID", "") for line in kept} - {""})),
        *_written(f"BEGIN:{kind}", f"DTSTAMP:{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}"),
        *(_line(line) for line in kept),
        _line(_attendee(attendee, answer)),
        *([_line(ContentLine("COMMENT", {}, _escaped(comment)))] if comment else []),
        *_written(f"END:{kind}", "END:VCALENDAR"),
    ]
    return "".join(written)


def _event(found: list[ContentLine]) -> tuple[str, list[ContentLine]] | None:
    """The kind of the first event, and those of its own lines that an answer repeats, once each."""
    opened: list[str] = []
    kept: dict[str, ContentLine] = {}
    for line in found:
        if line.name == "BEGIN":
            opened.append(line.value.strip().upper())
        elif line.name == "END":
            ended = opened.pop() if opened else ""
            if ended in _ONCE:
                return ended, list(kept.values())
        elif opened and opened[-1] in _ONCE and line.name in _KEPT:
            kept.setdefault(line.name, line)
    return None


def _zones(found: list[ContentLine], names: set[str]) -> Iterator[ContentLine]:
    """The lines of the time zones of these names."""
    current: list[ContentLine] = []
    for line in found:
        is_edge = line.value.strip().upper() == "VTIMEZONE"
        if line.name == "BEGIN" and is_edge:
            current = [line]
        elif current:
            current.append(line)
            if line.name == "END" and is_edge:
                if any(each.name == "TZID" and each.text in names for each in current[:_MOST_ZONE_LINES]):
                    yield from current[:_MOST_ZONE_LINES] if len(current) <= _MOST_ZONE_LINES else ()
                current = []


def _attendee(attendee: Attendee, answer: str) -> ContentLine:
    parameters = {"PARTSTAT": PARTICIPATION[answer]} | ({"CN": attendee.name} if attendee.name else {})
    return ContentLine("ATTENDEE", parameters, f"mailto:{attendee.address}")


def _escaped(text: str) -> str:
    """Text as a value (RFC 5545 section 3.3.11)."""
    plain = text.replace("\r\n", "\n").replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return plain.replace("\n", "\\n")


def _line(line: ContentLine) -> str:
    parameters = "".join(f";{name}={_parameter(value)}" for name, value in line.parameters.items())
    return _folded(_CONTROLS.sub(" ", f"{line.name}{parameters}:{line.value}"))


def _parameter(value: str) -> str:
    clean = value.replace('"', "'")
    return f'"{clean}"' if _NEEDS_QUOTES.search(clean) else clean


def _written(*texts: str) -> list[str]:
    return [f"{text}\r\n" for text in texts]


def _folded(text: str) -> str:
    """A line in pieces of 75 octets, none of which ends within a character."""
    pieces, size = [""], 0
    for character in text:
        octets = len(character.encode("utf-8", "replace"))
        if size + octets > _LINE_OCTETS:
            pieces.append(" ")
            size = 1
        pieces[-1] += character
        size += octets
    return "\r\n".join(pieces) + "\r\n"
