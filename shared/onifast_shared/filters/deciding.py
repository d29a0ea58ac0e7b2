"""What an owner's filters do with a message: asked in their order, up to one that stops the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onifast_shared.filters.matching import MessageFacts, TooMuchWorkError, holds
from onifast_shared.filters.rules import Act, FilterRule

REFUSED = "The recipient does not take this message"


@dataclass(frozen=True)
class MailFilter:
    """A filter of an owner's: `position` is its place among theirs."""

    id: int
    owner: str
    position: int
    name: str
    is_on: bool
    rule: FilterRule


@dataclass(frozen=True)
class FiredFilters:
    """The filters that hold for a message; `gave_up`: those after them took too long to ask."""

    filters: tuple[MailFilter, ...] = ()
    gave_up: bool = False

    @property
    def place(self) -> tuple[MailFilter, Act] | None:
        """What says where the message goes: the first of them that says so."""
        return next(
            ((each, act) for each in self.filters for act in each.rule.acts if act.do in ("folder", "trash", "reject")),
            None,
        )


def decide(filters: Sequence[MailFilter], facts: MessageFacts, *, junk: bool) -> FiredFilters:
    """The filters that hold for a message, in their order."""
    fired = list[MailFilter]()
    facts.begin()
    try:
        for each in filters:
            if each.is_on and holds(each.rule, facts, junk=junk):
                fired.append(each)
                if each.rule.stops:
                    break
    except TooMuchWorkError:
        return FiredFilters(tuple(fired), gave_up=True)
    return FiredFilters(tuple(fired))


def rejection(filters: Sequence[MailFilter], facts: MessageFacts) -> tuple[MailFilter, str] | None:
    """The filter that refuses a message which is not taken in yet, and what it says; None if none does for sure.

    Nobody knows yet whether the message is junk: what hangs on that refuses nothing.
    """
    facts.begin()
    for each in filters:
        if not each.is_on:
            continue
        try:
            found = holds(each.rule, facts, junk=None)
        except TooMuchWorkError:
            return None
        if found is None and _may_decide(each.rule):
            return None
        if not found:
            continue
        place = next((act for act in each.rule.acts if act.do in ("folder", "trash", "reject")), None)
        if place is not None:
            return (each, place.text or REFUSED) if place.do == "reject" else None
        if each.rule.stops:
            return None
    return None


def _may_decide(rule: FilterRule) -> bool:
    return rule.stops or any(act.do in ("folder", "trash", "reject") for act in rule.acts)
