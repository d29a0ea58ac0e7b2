"""How the templates show values: times, names, states."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path

from flask import Flask
from markupsafe import Markup
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.queue.hold_rules import HELD_BY
from onifast_shared.queue.view import AttemptRow, OutboxRow
from onifast_shared.recipients.quotas import Quota
from onifast_shared.values import mailbox_accounts, times
from onifast_shared.values.address import display_domain, split_list

from onifast_web.access.context import current
from onifast_web.languages import dates
from onifast_web.languages.retelling import retold
from onifast_web.languages.texts import _, marked
from onifast_web.reading import render, returns

_TINTS = 8
_MOST_KEPT = 1000  # of what is asked of each row of a list, and is the same each time
_NEARLY = 0.9  # of a quota
STATUS_WORDS = {
    "pending": (marked("Waiting"), "move"),
    "sending": (marked("Sending"), "move"),
    "sent": (marked("Delivered"), "good"),
    "deferred": (marked("Trying again"), "wait"),
    "failed": (marked("Failed"), "bad"),
    "held": (marked("On hold"), "wait"),
    "cancelled": (marked("Cancelled"), "idle"),
    "sandboxed": (marked("Captured"), "idle"),
}
_OUTCOMES = {
    "delivered": (marked("Delivered"), "good"),
    "deferred": (marked("Not yet"), "wait"),
    "failed": (marked("Refused"), "bad"),
    "sandboxed": (marked("Captured"), "idle"),
    "passed_over": (marked("Passed over"), "wait"),
    "returned": (marked("Returned"), "bad"),
    "delayed": (marked("Delayed beyond"), "wait"),
    "confirmed": (marked("Confirmed"), "good"),
    "complained": (marked("Complaint"), "bad"),
    "answered": (marked("Automatic answer"), "idle"),
    "read": (marked("Read receipt"), "good"),
    "unproven": (marked("Unproven notice"), "wait"),
}
_PROTECTION = {
    "none": marked("not encrypted"),
    "encrypted": marked("encrypted"),
    "verified": marked("encrypted, certificate verified"),
    "mta-sts": marked("encrypted, verified by MTA-STS"),
    "dane": marked("encrypted, verified by DANE"),
    "requiretls": marked("encrypted and verified, as the sender demands"),
}
_STAGES = {
    "dns": "DNS",
    "connect": marked("connection"),
    "greeting": marked("greeting"),
    "ehlo": "EHLO",
    "tls": "TLS",
    "login": marked("login"),
    "mail": marked("sender"),
    "rcpt": marked("recipients"),
    "data": "DATA",
    "body": marked("message"),
    "end": marked("final answer"),
}
# What a sender may do about one recipient of their message, and what the buttons say.
_FATE_ACTIONS = {
    "deferred": (("retry", marked("Try now")), ("cancel", marked("Give up"))),
    "failed": (("retry", marked("Try again")),),
    "held": (("release", marked("Release")), ("cancel", marked("Give up"))),
}


def register(app: Flask) -> None:
    """Makes the filters, and the shapes of the icons, known to the templates."""
    app.jinja_env.globals["shapes"] = _shapes(Path(app.root_path, app.template_folder or "", "icons"))
    app.jinja_env.filters.update(
        iso=iso,
        utc=utc,
        tint=tint,
        initial=initial,
        folder_title=folder_title,
        byte_size=render.byte_size,
        counterpart=counterpart,
        status_word=lambda status: _status(status)[0],
        status_kind=lambda status: _status(status)[1],
        outcome_word=lambda outcome: _OUTCOMES.get(outcome, (outcome.capitalize(), ""))[0],
        protection=protection,
        timing=timing,
        delivery_note=delivery_note,
        delivery_word=lambda row: _("Scheduled") if waits(row) and not row.undo else _status(row.status)[0],
        delivery_kind=lambda row: "wait" if waits(row) else _status(row.status)[1],
        delivered_at=delivered_at,
        fate_actions=fate_actions,
        is_held_by_rule=is_held_by_rule,
        waits=waits,
        in_script=in_script,
        account_name=mailbox_accounts.shown,
        is_nearly_full=is_nearly_full,
        quota_note=quota_note,
        number=dates.number,
        retold=retold,
    )


FOLDER_TITLES = {
    "inbox": marked("Inbox"),
    "drafts": marked("Drafts"),
    "sent": marked("Sent"),
    "junk": marked("Junk"),
    "archive": marked("Archive"),
    "trash": marked("Trash"),
}


def folder_title(name: str) -> str:
    """What a folder is called."""
    return str(FOLDER_TITLES.get(name, name.capitalize()))


@cache
def _shapes(folder: Path) -> dict[str, Markup]:
    """The icons' shapes by their names: each is a file, so that another one touches nothing else."""
    return {file.stem: Markup(file.read_text().strip()) for file in folder.iterdir()}  # noqa: S704 - files of ours


@lru_cache(_MOST_KEPT)
def iso(when: datetime | float) -> str:
    """A time for `<time datetime>`."""
    return times.rfc3339(_timestamp(when))


def utc(when: datetime | float, style: str = "full") -> str:
    """A time for people, in their time zone or UTC: what shows where no script turns it into local time."""
    return dates.moment(_timestamp(when), style)


@lru_cache(_MOST_KEPT)
def tint(name: str | None) -> int:
    """Which of the avatars' colours a name has, always the same one."""
    return zlib.crc32((name or "").strip().lower().encode("utf-8", "replace")) % _TINTS


@lru_cache(_MOST_KEPT)
def initial(name: str | None) -> str:
    """The letter in a name's avatar."""
    return next((letter.upper() for letter in name or "" if letter.isalnum()), "?")


def counterpart(row: EmailRow) -> str:
    """Who a message in a list is from, or for: the other side."""
    if row.folder in ("sent", "drafts"):
        names = [name or address for name, address in split_list(row.recipient)]
        return listed(names) or _("(no recipient)")
    return row.sender_name or row.sender or _("Unknown sender")


def listed(names: Sequence[str]) -> str:
    """Names in a row, so that one sees where each of them ends: `Doe, John; Ann`."""
    return ("; " if any("," in name for name in names) else ", ").join(names)


def in_script(text: str) -> str:
    """An address or a domain for people: an internationalised domain in its own script."""
    local, at, domain = text.rpartition("@")
    return local + at + display_domain(domain)


def protection(step: AttemptRow) -> str:
    """How an attempt's connection was protected, in words; "" where there was none."""
    words = _PROTECTION.get(step.tls_level, "")
    return f"{words} ({step.tls})" if words and step.tls else words or step.tls


def timing(step: AttemptRow) -> str:
    """How long each stage of an attempt took; the last one is where it ended."""
    return ", ".join(f"{_STAGES.get(stage, stage)} {spent} ms" for stage, spent in step.stages.items())


def delivery_note(row: OutboxRow) -> str:
    """A delivery's state in a sentence."""
    if waits(row):
        return _("Waits so that it can be called back.") if row.undo else _("Waits for the time that was chosen.")
    why = _why(row)
    if row.status == "deferred":
        return _("Not yet: %(why)s It will be tried again.", why=why) if why else _("Not yet. It will be tried again.")
    if row.status == "failed":
        not_delivered = _("Could not be delivered: %(why)s", why=why) if why else _("Could not be delivered.")
        return returns.returned(row) or not_delivered
    if row.status == "held":
        return _held(row)
    return {
        "pending": _("On its way."),
        "sending": _("Being delivered right now."),
        "sent": _delivered(row),
        "cancelled": _("Taken back; it was not delivered."),
        "sandboxed": _("Captured here and not sent: %(domain)s is in the sandbox.", domain=row.sandbox_domain)
        if row.sandbox_domain
        else _("Captured here and not sent: this server is in the sandbox."),
    }.get(row.status, "")


def waits(row: OutboxRow) -> bool:
    """Whether a delivery waits because its sender wants it so."""
    return row.status == "pending" and row.release_ts > current().clock()


def delivered_at(row: OutboxRow) -> float | None:
    """When a delivery arrived; None where it did not, or came back."""
    if row.status != "sent":
        return None
    return next((step.started_ts for step in reversed(row.history) if step.outcome == "delivered"), None)


def fate_actions(row: OutboxRow) -> tuple[tuple[str, str], ...]:
    """What a sender may do about a recipient of their message; what a rule holds they can only give up."""
    found = _FATE_ACTIONS.get(row.status, ())
    return tuple(each for each in found if each[0] != "release") if is_held_by_rule(row) else found


def is_held_by_rule(row: OutboxRow) -> bool:
    """Whether administrators alone may let a delivery go."""
    return row.status == "held" and row.last_error.startswith(HELD_BY)


def is_nearly_full(quota: Quota) -> bool:
    """Whether it is time to delete something."""
    return quota.limit > 0 and quota.used >= quota.limit * _NEARLY


def quota_note(quota: Quota) -> str:
    """How much of a quota is used."""
    both = {"used": render.byte_size(quota.used), "limit": render.byte_size(quota.limit)}
    if quota.used >= quota.limit:
        return _("Full: %(used)s of %(limit)s. New mail has to wait.", **both)
    if is_nearly_full(quota):
        return _("Nearly full: %(used)s of %(limit)s", **both)
    return _("%(used)s of %(limit)s used", **both)


def _held(row: OutboxRow) -> str:
    if not is_held_by_rule(row):
        return f"{_('Waits for somebody to release it.')} {_first_line(row.last_error)}".strip()
    reason = _first_line(row.last_error)
    return _("Waits for an administrator to release it: %(reason)s", reason=reason)


def _delivered(row: OutboxRow) -> str:
    return f"{_taken(row)} {returns.added(row.history)}".strip()


def _taken(row: OutboxRow) -> str:
    host = next((step.host for step in reversed(row.history) if step.outcome == "delivered" and step.host), "")
    return _("Taken by %(host)s.", host=host) if host else _("In the recipient’s mailbox.")


def _why(row: OutboxRow) -> str:
    """Why it is not delivered, as a sentence, or "": in plain words where they are known, else as the other server put
    it.

    A row that another program wrote may say nothing.
    """
    plain = next((step.explanation for step in reversed(row.history) if step.explanation), "")
    line = plain or _first_line(row.last_error)
    if not line or line.endswith((".", "!", "?", "…")):
        return line
    return f"{line}."


def _first_line(text: str) -> str:
    line = text.strip().split("\n", 1)[0]
    return line if len(line) <= 200 else line[:199] + "…"


def _status(status: str) -> tuple[str, str]:
    return STATUS_WORDS.get(status) or _OUTCOMES.get(status) or (status.capitalize(), "")


def _timestamp(when: datetime | float) -> float:
    return when.timestamp() if isinstance(when, datetime) else when
