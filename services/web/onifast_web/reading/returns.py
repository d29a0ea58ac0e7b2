"""What came back of sent mail, in sentences: for the recipient whom it was sent to, and for the notification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onifast_shared.queue.returns import DeliveryReport
from onifast_shared.queue.view import AttemptRow, OutboxRow
from onifast_shared.values.address import display_domain

MOST_SHOWN = 5

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))
_ADDED = {
    "delayed": "It has not reached the mailbox yet",
    "confirmed": "A notice confirmed that it arrived.",
    "complained": "The recipient complained about it",
    "answered": "An automatic answer came back.",
    "read": "A read receipt came back.",
    "unproven": "Somebody writes that it came back, but nothing proves that they can know.",
}


@dataclass(frozen=True)
class ShownReturn:
    """A sentence about one recipient, and the copy in sent that it is about, None for none. `kind` is its colour."""

    text: str
    sent_id: int | None
    kind: str


def returned(row: OutboxRow) -> str:
    """How a message that was taken came back, in a sentence; "" where it did not, or was sent again since."""
    if row.status != "failed":
        return ""
    step = next((each for each in reversed(row.history) if each.outcome in ("returned", "failed")), None)
    taken = next((each for each in reversed(row.history) if each.outcome == "delivered"), None)
    if step is None or step.outcome == "failed" or taken is None:
        return ""
    by = f" by {taken.host.partition('[')[0]}" if taken.host else ""
    return (
        f"Taken{by}, and returned {after(step.started_ts - taken.started_ts)}{_because(step.explanation or step.reply)}"
    )


def added(history: Sequence[AttemptRow]) -> str:
    """What was told of a recipient since another site took their message, in sentences; "" for nothing."""
    last = max((place for place, each in enumerate(history) if each.outcome == "delivered"), default=len(history))
    told = {each.outcome: each for each in history[last:] if each.outcome in _ADDED}
    if "confirmed" in told:
        told.pop("delayed", None)
    words = [
        f"{text}{_because(told[name].explanation)}" if name == "delayed" else text if text.endswith(".") else f"{text}."
        for name, text in _ADDED.items()
        if name in told
    ]
    return " ".join(words)


def after(seconds: float) -> str:
    """How much later something was, in words."""
    for length, unit in _UNITS:
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {unit}{'' if number == 1 else 's'} later"
    return "at once"


def sentences(reports: Sequence[DeliveryReport]) -> list[ShownReturn]:
    """What a notification says, a sentence for each recipient, of many for some."""
    shown = [ShownReturn(_sentence(each), each.sent_id, _colour(each)) for each in reports[:MOST_SHOWN]]
    more = len(reports) - MOST_SHOWN
    return [*shown, ShownReturn(f"It says the like of {more} more recipients.", None, "")] if more > 0 else shown


def _sentence(report: DeliveryReport) -> str:
    if report.outbox_id is None:
        return f"This says that a message to {_who(report)} {_what(report)} No such message is known here."
    what = f"Your message{_named(report)} to {_who(report)} {_what(report)}"
    if report.kind == "bounce" and report.action == "failed" and not report.believed:
        return f"This says: {what} Nothing proves that it comes from the recipient’s side, so it changes nothing."
    return what


def _what(report: DeliveryReport) -> str:
    if report.kind == "complaint":
        return f"drew a complaint{_because(report.explanation)}"
    if report.kind == "auto-reply":
        return "was answered by a program."
    if report.kind == "read-receipt":
        return "was opened, as its recipient lets you know."
    if report.action == "failed":
        return f"came back{_because(report.explanation or report.reply)}"
    if report.action == "delayed":
        return f"has not arrived yet{_because(report.explanation or report.reply)} It is being tried again."
    return "was passed on to others." if report.action == "expanded" else "arrived."


def _colour(report: DeliveryReport) -> str:
    if report.kind in ("auto-reply", "read-receipt") or (
        report.kind == "bounce" and report.action not in ("failed", "delayed")
    ):
        return ""
    return "danger" if report.believed and report.action == "failed" else ""


def _named(report: DeliveryReport) -> str:
    return f" “{report.subject}”" if report.subject else ""


def _who(report: DeliveryReport) -> str:
    local, at, domain = report.recipient.rpartition("@")
    return local + at + display_domain(domain) if at else report.recipient or "its recipient"


def _because(why: str) -> str:
    """A reason, to end a sentence."""
    line = " ".join(why.split())
    line = line if len(line) <= 300 else f"{line[:299]}…"
    if not line:
        return "."
    return f": {line}" if line.endswith((".", "!", "?", "…")) else f": {line}."
