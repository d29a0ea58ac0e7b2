"""How many notices of one kind a sender gets one by one: so many an hour, then one that speaks of the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

HOUR = 3600
MOST_AN_HOUR = 20
"""Notices that a sender gets one by one within an hour; each process counts its own."""
_MOST_SENDERS = 10_000

Manner = Literal["singly", "summary", "silence"]


@dataclass(frozen=True)
class _Hour:
    began: float
    told: int

    def covers(self, now: float) -> bool:
        return 0 <= now - self.began < HOUR


class NoticeRate:
    """What each sender was told lately. An hour begins with the first notice; times are epoch seconds."""

    def __init__(self, most: int = MOST_AN_HOUR) -> None:
        self._most = most
        self._hours: dict[str, _Hour] = {}

    def manner(self, sender: str, now: float) -> Manner:
        """How the sender is to be told of the next thing."""
        told = self._hour(sender, now).told
        return "singly" if told < self._most else "summary" if told == self._most else "silence"

    def note(self, sender: str, now: float) -> None:
        """The sender was told, in whichever manner."""
        if len(self._hours) >= _MOST_SENDERS:
            self._hours = {each: hour for each, hour in self._hours.items() if hour.covers(now)}
        hour = self._hour(sender, now)
        self._hours[sender] = replace(hour, told=hour.told + 1)

    def until(self, sender: str, now: float) -> float:
        """When the sender's hour ends."""
        return self._hour(sender, now).began + HOUR

    def _hour(self, sender: str, now: float) -> _Hour:
        hour = self._hours.get(sender)
        return hour if hour is not None and hour.covers(now) else _Hour(now, 0)
