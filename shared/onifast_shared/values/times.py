"""Times: stored as `YYYY-MM-DD HH:MM:SS` UTC, computed with as epoch seconds, spoken as RFC 3339."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

STORED = "%Y-%m-%d %H:%M:%S"

_MILLISECONDS_FROM = 100_000_000_000
_FORM = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[T ](?P<time>\d\d:\d\d:\d\d)(?:\.\d+)?\s*"
    r"(?:(?P<utc>Z|UTC|GMT)|(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d))?(?:\s+[A-Z+-][A-Za-z0-9+-]*)?(?:\s+m=\S+)?",
    re.IGNORECASE,
)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def stored(timestamp: float) -> str:
    """Epoch seconds as the database's columns hold them."""
    return _stored(math.floor(timestamp))


@lru_cache(maxsize=16)
def _stored(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime(STORED)


def rfc3339(timestamp: float) -> str:
    """Epoch seconds as the API speaks them (RFC 3339 section 5.6)."""
    return datetime.fromtimestamp(int(timestamp), UTC).isoformat()[:-6] + "Z"


def parse(value: object) -> int | None:
    """Epoch seconds of any form found in the database: ours, RFC 3339, Go's `time.Time.String()`, epoch seconds or
    milliseconds. None for what is not a time."""
    text = str(value).strip() if value is not None else ""
    if re.fullmatch(r"\d{1,15}(\.\d+)?", text):
        number = float(text)
        return int(number / 1000 if number >= _MILLISECONDS_FROM else number)
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    try:
        moment = datetime.strptime(f"{match['date']} {match['time']}", STORED)
    except ValueError:
        return None
    return int(moment.replace(tzinfo=_zone(match)).timestamp())


def parse_rfc3339(text: str) -> int:
    """Epoch seconds of a date and time with its zone (RFC 3339 section 5.6); raises ValueError."""
    moment = datetime.fromisoformat(text) if _RFC3339.fullmatch(text) else None
    if moment is None:
        raise ValueError("not a date and time with its zone, such as 2026-11-22T10:00:00Z")
    return int(moment.timestamp())


def _zone(match: re.Match[str]) -> timezone:
    if match["sign"] is None:
        return UTC
    offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"]))
    return timezone(offset if match["sign"] == "+" else -offset)
