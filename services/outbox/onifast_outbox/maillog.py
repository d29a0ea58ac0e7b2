"""The deliverer's mail log: its events, one line each, the message's queue id first, then the queue's row."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from onifast_shared.db.errors import DatabaseError
from onifast_shared.db.reports import Reports
from onifast_shared.departed.changes import UserChange
from onifast_shared.machine import log
from onifast_shared.machine.counting import count, observe
from onifast_shared.machine.log import event, shown
from onifast_shared.moving.jobs import MovingJob
from onifast_shared.values.reply import Deferred, Delivered, Outcome, Reply

from onifast_outbox.reasons.explaining import explain

_LOGGER = log.get("outbox")
_REPORTS = Reports(_LOGGER)

DEPARTED_PAGE = "Departed users"
"""The administrators' page, by its name."""


class Queued(NamedTuple):
    """A message of our own in the queue: its name, and its row."""

    queue_id: str
    row: int


def started(serves: str, source: str) -> None:
    """The program is ready."""
    event(_LOGGER, "started", serves=serves, settings=source)


def stopped(given_back: int) -> None:
    """The program ends in order."""
    event(_LOGGER, "stopped", given_back=given_back)


def moved(job: MovingJob) -> None:
    """An import or export has ended, or waits for its owner."""
    event(
        _LOGGER,
        f"{job.kind}-{job.state}",
        job=job.id,
        owner=job.owner,
        messages=job.messages,
        duplicates=job.duplicates,
        skipped=job.skipped,
        problem=job.problem or None,
    )


def outcome(
    queue_id: str,
    row: int,
    sender: str,
    recipient: str,
    result: Outcome,
    *,
    attempts: int,
    seconds: float,
    waited: float,
) -> None:
    """One recipient's delivery was tried, and the result committed, `waited` seconds after it was queued."""
    what = "delivered" if isinstance(result, Delivered) else "deferred" if isinstance(result, Deferred) else "failed"
    _count_outcome(what, result, attempts, waited)
    event(
        _LOGGER,
        what,
        id=queue_id or None,
        row=row,
        sender=f"<{sender}>",
        recipient=recipient,
        host=result.host or None,
        tls=result.tls or None,
        attempts=attempts,
        seconds=f"{seconds:.3f}",
        reply=result.reply,
    )


def _count_outcome(what: str, result: Outcome, attempts: int, waited: float) -> None:
    count("delivery_attempts", result=what)
    if attempts <= 1:
        observe("first_attempt_seconds", waited)
    if isinstance(result, Delivered):
        way = "remote" if result.host else "local"
        count("deliveries", way=way)
        observe("delivery_seconds", waited, way=way)
    else:
        reason = explain(result.reply, result.host).kind
        count("deferrals" if isinstance(result, Deferred) else "bounces", reason=reason)


def sandboxed(queue_id: str, row: int, sender: str, recipient: str) -> None:
    """A message to a foreign domain was kept here."""
    count("sandboxed")
    event(_LOGGER, "sandboxed", id=queue_id or None, row=row, sender=f"<{sender}>", recipient=recipient)


def told(what: str, queue_id: str, sender: str, notice: Queued) -> None:
    """The sender is told, by the message `notice`, what became of theirs: `bounced`, `delayed` or `arrived`."""
    count("notices", notice=what)
    event(_LOGGER, what, id=queue_id or None, to=f"<{sender}>", notice=notice.queue_id, notice_row=notice.row)


def came_back(outcome: str, queue_id: str, row: int, *, recipient: str, email_id: int, reply: Reply) -> None:
    """A notification in a mailbox tells of mail that was sent; `outcome` is one of `onifast_shared.queue.returns`."""
    words = None if outcome in ("answered", "confirmed", "read") else reply
    event(_LOGGER, outcome, id=queue_id or None, row=row, recipient=recipient, email_id=email_id, reply=words)


def filtered(queue_id: str, email_id: int, ids: Sequence[int], did: Sequence[str], gave_up: bool) -> None:
    """Filters of its owner's acted on a message; `gave_up`: the others took too long to ask."""
    numbers = ",".join(map(str, ids))
    late = "too much work" if gave_up else None
    event(_LOGGER, "filtered", id=queue_id or None, email_id=email_id, filters=numbers, did=",".join(did), but=late)


def answered(queue_id: str, email_id: int, sender: str, reason: str) -> None:
    """A vacation note answered a message, or did not, for a reason."""
    what = "not-answered" if reason else "answered"
    event(_LOGGER, f"vacation-{what}", id=queue_id or None, email_id=email_id, to=f"<{sender}>", reason=reason or None)


def unsigned(queue_id: str, domain: str, reason: str) -> None:
    """A message goes out without a signature though its domain has a key."""
    event(_LOGGER, "unsigned", logging.WARNING, id=queue_id or None, domain=domain, reason=reason)


def converted(queue_id: str, done: str, left: str) -> None:
    """Why a message goes out in another form than it has in the queue, and what of it is left against the rules."""
    event(_LOGGER, "converted", id=queue_id or None, because=done or None, left=left or None)


def key_switched(domain: str, names: list[str]) -> None:
    """Mail of a domain is signed with new keys from now on."""
    event(_LOGGER, "dkim-key-switched", domain=domain, selectors=",".join(names))


def key_not_switched(domain: str, reason: str) -> None:
    """DNS shows new keys, but their files cannot be put in place; an administrator has to."""
    event(_LOGGER, "dkim-key-not-switched", logging.WARNING, domain=domain, reason=reason)


def key_not_tended(domain: str, reason: str) -> None:
    """A rotation does not go on as it is."""
    event(_LOGGER, "dkim-key-trouble", logging.WARNING, domain=domain, reason=reason)


def collected(owner: str, messages: int) -> None:
    """Messages that a user's sendmail had kept in their home were handed in to smtpd."""
    event(_LOGGER, "collected", owner=owner, messages=messages)


def key_record(domain: str, wish: str, name: str) -> None:
    """A record of a key was put into DNS (`publish`), or taken out (`remove`)."""
    event(_LOGGER, "dkim-record", domain=domain, action=wish, name=name)


def webhook_failed(webhook_id: int, url: str, reason: str, *, disabled: bool) -> None:
    """A webhook could not be told of an event; where it is disabled, it is told of none any more."""
    what = "webhook-disabled" if disabled else "webhook-failed"
    # The path and the query may hold what only the receiver should know.
    host = url.partition("://")[2].partition("/")[0].partition("?")[0]
    event(_LOGGER, what, logging.WARNING, webhook_id=webhook_id, host=host, reason=reason)


def claim_lost(queue_id: str, row: int) -> None:
    """Another process has taken the message over, or a person changed its state; what we had begun was dropped."""
    event(_LOGGER, "claim-lost", logging.WARNING, id=queue_id or None, row=row)


def filed(queue_id: str, email_id: int, owner: str, text: str, *, written: bool) -> None:
    """A copy was written into its owner's home, or could not be."""
    count("filed_copies", result="written" if written else "failed")
    if written:
        event(_LOGGER, "filed", id=queue_id or None, email_id=email_id, owner=owner, path=text)
    else:
        event(_LOGGER, "not-filed", logging.WARNING, id=queue_id or None, email_id=email_id, owner=owner, reason=text)


def put_off(destination: str, rows: int) -> None:
    """Mail waits without being tried, because its destination cannot be reached."""
    event(_LOGGER, "put-off", logging.WARNING, destination=destination, rows=rows)


def trouble(with_what: str, error: Exception, queue_id: str = "") -> None:
    """Something that passes, as a rule: the work is tried again."""
    if isinstance(error, DatabaseError):
        _REPORTS.report("trouble", error, logging.WARNING, id=queue_id or None, work=with_what)
        return
    event(_LOGGER, "trouble", logging.WARNING, id=queue_id or None, work=with_what, reason=error)


def junk_filter_trouble(protocol: str, username: str, error: Exception) -> None:
    """A junk filter did not learn; it is told again later."""
    event(_LOGGER, "junk-filter-trouble", logging.WARNING, filter=protocol, user=username, reason=error or repr(error))


def unforeseen(what: str, queue_id: str = "") -> None:
    """A bug: the traceback goes to the log, the message stays in the queue. Call it from an except block."""
    _LOGGER.exception("unforeseen%s work=%s", f" id={queue_id}" if queue_id else "", shown(what))


def prepared(queue_id: str, row: int, sender: str, recipient: str) -> None:
    """A script's row became a message."""
    count("received_messages", service="script")
    count("received_recipients", service="script")
    event(_LOGGER, "prepared", id=queue_id, row=row, sender=f"<{sender}>", recipient=recipient)


def refused(row: int, reason: str) -> None:
    """A script's row cannot become a message."""
    event(_LOGGER, "refused", logging.WARNING, row=row, reason=reason)


def mended(released: int, held: int) -> None:
    """Rows of a dead deliverer went back to the queue; rows with an unknown status are held."""
    event(_LOGGER, "mended", logging.WARNING, released=released, held=held)


def ended_early(error: BaseException | None) -> None:
    """A loop of the program ended by itself; the program stops with it."""
    event(_LOGGER, "ended-early", logging.ERROR, reason=error)


def policy_not_fetched(domain: str, reason: str) -> None:
    """The MTA-STS policy that a domain announces cannot be had; one that is kept goes on holding."""
    event(_LOGGER, "policy-not-fetched", logging.WARNING, domain=domain, reason=reason)


def tls_downgraded(domain: str, host: str, level: str, before: str, reason: str) -> None:
    """Mail went to a domain over less than its servers had proved before: somebody may have come in between."""
    found = {"domain": domain, "host": host, "found": level, "before": before, "reason": reason}
    event(_LOGGER, "tls-downgraded", logging.WARNING, **found)


def tls_reported(domain: str, day: str, place: str, result: str) -> None:
    """A day's TLS report is on its way to a place that the domain names, or could not be handed in there."""
    event(_LOGGER, "tls-reported", domain=domain, day=day, to=place, result=result)


def user_missing(username: str, *, returned: bool = False) -> None:
    """A panel user's file is not there, or is there again; if it stays away, they depart."""
    event(_LOGGER, "user-returned" if returned else "user-missing", user=username)


def users_held(newly: tuple[str, ...], waiting: tuple[str, ...]) -> None:
    """Too many users vanished at once to be believed; none of them departs until an administrator confirms it."""
    said = f"onifast-mailctl user confirm, or the page {DEPARTED_PAGE} of the webmail, lets them go"
    names = ",".join((newly or waiting)[:20])
    event(_LOGGER, "users-held", logging.WARNING, waiting=len(waiting), users=names, reason=said)


def directory_trouble(error: Exception) -> None:
    """The directory of the panel's users cannot be read: nobody departs by such a look."""
    event(_LOGGER, "user-directory-trouble", logging.WARNING, reason=error)


def user_departed(username: str, departure_id: int | None) -> None:
    """A user is gone; what was theirs is being set aside, or they had nothing."""
    event(_LOGGER, "user-departed", user=username, departure=departure_id)


def user_changed(change: UserChange) -> None:
    """A panel or an administrator had a user removed, restored, renamed, or what is kept of them deleted."""
    asked, level = change.request, logging.WARNING if change.problem else logging.INFO
    event(
        _LOGGER,
        "user-not-changed" if change.problem else "user-changed",
        level,
        change=change.id,
        action=asked.action,
        user=asked.username,
        new_name=asked.new_name,
        departure=change.departure_id,
        by=asked.asked_by,
        reason=change.problem or None,
    )


def user_moved(source: str, target: str) -> None:
    """All that was under one name is under another."""
    event(_LOGGER, "user-moved", source=source, target=target)


def departed_due(departure_id: int) -> None:
    """What a departed user left has been kept long enough; its deletion begins."""
    event(_LOGGER, "departed-due", departure=departure_id)


def departed_deleted(departure_id: int, username: str) -> None:
    """Nothing is left of a departed user."""
    event(_LOGGER, "departed-deleted", departure=departure_id, user=username)


def examined(bad: Sequence[str], good: int) -> None:
    """The daily examination found that something turned bad, or is good again; the postmaster is told by mail."""
    level = logging.WARNING if bad else logging.INFO
    event(_LOGGER, "examined", level, turned_bad=",".join(dict.fromkeys(bad)) or None, good_again=good or None)
