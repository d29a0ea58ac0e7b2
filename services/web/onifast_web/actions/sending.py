"""Sending what a user wrote: the one way from the composer and the API to the queue."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from onifast_shared.accepting import accept, limit_alerts
from onifast_shared.accepting.accept import SentCopy
from onifast_shared.accounts import shared_mailboxes
from onifast_shared.db.database import Connection
from onifast_shared.db.errors import DatabaseError
from onifast_shared.limits import store as sending_limits
from onifast_shared.limits import subjects as limit_subjects
from onifast_shared.limits.usage import LimitExceeded
from onifast_shared.machine import log
from onifast_shared.machine.counting import count
from onifast_shared.machine.disk import DiskLevel
from onifast_shared.mailboxes import contents, team_marks
from onifast_shared.message import compose, parsing
from onifast_shared.message.compose import Draft, DraftError
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.recipients import addresses
from onifast_shared.values import submitters
from onifast_shared.values.address import MAX_LIST, Address, AddressError, split_list

from onifast_web.access.caller import Caller
from onifast_web.access.context import Web
from onifast_web.actions import suppressions
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _

_logger = log.get("web")


@dataclass(frozen=True)
class Sent:
    """A message that was accepted: `email_id` is the copy in sent, if its sender has a mailbox here.

    `release_ts` is when it leaves, 0 for at once; `queue_id` its name in logs and reports.
    """

    message_id: str
    email_id: int | None
    outbox_ids: list[int]
    release_ts: int = 0
    queue_id: str = ""


@dataclass(frozen=True)
class Wait:
    """When a message leaves: at `release_ts`, 0 for at once. `undo`: it waits only so that it can be called back."""

    release_ts: int = 0
    undo: bool = False


NO_WAIT = Wait()


def for_undo(web: Web, seconds: float) -> Wait:
    """The wait of a message that its sender can call back for so many seconds."""
    return Wait(math.ceil(web.clock() + seconds), undo=True) if seconds > 0 else Wait()


def until(web: Web, moment: int) -> Wait:
    """The wait of a message that is to be sent at a time; raises DraftError for one that is past or too far ahead."""
    now, longest = web.clock(), web.settings.max_hold
    if not longest:
        raise DraftError("send_at", _("sending later is switched off on this server"))
    if moment <= now:
        raise DraftError("send_at", _("this time is past"))
    if moment > now + longest:
        raise DraftError("send_at", _("mail can wait for %(longest)s at the most", longest=_days(longest)))
    return Wait(moment)


def send(
    web: Web,
    caller: Caller,
    draft: Draft,
    *,
    origin: str,
    wait: Wait = NO_WAIT,
    notify: str | None = None,
    together_with: Callable[[Connection], None] | None = None,
    and_then: Callable[[Connection, Sent], None] | None = None,
) -> Sent:
    """Queues a draft for everybody it names, and keeps a copy in sent, in one transaction: `together_with` begins it,
    and `and_then` ends it. `notify` is what is reported of each recipient (RFC 3461), as usual if None.

    Raises DraftError for a field that is wrong or names a suppressed recipient, Problem(403) for a sender that is not
    the caller's, Problem(413) for a message that is too large, Problem(429) while a limit on what the caller or the
    sender's domain sends is used up.
    """
    sender = sender_of(draft)
    named = {name: _addresses(name, getattr(draft, name)) for name in ("to", "cc", "bcc")}
    recipients = _recipients(named, web.settings.max_recipients)
    _check_bodies(draft)
    owner = owner_of(web, caller, sender)
    draft = _with_its_writer(web, caller, draft)
    raw = build(web, _dated(draft, wait))
    message = MadeMessage(
        raw,
        sender,
        owner,
        named,
        recipients,
        draft.subject,
        parsing.summary(raw).message_id,
        ", ".join(_texts(draft.bcc)),
    )
    return submit(
        web, caller, message, origin=origin, wait=wait, notify=notify, together_with=together_with, and_then=and_then
    )


@dataclass(frozen=True)
class MadeMessage:
    """A message as it goes out: whose it is, and whom its fields name (`named`, by field) and it goes to.

    `message_id` is its own or, of one that is redirected, that of its resending; `bcc` is for the sender's eyes.
    """

    raw: bytes
    sender: Address
    owner: str | None
    named: Mapping[str, Sequence[Address]]
    recipients: Sequence[Address]
    subject: str
    message_id: str
    bcc: str = ""


def submit(
    web: Web,
    caller: Caller,
    message: MadeMessage,
    *,
    origin: str,
    wait: Wait = NO_WAIT,
    notify: str | None = None,
    together_with: Callable[[Connection], None] | None = None,
    and_then: Callable[[Connection, Sent], None] | None = None,
) -> Sent:
    """Queues a message that is made, as `send` does. Raises DraftError, Problem(429), Problem(507)."""
    if web.disk.level is DiskLevel.FULL:
        raise Problem(507, "The server's disk is nearly full, so nothing is sent just now; it was not lost. Try later.")
    sender, owner, raw = message.sender, message.owner, message.raw
    submission = Submission(
        sender=str(sender),
        origin=origin,
        owner=owner,
        submitted_by=submitters.by_user(caller.username) if caller.username else submitters.PANEL,
        subject=message.subject,
        body_type="7BIT" if raw.isascii() else "8BITMIME",
        smtputf8=sender.needs_smtputf8 or any(address.needs_smtputf8 for address in message.recipients),
        release_ts=wait.release_ts,
        undo=wait.undo,
    )
    copy = None if owner is None else SentCopy(owner, ", ".join(map(str, message.recipients)), message.bcc)
    queued = [QueuedRecipient(str(address), notify) for address in message.recipients]
    ref = contents.store(web.database, raw)

    def admit(tx: Connection) -> None:
        subjects = limit_subjects.counted_for(tx, submission.submitted_by, submission.sender, caller.member)
        sending_limits.admit(tx, subjects, len(queued), web.settings, web.clock())

    def queue(tx: Connection) -> Sent:
        if together_with is not None:
            together_with(tx)
        suppressions.check(tx, owner, message.named, web.clock())
        accepted = accept.submit_in(tx, ref, submission, queued, copy, admit=admit)
        if caller.member is not None and owner is not None:
            team_marks.end_answers(tx, owner, caller.member)
            if accepted.email_id is not None:
                team_marks.note_sent(tx, owner, accepted.email_id, caller.member)
        sent = Sent(message.message_id, accepted.email_id, accepted.outbox_ids, wait.release_ts, submission.queue_id)
        if and_then is not None:
            and_then(tx, sent)
        return sent

    try:
        sent = web.database.write(queue)
    except LimitExceeded as exceeded:
        raise _beyond_limit(web, exceeded) from None
    count("received_messages", service="web")
    count("received_recipients", len(queued), service="web")
    count("received_bytes", len(raw), service="web")
    log.event(
        _logger,
        "accepted",
        id=submission.queue_id,
        by=submission.submitted_by,
        mail_from=f"<{sender}>",
        recipients=len(queued),
        size=len(raw),
    )
    return sent


def _dated(draft: Draft, wait: Wait) -> Draft:
    """What is sent later is dated then: readers sort by Date, and filters distrust old ones."""
    if not wait.release_ts or wait.undo:
        return draft
    return replace(draft, date=datetime.fromtimestamp(wait.release_ts, UTC))


def _with_its_writer(web: Web, caller: Caller, draft: Draft) -> Draft:
    """From a shared mailbox whose header is to say so, the draft with who writes it."""
    member, account = caller.member, caller.username or ""
    if member is None:
        return draft

    def writer(tx: Connection) -> Address | None:
        shared = shared_mailboxes.find(tx, account)
        return addresses.primary_address(tx, member) if shared and shared.names_sender else None

    found = web.database.read(writer)
    return replace(draft, sender=str(found)) if found is not None else draft


def _days(seconds: float) -> str:
    days = seconds / 86400
    return _("%(n)s days", n=f"{days:g}") if days >= 1 else _("%(n)s hours", n=f"{seconds / 3600:g}")


def _beyond_limit(web: Web, exceeded: LimitExceeded) -> Problem | DraftError:
    """What the caller is told who goes beyond a limit; administrators will see it."""
    now = web.clock()
    count("limits_hit", limit=exceeded.counted)
    log.event(_logger, "limit-exceeded", logging.WARNING, subject=exceeded.subject, counted=exceeded.counted)
    with contextlib.suppress(DatabaseError):
        web.database.write(lambda tx: limit_alerts.hit(tx, exceeded, web.settings, now))
    if exceeded.until is None:
        return DraftError("to", f"the {exceeded}")
    return Problem(429, f"The {exceeded}.", headers={"Retry-After": str(math.ceil(exceeded.until - now))})


def build(web: Web, draft: Draft) -> bytes:
    """The draft as a message; raises DraftError, or Problem(413) beyond `max_message_size`."""
    raw = compose.build(draft, web.settings.hostname)
    check_size(web, raw)
    return raw


def check_size(web: Web, raw: bytes) -> None:
    """Raises Problem(413) for a message beyond `max_message_size`."""
    if len(raw) > web.settings.max_message_size:
        limit = web.settings.max_message_size // (1024 * 1024)
        raise Problem(
            413, _("The message is larger than %(limit)s MiB, which is the most that can be sent.", limit=limit)
        )


def sender_of(draft: Draft) -> Address:
    """The address in the draft's From; raises DraftError."""
    found = _addresses("from", [draft.from_])
    if len(found) != 1:
        raise DraftError("from", _("exactly one address is needed"))
    return found[0]


def everybody(web: Web, to: list[str]) -> list[Address]:
    """The addresses of a list that is typed, once each. Raises DraftError."""
    return _recipients({"to": _addresses("to", to)}, web.settings.max_recipients)


def _recipients(named: Mapping[str, Sequence[Address]], most: int) -> list[Address]:
    """Everybody who gets the message, once each."""
    found: dict[str, Address] = {}
    for address in (each for addressees in named.values() for each in addressees):
        found.setdefault(address.key, address)
    if not found:
        raise DraftError("to", _("at least one recipient is needed"))
    if len(found) > most:
        raise DraftError(
            "to", _("there are %(found)s recipients; %(most)s is the most for one message", found=len(found), most=most)
        )
    return list(found.values())


def _check_bodies(draft: Draft) -> None:
    if draft.text is None and draft.html is None:
        raise DraftError("text", _("text or html is needed"))


def owner_of(web: Web, caller: Caller, sender: Address) -> str | None:
    """Whose message it is. The service token sends for anybody, and what it sends belongs to the address's owner.

    Raises Problem(403) for an address that is not the caller's.
    """
    if caller.username is None:
        found = web.database.read(lambda tx: addresses.resolve(tx, sender, web.settings))
        return found.owner if isinstance(found, addresses.Local) else None
    username = caller.username
    if not web.database.read(lambda tx: addresses.owns(tx, username, sender)):
        raise Problem(
            403,
            _("%(sender)s is not one of your addresses.", sender=sender),
            errors=[{"field": "from", "message": _("not one of your addresses")}],
        )
    return username


def _addresses(field: str, entries: list[str]) -> list[Address]:
    found = []
    if any(len(entry) > MAX_LIST for entry in entries):
        raise DraftError(field, _("the list is too long"))
    for _name, text in (pair for entry in entries for pair in split_list(entry)):
        try:
            found.append(Address.parse(text))
        except AddressError as error:
            raise DraftError(field, f"{text[:80]!r}: {error}") from None
    return found


def _texts(entries: list[str]) -> list[str]:
    return [str(address) for address in _addresses("bcc", entries)]
