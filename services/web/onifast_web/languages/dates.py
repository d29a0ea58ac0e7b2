"""Times and numbers for people, in the language and for the time zone of the request."""

from __future__ import annotations

from datetime import UTC, datetime

from onifast_web.languages import current
from onifast_web.languages.texts import _, marked

_MONTHS = (
    *(marked("Jan"), marked("Feb"), marked("Mar"), marked("Apr"), marked("May"), marked("Jun")),
    *(marked("Jul"), marked("Aug"), marked("Sep"), marked("Oct"), marked("Nov"), marked("Dec")),
)
_WEEKDAYS = (
    *(marked("Mon"), marked("Tue"), marked("Wed"), marked("Thu"), marked("Fri"), marked("Sat"), marked("Sun")),
)
# The order of a date's parts, and what stands between them, is the language's.
_FORMATS = {
    "full": marked("{weekday}, {day} {month} {year}, {time}"),
    "until": marked("{weekday}, {day} {month} {year}, {time}"),
    "soon": marked("{weekday}, {day} {month}, {time}"),
    "quoted": marked("{day} {month} {year} at {time}"),
    "short": marked("{day} {month} {year}"),
    "date": marked("{day} {month} {year}"),
}


def moment(timestamp: float, style: str = "full") -> str:
    """A time in one of the styles; in UTC, which is said, for who chose no time zone."""
    zone = current.zone()
    when = datetime.fromtimestamp(timestamp, zone or UTC)
    clock = f"{when:%H:%M}" if zone else f"{when:%H:%M} UTC"
    parts = {
        "weekday": _(_WEEKDAYS[when.weekday()]),
        "day": f"{when:%d}",
        "month": _(_MONTHS[when.month - 1]),
        "year": when.year,
        "time": clock,
    }
    return _(_FORMATS[style]).format(**parts)


def number(value: int) -> str:
    """A whole number with its thousands set apart."""
    return f"{value:,}".replace(",", _(","))


def decimal(value: float) -> str:
    """A number with one digit after the point."""
    return f"{value:.1f}".replace(".", _("."))
