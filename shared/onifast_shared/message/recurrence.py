"""How often an event is repeated, in words (RFC 5545 section 3.3.10)."""

from __future__ import annotations

import re
from datetime import date

_UNITS = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}
_DAYS = {
    "MO": "Monday", "TU": "Tuesday", "WE": "Wednesday", "TH": "Thursday", "FR": "Friday", "SA": "Saturday",
    "SU": "Sunday",
}  # fmt: skip
_PLACES = {"1": "first", "2": "second", "3": "third", "4": "fourth", "5": "fifth", "-1": "last"}
_DAY = re.compile(r"([+-]?\d)?(MO|TU|WE|TH|FR|SA|SU)")
_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})")


def in_words(rule: str) -> str:
    """`every 2 weeks on Monday and Friday, until 3 May 2027`; "repeated" where the rule is more than words can say."""
    parts = dict(part.split("=", 1) for part in rule[:500].upper().split(";") if "=" in part)
    unit = _UNITS.get(parts.pop("FREQ", ""))
    interval, days = parts.pop("INTERVAL", "1"), parts.pop("BYDAY", "")
    end = _end(parts.pop("COUNT", ""), parts.pop("UNTIL", ""))
    parts.pop("WKST", None)
    on = _on(days)
    if unit is None or not re.fullmatch(r"[1-9]\d{0,3}", interval) or on is None or end is None or parts:
        return "repeated"
    every = f"every {unit}" if interval == "1" else f"every {interval} {unit}s"
    return every + on + end


def _on(days: str) -> str | None:
    """On which days of the week; None for what is none."""
    if not days:
        return ""
    found = [_DAY.fullmatch(each.strip()) for each in days.split(",")]
    names = []
    for match in found:
        if match is None or (match[1] and match[1].lstrip("+") not in _PLACES):
            return None
        names.append(f"the {_PLACES[match[1].lstrip('+')]} {_DAYS[match[2]]}" if match[1] else _DAYS[match[2]])
    return f" on {', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else f" on {names[0]}"


def _end(count: str, until: str) -> str | None:
    """When it ends; None for what is no end."""
    if count:
        return f", {count} times" if re.fullmatch(r"[1-9]\d{0,4}", count) else None
    match = _DATE.match(until)
    if not until:
        return ""
    try:
        return f", until {date(int(match[1]), int(match[2]), int(match[3])):%-d %B %Y}" if match else None
    except ValueError:
        return None
