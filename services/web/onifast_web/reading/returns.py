"""What came back of sent mail, in sentences: for the recipient whom it was sent to, and for the notification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onifast_shared.queue.returns import DeliveryReport
from onifast_shared.queue.view import AttemptRow, OutboxRow
from onifast_shared.values.address import display_domain

from onifast_web.languages.texts import _, marked, ngettext

MOST_SHOWN = 5

_ADDED = {
    "delayed": marked("It has not reached the mailbox yet"),
    "confirmed": marked("A notice confirmed that it arrived."),
    "complained": marked("The recipient complained about it"),
    "answered": marked("An automatic answer came back."),
    "read": marked("A read receipt came back."),
    "unproven": marked("Somebody writes that it came back, but nothing proves that they can know."),
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
    known = {"host": taken.host.partition("[")[0], "later": after(step.started_ts - taken.started_ts)}
    why = _because(step.explanation or step.reply)
    if not taken.host:
        return _("Taken, and returned %(later)s%(why)s", **known, why=why)
    return _("Taken by %(host)s, and returned %(later)s%(why)s", **known, why=why)


def added(history: Sequence[AttemptRow]) -> str:
    """What was told of a recipient since another site took their message, in sentences; "" for nothing."""
    last = max((place for place, each in enumerate(history) if each.outcome == "delivered"), default=len(history))
    told = {each.outcome: each for each in history[last:] if each.outcome in _ADDED}
    if "confirmed" in told:
        told.pop("delayed", None)
    words = [
        f"{text}{_because(told[name].explanation)}" if name == "delayed" else _ended(str(text))
        for name, text in _ADDED.items()
        if name in told
    ]
    return " ".join(words)


def _ended(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def after(seconds: float) -> str:
    """How much later something was, in words."""
    days, hours, minutes = (int(seconds // length) for length in (86400, 3600, 60))
    if days:
        return ngettext("%(n)s day later", "%(n)s days later", days)
    if hours:
        return ngettext("%(n)s hour later", "%(n)s hours later", hours)
    return ngettext("%(n)s minute later", "%(n)s minutes later", minutes) if minutes else _("at once")


def sentences(reports: Sequence[DeliveryReport]) -> list[ShownReturn]:
    """What a notification says, a sentence for each recipient, of many for some."""
    shown = [ShownReturn(_sentence(each), each.sent_id, _colour(each)) for each in reports[:MOST_SHOWN]]
    more = len(reports) - MOST_SHOWN
    if more > 0:
        shown.append(ShownReturn(_("It says the like of %(n)s more recipients.", n=more), None, ""))
    return shown


def _sentence(report: DeliveryReport) -> str:
    if report.outbox_id is None:
        what = _what(report, _("a message to %(who)s", who=_who(report)))
        return _("This says that %(what)s No such message is known here.", what=what)
    if report.subject:
        what = _what(report, _("Your message “%(subject)s” to %(who)s", subject=report.subject, who=_who(report)))
    else:
        what = _what(report, _("Your message to %(who)s", who=_who(report)))
    if report.kind == "bounce" and report.action == "failed" and not report.believed:
        return _(
            "This says: %(what)s Nothing proves that it comes from the recipient’s side, so it changes nothing.",
            what=what,
        )
    return what


def _what(report: DeliveryReport, message: str) -> str:
    """What became of a message, in a sentence that begins with it; a reason ends it, with its full stop."""
    if report.kind == "complaint":
        return _("%(message)s drew a complaint%(why)s", message=message, why=_because(report.explanation))
    if report.kind == "auto-reply":
        return _("%(message)s was answered by a program.", message=message)
    if report.kind == "read-receipt":
        return _("%(message)s was opened, as its recipient lets you know.", message=message)
    why = _because(report.explanation or report.reply)
    if report.action == "failed":
        return _("%(message)s came back%(why)s", message=message, why=why)
    if report.action == "delayed":
        return _("%(message)s has not arrived yet%(why)s It is being tried again.", message=message, why=why)
    if report.action == "expanded":
        return _("%(message)s was passed on to others.", message=message)
    return _("%(message)s arrived.", message=message)


def _colour(report: DeliveryReport) -> str:
    if report.kind in ("auto-reply", "read-receipt") or (
        report.kind == "bounce" and report.action not in ("failed", "delayed")
    ):
        return ""
    return "danger" if report.believed and report.action == "failed" else ""


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
