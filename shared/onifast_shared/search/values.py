"""Dates, ages and sizes as people type them after an operator; each raises ValueError for what is none."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime

_DAY = re.compile(r"(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?")
_AGE = re.compile(r"(\d{1,5})([dwmy])", re.IGNORECASE)
_SIZE = re.compile(r"(\d{1,12})([kmg]?)b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def day(text: str) -> int:
    """When a day, month or year begins in UTC, in epoch seconds."""
    match = _matched(_DAY, text)
    year, month, of_month = (int(part or 1) for part in match.groups())
    return int(datetime(year, month, of_month, tzinfo=UTC).timestamp())


def ago(text: str, now: float) -> int:
    """The epoch second that lies so many days, weeks, months or years before `now`."""
    match = _matched(_AGE, text)
    number, unit = int(match[1]), match[2].lower()
    if unit in "dw":
        return int(now) - number * 86400 * (7 if unit == "w" else 1)
    return _months_before(now, number * (12 if unit == "y" else 1))


def octets(text: str) -> int:
    """A size in octets; K, M and G are powers of 1024."""
    match = _matched(_SIZE, text)
    return int(match[1]) * _UNITS[match[2].lower()]


def _months_before(now: float, months: int) -> int:
    today = datetime.fromtimestamp(now, UTC)
    year, month = divmod(today.year * 12 + today.month - 1 - months, 12)
    if year < 1:
        return 0
    of_month = min(today.day, calendar.monthrange(year, month + 1)[1])
    return int(today.replace(year=year, month=month + 1, day=of_month).timestamp())


def _matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return match
