"""Which backups are kept: so many of the newest, and the newest of so many days, weeks, months and years."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime

_PERIODS: dict[str, Callable[[datetime], object]] = {
    "last": lambda when: when,
    "daily": lambda when: when.date(),
    "weekly": lambda when: when.isocalendar()[:2],
    "monthly": lambda when: (when.year, when.month),
    "yearly": lambda when: when.year,
}

Rule = dict[str, int]
"""How many of each: `last`, `daily`, `weekly`, `monthly`, `yearly`."""


def parse(text: str) -> Rule:
    """From `last=3,daily=7,weekly=4`; raises ValueError. An empty text keeps all."""
    rule: Rule = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        found = re.fullmatch(r"([a-z]+)=([0-9]{1,4})", word)
        if not found or found[1] not in _PERIODS:
            raise ValueError(f"{word!r} is no rule such as daily=7; there are {', '.join(_PERIODS)}")
        rule[found[1]] = int(found[2])
    if rule and not any(rule.values()):
        raise ValueError("this would keep nothing")
    return rule


def kept(ids: Iterable[str], rule: Rule) -> set[str]:
    """Those of these backups that a rule keeps; an empty rule keeps all, and any rule the newest."""
    newest_first = sorted(ids, key=lambda name: (name[:16], int(name[17:] or 0)), reverse=True)
    if not rule:
        return set(newest_first)
    keep = set(newest_first[:1])
    for period, number in rule.items():
        first_of: dict[object, str] = {}
        for each in newest_first:
            key = each if period == "last" else _PERIODS[period](_when(each))
            first_of.setdefault(key, each)
        keep |= set(list(first_of.values())[:number])
    return keep


def _when(backup_id: str) -> datetime:
    return datetime.strptime(backup_id[:15], "%Y%m%dT%H%M%S")
