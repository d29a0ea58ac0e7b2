"""Suppressed recipients, as users and administrators suppress and lift them."""

from __future__ import annotations

from onifast_shared.queue import suppressions
from onifast_shared.queue.suppressions import Suppression
from onifast_shared.values.address import Address

from onifast_web.access import auth
from onifast_web.access.auth import Caller
from onifast_web.access.context import Web
from onifast_web.http.problems import Problem, not_found, unprocessable


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
        raise unprocessable("owner", "name the user whose mail is meant")
    if owner == caller.username:
        return owner
    if caller.manages is not None:
        raise Problem(403, "Only administrators may do this for other users.")
    return auth.user_in_field(web, "owner", owner)
