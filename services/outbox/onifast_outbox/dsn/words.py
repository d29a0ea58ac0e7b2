"""The part of a notification for people: what happened, what it means, and whether anything need be done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from onifast_shared.message.parsing import summary
from onifast_shared.values.reply import Deferred, Delivered, Failed

from onifast_outbox.dsn.values import RecipientFate, ReturnedMessage
from onifast_outbox.reasons import explain

_DAY, _HOUR = 86400, 3600
# Causes of a delay that the sender, or somebody whom they can ask, may remove; the others pass or they do not.
_MENDABLE = frozenset(
    ("spf", "dkim", "dmarc", "authentication", "reverse-dns", "blocklist", "reputation", "mailbox-full")
)


def subject(fate: RecipientFate) -> str:
    """The notification's subject; it speaks of recipients with one kind of fate."""
    match fate.outcome:
        case Delivered():
            return "Your message was delivered"
        case Deferred():
            return "Your message is delayed"
        case Failed():
            return "Your message could not be delivered"


def text(returned: ReturnedMessage, fates: Sequence[RecipientFate], *, hostname: str) -> str:
    """The whole part, its lines divided by "\\n"."""
    about = f"Subject: {' '.join(summary(returned.raw).subject.split())[:200]}"
    stories = [line for fate in fates for line in [*_story(fate, returned.arrived), ""]]
    notice = f"This notice was written by the mail server {hostname}."
    return "\n".join([*stories, about, f"Sent: {_moment(returned.arrived)}", "", notice, ""])


def _story(fate: RecipientFate, since: int) -> list[str]:
    match fate.outcome:
        case Delivered():
            return _arrival(fate)
        case Deferred():
            return _delay(fate)
        case Failed():
            return _failure(fate, since)


def _arrival(fate: RecipientFate) -> list[str]:
    next_hop = ["It was handed to the next mail server, which sends no notices of its own."]
    return [
        f"Your message was delivered to {fate.recipient.address.display}.",
        *(next_hop if fate.outcome.host else []),
    ]


def _delay(fate: RecipientFate) -> list[str]:
    found = explain(fate.outcome.reply, fate.outcome.host)
    helps = found.kind in _MENDABLE
    until = f" until {_moment(fate.until)}" if fate.until is not None else ""
    return [
        f"Your message has not reached {fate.recipient.address.display} yet.",
        "",
        found.what,
        *([f"What would help: {found.advice}"] if helps else []),
        f"You need not {'send it again' if helps else 'do anything, nor send it again'}: it will be tried{until}.",
        "If it cannot be delivered by then, you will be told.",
        "",
        *_answer(fate, f"It was tried {_times(fate.attempts)} so far." if fate.attempts else ""),
    ]


def _failure(fate: RecipientFate, since: int) -> list[str]:
    what, advice = _reason(fate)
    return [
        f"Your message could not be delivered to {fate.recipient.address.display}.",
        "",
        what,
        f"What you can do: {advice}",
        *([fate.outlook] if fate.outlook else []),
        "",
        *_answer(fate, _effort(fate, since)),
    ]


def _reason(fate: RecipientFate) -> tuple[str, str]:
    if fate.reason:
        return fate.reason
    found = explain(fate.outcome.reply, fate.outcome.host)
    return found.what, found.advice


def _effort(fate: RecipientFate, since: int) -> str:
    if not fate.attempts:
        return "It was not tried."
    how_long = _duration(fate.tried - since) if fate.said is not None and fate.tried is not None else ""
    return f"It was tried {_times(fate.attempts)}{how_long} and will not be tried again."


def _answer(fate: RecipientFate, effort: str) -> list[str]:
    which = "last answer" if fate.attempts > 1 else "answer"
    host = fate.outcome.host
    said = f"The {which} (said by {host}) was:" if host else "The reason that this server noted:"
    return [f"{effort} {said}".strip(), *(f"    {line}" for line in str(fate.answer).split("\n"))]


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _duration(seconds: int) -> str:
    for unit, name in ((_DAY, "day"), (_HOUR, "hour")):
        if seconds >= unit:
            number = round(seconds / unit)
            return f" in {number} {name}{'' if number == 1 else 's'}"
    return ""


def _moment(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0")
