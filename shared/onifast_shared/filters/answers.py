"""Automatic answers: which messages get one, and how it is written (RFC 3834, RFC 5230).

An answer goes to who sent the message by its envelope, from the address of ours that it was written to, through the
queue like any other mail, with the null reverse-path, so that nothing ever answers it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onifast_shared.accepting import accept
from onifast_shared.db.database import Connection
from onifast_shared.limits import store as sending_limits
from onifast_shared.limits import subjects as limit_subjects
from onifast_shared.limits.usage import LimitExceeded
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes.contents import ContentRef
from onifast_shared.message import compose
from onifast_shared.message.compose import Draft, DraftError
from onifast_shared.message.parsing import Summary
from onifast_shared.queue import suppressions
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.recipients import addresses
from onifast_shared.values import queue_ids, submitters
from onifast_shared.values.address import Address, AddressError

ORIGIN = "autoreply"
"""What stands in `outbox.origin` of an automatic answer."""
MOST_A_DAY = 500
"""Answers of one account within a day: what asks for more is no mail of people's."""
DAY = 86400
LONGEST_WAIT = 30 * DAY
"""Seconds after which an answer is forgotten, at the latest."""

_MOST_ADDRESSED = 200
_LONGEST_FIELD = 64 * 1024
_LONGEST_SUBJECT = 200
_PROGRAMS = re.compile(
    r"mailer-daemon|postmaster|listserv|majordomo|(?:no|do-?not|not?)-?[_.]?reply|bounces?|root|nobody|noreply.*"
    r"|owner-.*|.*-(?:request|owner|relay|bounces?)|bounces?[-+=].*",
    re.IGNORECASE,
)
"""Local parts behind which nobody reads answers (RFC 3834 section 2, RFC 5230 section 4.6)."""
_TAGGED = re.compile(r"(?:prvs|msprvs1)=[^=]+=(.+)|btv1==[^=]+==(.+)", re.IGNORECASE)  # BATV, another one each day
_SUPPRESSING = {"all", "oof", "autoreply"}
_HEADER = b"Auto-Submitted: auto-replied\r\nX-Auto-Response-Suppress: All\r\n"


@dataclass(frozen=True)
class Occasion:
    """The transaction that things are done in, by which settings, and when (epoch seconds)."""

    tx: Connection
    settings: Settings
    now: float


@dataclass(frozen=True)
class AnswerableMessage:
    """What an answer hangs on; `refused` is why there is none in any case, "" where there may be one."""

    refused: str
    sender: Address | None = None
    addressed: tuple[Address, ...] = ()
    message_id: str = ""
    references: tuple[str, ...] = ()
    subject: str = ""


@dataclass(frozen=True)
class AnswerText:
    """What is answered. Without a subject it is that of the message, marked; `html` goes with the text."""

    text: str
    subject: str = ""
    html: str = ""


def look(parsed: Summary, reverse_path: str, authentication: Mapping[str, Any]) -> AnswerableMessage:
    """Whether a message may be answered by a program, from what it says of itself."""
    try:
        sender = Address.parse(reverse_path)
    except AddressError:
        return AnswerableMessage("it has no sender that could be answered")
    if refused := _refusal(parsed, sender, authentication):
        return AnswerableMessage(refused)
    people = [each for name in ("to", "cc") for each in parsed.mailboxes(name, _LONGEST_FIELD)]
    return AnswerableMessage(
        "",
        sender,
        tuple(each.address for each in people[:_MOST_ADDRESSED] if each.address),
        parsed.message_id,
        tuple(parsed.references),
        parsed.subject,
    )


def _refusal(parsed: Summary, sender: Address, authentication: Mapping[str, Any]) -> str:
    if _PROGRAMS.fullmatch(sender.local):
        return "its sender is a program"
    names = set(parsed.names)
    if any(name.startswith("list-") for name in names) or names & {"x-mailing-list", "mailing-list", "x-loop"}:
        return "it came by a mailing list"
    if _word(parsed, "precedence") in ("bulk", "list", "junk"):
        return "it went to many"
    automatic = names & {"x-autoreply", "x-autorespond", "x-auto-reply-from"}
    if automatic or _word(parsed, "auto-submitted") not in ("", "no"):
        return "a program wrote it"
    asked = (parsed.header("x-auto-response-suppress") or "").lower()
    if _SUPPRESSING & {each.strip() for each in asked.split(",")}:
        return "its sender wants no automatic answer"
    if _word(parsed, "content-type") in ("multipart/report", "message/disposition-notification"):
        return "it is a report"
    if parsed.sender is None:
        return "it says of nobody that they wrote it"
    if authentication.get("spf") in ("fail", "softfail") or authentication.get("dmarc") == "fail":
        return "its sender may be forged"
    return ""


def answer(
    occasion: Occasion,
    message: AnswerableMessage,
    text: AnswerText,
    *,
    owner: str,
    kind: str,
    recipient: str,
    every: int,
) -> str:
    """Queues an answer to a message that came to `recipient`, unless its sender got one of this `kind` within `every`
    seconds. Returns why there is none, "" where there is one.

    All in the caller's transaction: whoever is killed has answered and knows it, or neither.
    """
    tx, settings, now = occasion.tx, occasion.settings, occasion.now
    if message.refused or message.sender is None:
        return message.refused
    own = addresses.own_among(tx, owner, (message.sender, *message.addressed), settings)
    if message.sender.key in own or addresses.owns(tx, owner, message.sender):
        return "it is your own"
    author = _author(tx, owner, recipient, message.addressed, own)
    if author is None:
        return "it was not written to one of your addresses"
    if not _is_due(tx, (owner, kind, _counted_as(message.sender)), every, now):
        return "its sender was answered lately"
    if suppressions.find(tx, owner, [message.sender], now):
        return "its sender cannot be reached"
    try:
        raw = _HEADER + compose.build(_draft(message, text, author), settings.hostname)
    except DraftError as error:
        return f"it cannot be written ({error.text})"
    submission = Submission(
        sender="",
        origin=ORIGIN,
        owner=owner,
        submitted_by=submitters.by_user(owner),
        subject=text.subject or message.subject,
        body_type="7BIT" if raw.isascii() else "8BITMIME",
        smtputf8=author.needs_smtputf8 or message.sender.needs_smtputf8,
        queue_id=queue_ids.new(),
    )
    subjects = limit_subjects.counted_for(tx, submission.submitted_by, str(author))
    try:
        sending_limits.admit(tx, subjects, 1, settings, now)
    except LimitExceeded:
        return "your limit of sent mail is used up"
    queued = [QueuedRecipient(str(message.sender), notify="NEVER")]
    accept.submit_in(tx, ContentRef(len(raw), raw, None), submission, queued)
    _remember(tx, owner, kind, message.sender, now)
    return ""


def forget(tx: Connection, owner: str, kind: str) -> None:
    """Forgets who got answers of a kind: they get the next one."""
    tx.execute("DELETE FROM auto_replies WHERE owner = ? AND kind = ?", (owner, kind))


def last(tx: Connection, owner: str, kind: str, limit: int = 20) -> list[tuple[str, int]]:
    """Who was answered last, and when (epoch seconds)."""
    sql = "SELECT sender, replied_ts FROM auto_replies WHERE owner = ? AND kind = ? ORDER BY replied_ts DESC LIMIT ?"
    return [(str(sender), int(replied_ts)) for sender, replied_ts in tx.execute(sql, (owner, kind, limit))]


def _author(
    tx: Connection, owner: str, recipient: str, addressed: Sequence[Address], own: Mapping[str, Address]
) -> Address | None:
    """The address that answers: that which the message came to, or else the first of theirs that it was written to."""
    named = [own[each.key] for each in addressed if each.key in own]
    named.sort(key=lambda each: str(each).lower() != recipient.lower())
    return next((each for each in named if addresses.owns(tx, owner, each)), None)


def _draft(message: AnswerableMessage, text: AnswerText, author: Address) -> Draft:
    ids = [each for each in (*message.references, message.message_id) if compose.is_message_id(each)]
    is_named = compose.is_message_id(message.message_id)
    marked = message.subject if message.subject.lower().startswith("auto:") else f"Auto: {message.subject}"
    subject = "".join(each for each in (text.subject or marked)[:_LONGEST_SUBJECT] if each.isprintable())
    return Draft(
        from_=str(author),
        to=[str(message.sender)],
        subject=subject.strip(),
        text=text.text or None,
        html=text.html or None,
        in_reply_to=message.message_id if is_named else None,
        references=ids if is_named else [],
    )


def _word(parsed: Summary, name: str) -> str:
    return (parsed.header(name) or "").partition(";")[0].partition("(")[0].strip().lower()


def _counted_as(sender: Address) -> str:
    """Who was answered; whatever their server puts before the name to know its own bounces counts for nothing."""
    found = _TAGGED.fullmatch(sender.local)
    return Address(found[1] or found[2], sender.domain).key if found else sender.key


def _is_due(tx: Connection, key: tuple[str, str, str], every: int, now: float) -> bool:
    """Whether a sender (owner, kind and sender are the key) may get an answer again, and the owner may give one."""
    sql = "SELECT replied_ts FROM auto_replies WHERE owner = ? AND kind = ? AND sender = ?"
    replied = tx.execute(sql, key).get
    if replied is not None and now - every < int(replied) <= now:
        return False
    sql = "SELECT count(*) FROM auto_replies WHERE owner = ? AND replied_ts > ?"
    return int(tx.execute(sql, (key[0], int(now) - DAY)).get) < MOST_A_DAY


def _remember(tx: Connection, owner: str, kind: str, sender: Address, now: float) -> None:
    tx.execute(
        "INSERT INTO auto_replies (owner, kind, sender, replied_ts) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET replied_ts = excluded.replied_ts",
        (owner, kind, _counted_as(sender), int(now)),
    )
    tx.execute("DELETE FROM auto_replies WHERE owner = ? AND replied_ts < ?", (owner, int(now) - LONGEST_WAIT))
