"""Calendar invitations as values: what, when, where and who (RFC 5545, RFC 5546); never raises."""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

from onifast_shared.message import recurrence
from onifast_shared.message.content_lines import ContentLine, lines

TYPES = ("text/calendar", "application/ics", "text/x-vcalendar")
ANSWERS = ("accepted", "declined", "tentative")
_MOST_ATTENDEES = 200
_MOST_TEXT = 5000  # characters of a description
_YEARS = range(1971, 2400)
_TIME = re.compile(r"(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2})?(Z)?)?")
_DURATION = re.compile(r"\+?P(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,7})S)?)?")
_OFFSET = re.compile(r"([+-])(\d{2})(\d{2})(?:\d{2})?")
_DAY_OF_MONTH = re.compile(r"([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)")
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_ZONE_NAME = re.compile(r"(?:.*/)?([A-Z][A-Za-z_+-]{1,30}/[A-Z][A-Za-z0-9_+/-]{1,40})")


@dataclass(frozen=True)
class EventTime:
    """When something begins or ends: a moment, or a day or a local time of no zone in words."""

    moment: datetime | None
    words: str


@dataclass(frozen=True)
class Attendee:
    """Who is invited, or invites: a name or "", an address or "", and what was answered in a word."""

    name: str
    address: str
    answer: str = ""


@dataclass(frozen=True)
class Event:
    """The first event of a calendar object; `method` is what it is sent for, such as REQUEST, REPLY or CANCEL.

    `sequence` is its version. `occurrence` is which one of a series it is about, `occurrence_id` the same as it is
    written, "" for the whole of it; `recurrence` is in words how often that is repeated, "" for once.
    """

    method: str
    summary: str
    start: EventTime | None
    end: EventTime | None
    location: str
    organizer: Attendee | None
    attendees: list[Attendee]
    description: str
    repeats: bool
    cancelled: bool
    uid: str = ""
    sequence: int = 0
    occurrence: EventTime | None = None
    occurrence_id: str = ""
    recurrence: str = ""
    comment: str = ""


@dataclass
class _Component:
    """What stands between BEGIN and END, but for what lies in it."""

    name: str
    values: dict[str, list[ContentLine]] = field(default_factory=dict)

    def first(self, name: str) -> ContentLine | None:
        return next(iter(self.values.get(name, [])), None)

    def text(self, name: str) -> str:
        line = self.first(name)
        return line.text if line else ""


def event(text: str) -> Event | None:
    """What a calendar object tells of; None where it has no event."""
    components = _components(text)
    found = next((each for each in components if each.name in ("VEVENT", "VTODO")), None)
    if found is None:
        return None
    calendar = next((each for each in components if each.name == "VCALENDAR"), _Component(""))
    zones = _zones(components)
    start = _time(found.first("DTSTART"), zones)
    method = calendar.text("METHOD").upper()
    attendees = [_attendee(line) for line in found.values.get("ATTENDEE", [])[:_MOST_ATTENDEES]]
    organizer = found.first("ORGANIZER")
    return Event(
        method=method,
        summary=found.text("SUMMARY")[:500],
        start=start,
        end=_end(found, start, zones),
        location=found.text("LOCATION")[:500],
        organizer=_attendee(organizer) if organizer else None,
        attendees=attendees,
        description=found.text("DESCRIPTION")[:_MOST_TEXT],
        repeats="RRULE" in found.values or "RDATE" in found.values,
        cancelled=method == "CANCEL" or found.text("STATUS").upper() == "CANCELLED",
        uid=found.text("UID")[:500],
        sequence=_number(found.text("SEQUENCE")),
        occurrence=_time(found.first("RECURRENCE-ID"), zones),
        occurrence_id=found.text("RECURRENCE-ID")[:100],
        recurrence=_recurrence(found),
        comment=found.text("COMMENT")[:_MOST_TEXT],
    )


def _components(text: str) -> list[_Component]:
    found: list[_Component] = []
    opened: list[_Component] = []
    for line in lines(text):
        if line.name == "BEGIN":
            opened.append(_Component(line.value.strip().upper()))
            found.append(opened[-1])
        elif line.name == "END":
            opened = opened[:-1]
        elif opened:
            opened[-1].values.setdefault(line.name, []).append(line)
    return found


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _recurrence(found: _Component) -> str:
    rule = found.first("RRULE")
    if rule is not None:
        return recurrence.in_words(rule.value.strip())
    return "repeated" if "RDATE" in found.values else ""


def _attendee(line: ContentLine) -> Attendee:
    value = line.value.strip()
    address = value[7:] if value[:7].lower() == "mailto:" else ""
    answer = {"ACCEPTED": "accepted", "DECLINED": "declined", "TENTATIVE": "tentative"}
    return Attendee(
        line.parameters.get("CN", "")[:200], address[:320], answer.get(line.parameters.get("PARTSTAT", "").upper(), "")
    )


def _end(found: _Component, start: EventTime | None, zones: dict[str, list[_Observance]]) -> EventTime | None:
    end = found.first("DTEND") or found.first("DUE")
    if end is not None:
        return _time(end, zones, last=True)
    match = _DURATION.fullmatch(found.text("DURATION"))
    if match is None or start is None or start.moment is None:
        return None
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    length = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    return EventTime(start.moment + length, "")


def _time(line: ContentLine | None, zones: dict[str, list[_Observance]], *, last: bool = False) -> EventTime | None:
    """A time as it is written; the end of what takes whole days is the day before (RFC 5545 section 3.6.1)."""
    match = _TIME.fullmatch(line.value.strip()) if line else None
    if line is None or match is None:
        return None
    try:
        day = date(int(match[1]), int(match[2]), int(match[3]))
        if day.year not in _YEARS:
            return EventTime(None, line.value.strip())
        if match[4] is None:
            return EventTime(None, f"{day - timedelta(days=last):%A, %-d %B %Y}")
        local = datetime(day.year, day.month, day.day, int(match[4]), int(match[5]), int(match[6] or 0))
    except ValueError:
        return EventTime(None, line.value.strip())
    zone = UTC if match[7] else _zone(line.parameters.get("TZID", ""), local, zones)
    if zone is None:
        return EventTime(None, f"{local:%A, %-d %B %Y, %H:%M}")
    return EventTime(local.replace(tzinfo=zone).astimezone(UTC), "")


@dataclass(frozen=True)
class _Observance:
    """A rule of a time zone (RFC 5545 section 3.6.5): from when on which offset holds."""

    start: datetime
    offset: timedelta
    month: int = 0
    week: int = 0
    weekday: int = 0

    def onset(self, local: datetime) -> datetime | None:
        """When it last began to hold before a local time."""
        if not self.month:
            return self.start if self.start <= local else None
        years = (local.year, local.year - 1)
        found = (self._in_year(year) for year in years if year >= self.start.year)
        return next((onset for onset in found if onset <= local), None)

    def _in_year(self, year: int) -> datetime:
        first = self.start.replace(year=year, month=self.month, day=1)
        if self.week < 0:
            following = (first.replace(day=28) + timedelta(days=4)).replace(day=1)
            last = following - timedelta(days=1)
            return last - timedelta(days=(last.weekday() - self.weekday) % 7, weeks=-self.week - 1)
        return first + timedelta(days=(self.weekday - first.weekday()) % 7, weeks=self.week - 1)


def _zone(name: str, local: datetime, zones: dict[str, list[_Observance]]) -> tzinfo | None:
    """The zone that a time says it is in: as the object itself tells, or by its name; None for none that is known."""
    onsets = [(onset, each.offset) for each in zones.get(name, []) if (onset := each.onset(local))]
    if onsets:
        return timezone(max(onsets)[1])
    if zones.get(name):
        return timezone(zones[name][0].offset)
    if name.upper() in ("UTC", "GMT", "ETC/UTC"):
        return UTC
    known = _ZONE_NAME.fullmatch(name)
    try:
        return zoneinfo.ZoneInfo(known[1]) if known else None
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _zones(components: list[_Component]) -> dict[str, list[_Observance]]:
    found: dict[str, list[_Observance]] = {}
    name = ""
    for each in components:
        if each.name == "VTIMEZONE":
            name = each.text("TZID")
        elif each.name in ("STANDARD", "DAYLIGHT") and name and (observance := _observance(each)):
            found.setdefault(name, []).append(observance)
    return found


def _observance(component: _Component) -> _Observance | None:
    start, offset = _TIME.fullmatch(component.text("DTSTART")), _OFFSET.fullmatch(component.text("TZOFFSETTO"))
    if start is None or offset is None or start[4] is None:
        return None
    try:
        # Old rules begin in 1601, in the year 1, and whenever: no more is asked of them than to have begun.
        begun = datetime(max(int(start[1]), 1900), int(start[2]), int(start[3]), int(start[4]), int(start[5]))
    except ValueError:
        return None
    length = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
    if length >= timedelta(hours=24):
        return None
    signed = -length if offset[1] == "-" else length
    rule = dict(part.split("=", 1) for part in component.text("RRULE").upper().split(";") if "=" in part)
    day = _DAY_OF_MONTH.fullmatch(rule.get("BYDAY", ""))
    if day is None or rule.get("FREQ") != "YEARLY":
        return _Observance(begun, signed)
    month = int(rule["BYMONTH"]) if rule.get("BYMONTH", "").isdecimal() else 0
    if not 1 <= month <= 12:
        return _Observance(begun, signed)
    return _Observance(begun, signed, month, int(day[1] or 1), _WEEKDAYS.index(day[2]))
