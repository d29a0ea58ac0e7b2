"""What may be done to queued mail, by the API and by the pages alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from onifast_shared.db.database import Connection
from onifast_shared.queue import actions, sandbox, waiting
from onifast_shared.queue import view as queue_view
from onifast_shared.queue.view import Search
from onifast_shared.queue.waiting import NoCopy, NotWaiting, TooLate
from onifast_shared.values.address import Address

from onifast_web.access.caller import Caller
from onifast_web.access.context import Web
from onifast_web.actions import sending
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _


@dataclass(frozen=True)
class Done:
    """The rows that an action changed, and the drafts that messages became which were called back."""

    changed: list[int]
    drafts: list[int] = field(default_factory=list)


def act(web: Web, caller: Caller, ids: Sequence[int], action: str) -> Done:
    """Does one of queue_view.ACTIONS; `release` lets captured rows out too.

    Raises Problem(403) if nothing changed because the caller may not let out what was captured.
    """
    owner, now = caller.manages, web.clock()

    done = Done(web.database.write(lambda tx: actions.act(tx, owner, ids, action, now)))
    if action == "release" and not done.changed:
        _refuse_to_let_out(web, owner, ids)
    return done


def act_on_all(web: Web, caller: Caller, search: Search, action: str) -> Done:
    """Does `act` to all rows of the caller's that a search finds and the caller may let out."""
    return Done(actions.act_on_all(web.database, caller.manages, search, action, web.clock()))


def redirect(web: Web, caller: Caller, ids: Sequence[int], to: Address) -> Done:
    """Has captured rows sent to another address. Raises Problem(403) like `act`."""
    owner, now = caller.manages, web.clock()
    done = Done(web.database.write(lambda tx: sandbox.redirect(tx, owner, ids, to, now)))
    if not done.changed:
        _refuse_to_let_out(web, owner, ids)
    return done


def recall(web: Web, caller: Caller, ids: Sequence[int]) -> Done:
    """Turns the messages that these rows belong to into drafts again, all or none; raises Problem(409)."""
    owner, now = caller.manages, web.clock()

    def write(tx: Connection) -> Done:
        done = Done([])
        for row_id in ids:
            if row_id not in done.changed:
                recalled = waiting.recall(tx, owner, row_id, web.settings, now)
                done.changed.extend(recalled.outbox_ids)
                done.drafts.append(recalled.draft_id)
        return done

    return _explained(lambda: web.database.write(write))


def send_now(web: Web, caller: Caller, ids: Sequence[int]) -> Done:
    """Has waiting messages sent at once; raises Problem(409) for one that does not wait."""
    return _put_off(web, caller, ids, 0)


def reschedule(web: Web, caller: Caller, ids: Sequence[int], moment: int) -> Done:
    """Gives waiting messages another time, epoch seconds; raises DraftError for the time, or Problem(409)."""
    return _put_off(web, caller, ids, sending.until(web, moment).release_ts)


def _put_off(web: Web, caller: Caller, ids: Sequence[int], moment: int) -> Done:
    changed: list[int] = []

    def work() -> Done:
        for row_id in ids:
            if row_id not in changed:
                changed.extend(waiting.put_off(web.database, caller.manages, row_id, moment, web.clock()))
        return Done(changed)

    return _explained(work)


def _explained(work: Callable[[], Done]) -> Done:
    try:
        return work()
    except TooLate as late:
        raise Problem(409, _("Too late to call it back: %(late)s.", late=late)) from None
    except NoCopy:
        raise Problem(409, _("It has no copy in Sent that could become a draft; it can be cancelled.")) from None
    except NotWaiting:
        raise Problem(409, _("It does not wait any more: it is on its way, or was taken back.")) from None


def _refuse_to_let_out(web: Web, owner: str | None, ids: Sequence[int]) -> None:
    """Says why nothing happened, if that is because the caller may not do it."""

    def captured(tx: Connection) -> list[str]:
        rows = [row for row_id in ids if (row := queue_view.get(tx, owner, row_id)) and row.status == "sandboxed"]
        return [row.sandbox_domain for row in rows if not sandbox.may_let_out(tx, owner, row.id)]

    for domain in web.database.read(captured)[:1]:
        if not domain:
            raise Problem(403, _("It was captured by this server's sandbox; only administrators may have it sent."))
        text = _(
            "It was captured by the sandbox of %(domain)s; only its owner and administrators may have it sent.",
            domain=domain,
        )
        raise Problem(403, text)
