"""Forwards, as users and administrators make and end them."""

from __future__ import annotations

from onifast_shared.db.database import Connection
from onifast_shared.recipients import addresses, forwards
from onifast_shared.recipients.forwards import ForwardRow
from onifast_shared.values import stored_forms
from onifast_shared.values.address import Address

from onifast_web.access.caller import Caller
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _

MAX_TARGETS = 100
"""Forwards of one address that users can make; a panel's INSERT knows no such limit."""


def add(tx: Connection, caller: Caller, address: Address, target: Address) -> ForwardRow:
    """Makes a forward of an address that the caller may forward; raises Problem."""
    username = caller.manages
    if username is not None and not addresses.owns(tx, username, address):
        raise Problem(403, _("%(address)s is not one of your addresses.", address=address))
    if username is not None and len(forwards.targets_of(tx, address)) >= MAX_TARGETS:
        raise Problem(
            409, _("%(address)s has %(max_targets)s forwards already.", address=address, max_targets=MAX_TARGETS)
        )
    if not forwards.add(tx, address, target, username or addresses.owner_of(tx, address)):
        raise Problem(409, _("%(address)s is forwarded to %(target)s already.", address=address, target=target))
    rows = forwards.list_for(tx, None)
    return next(row for row in rows if (row.address, row.target) == (str(address), str(target)))


def remove(tx: Connection, caller: Caller, address: Address, target: Address | None) -> int:
    """Ends forwards that the caller sees; returns how many there were."""
    mine = {row.address.lower() for row in forwards.list_for(tx, caller.manages)}
    if mine.isdisjoint(form.lower() for form in stored_forms.of_address(address)):
        return 0
    return forwards.remove(tx, address, target)
