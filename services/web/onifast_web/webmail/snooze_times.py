"""The times that messages are often put off until: in UTC, until static/snoozing.js makes them the reader's own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from onifast_web.languages.texts import _

_MORNING = 8
_LATER = timedelta(hours=3)


@dataclass(frozen=True)
class SnoozeChoice:
    """A time to choose; `moment` is an epoch second."""

    name: str
    words: str
    moment: int


def snooze_choices(now: float) -> list[SnoozeChoice]:
    """What can be chosen now, the next time first."""
    today = datetime.fromtimestamp(now, UTC)
    morning = today.replace(hour=_MORNING, minute=0, second=0, microsecond=0)
    later = (today + _LATER).replace(minute=0, second=0, microsecond=0)
    found = {
        "later": (_("Later today"), later),
        "tomorrow": (_("Tomorrow"), morning + timedelta(days=1)),
        "weekend": (_("This weekend"), morning + timedelta(days=(5 - today.weekday()) % 7 or 7)),
        "week": (_("Next week"), morning + timedelta(days=7 - today.weekday())),
    }
    return [SnoozeChoice(name, words, int(when.timestamp())) for name, (words, when) in found.items()]
