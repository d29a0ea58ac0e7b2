"""Suppressed recipients: users and administrators suppress and lift them, and nothing is sent to them.

Who would send to one is refused at once, which is better than a bounce a moment later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from onifast_shared.db.database import Connection
from onifast_shared.message.compose import DraftError
from onifast_shared.queue import suppressions
from onifast_shared.queue.suppressions import Suppression
from onifast_shared.values.address import Address

from onifast_web.access import auth
from onifast_web.access.caller import Caller
from onifast_web.access.context import Web
from onifast_web.http.problems import Problem, not_found, unprocessable
from onifast_web.languages.texts import _

_MOST_NAMED = 5


class Suppressed(DraftError):
    """A field names `recipients`, as they are stored, whom the owner's mail is not sent to."""

    def __init__(self, field: str, found: Sequence[Suppression]) -> None:
        super().__init__(field, _sentence(found))
        self.recipients = tuple(each.recipient for each in found)


def check(tx: Connection, owner: str | None, named: Mapping[str, Sequence[Address]], now: float) -> None:
    """Raises Suppressed at the first field with recipients that mail of this owner is not sent to."""
    if owner is None:
        return
    for field, recipients in named.items():
        if found := suppressions.find(tx, owner, recipients, now):
            raise Suppressed(field, list(found.values()))


def suppress(web: Web, caller: Caller, recipient: Address, reason: str, owner: str | None = None) -> Suppression:
    """Sends no more mail of `owner` (None: the caller) to a recipient, until that is lifted. Raises Problem."""
    whose, why = _owner(web, caller, owner), " ".join(reason.split())
    return web.database.write(lambda tx: suppressions.add(tx, whose, recipient, why, web.clock()))


def lift(web: Web, caller: Caller, recipient: Address, owner: str | None = None) -> None:
    """Lets mail of `owner` (None: the caller) to a recipient out again. Raises Problem; 404 if it is not suppressed."""
    whose = _owner(web, caller, owner)
    if not web.database.write(lambda tx: suppressions.lift(tx, whose, recipient)):
        raise not_found("suppression")


def _owner(web: Web, caller: Caller, named: str | None) -> str:
    """Whose list is meant: the caller's own, unless an administrator names another user. Raises Problem."""
    owner = (named or "").strip() or caller.username
    if owner is None:
        raise unprocessable("owner", _("name the user whose mail is meant"))
    if owner == caller.username:
        return owner
    if caller.manages is not None:
        raise Problem(403, _("Only administrators may do this for other users."))
    return auth.user_in_field(web, "owner", owner)


def _sentence(found: Sequence[Suppression]) -> str:
    page = _("on the page Suppressed addresses")
    if len(found) == 1:
        why = found[0].why(_day(found[0].created_ts)).removesuffix(".")
        return _("%(why)s – lift that %(page)s, or send without it", why=why, page=page)
    names = ", ".join(each.recipient for each in found[:_MOST_NAMED])
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return _(
        "mail to %(names)s%(more)s came back or was suppressed by you – lift these %(page)s, or send without them",
        names=names,
        more=more,
        page=page,
    )


def _day(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%d %B %Y").lstrip("0")
