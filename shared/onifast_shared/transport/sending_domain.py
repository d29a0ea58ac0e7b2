"""Whose settings of a sending domain count for a message: only who has the sender's address is sent by its ways.

A route may log in at a smart host with the password of the domain's owner, and an address of this machine has a name to
lose. So neither serves those who merely write a domain into MAIL FROM, as local programs and trusted networks can.
"""

from __future__ import annotations

from onifast_shared.db.database import Connection
from onifast_shared.recipients import addresses
from onifast_shared.values import submitters
from onifast_shared.values.address import Address, AddressError


def of(tx: Connection, sender: str, submitted_by: str | None) -> str | None:
    """The domain (A-labels) whose settings count; None for the null sender, and for who does not have the address.

    `submitted_by` is the queue row's. Rows without one come from this host: scripts' with access to the database, and
    our own; what is forwarded has a sender that we made ourselves (SRS).
    """
    try:
        address = Address.parse(sender) if sender else None
    except AddressError:
        return None
    if address is None or address.is_literal:
        return None
    return address.domain if _is_his(tx, address, submitted_by) else None


def _is_his(tx: Connection, address: Address, submitted_by: str | None) -> bool:
    if submitted_by in (None, submitters.PANEL, submitters.by_unix_user("root")):
        return True
    if submitters.forwarder_of(submitted_by) is not None:
        return True
    username = submitters.user_of(submitted_by) or submitters.unix_user_of(submitted_by)
    if not username:
        return False
    return addresses.owns(tx, username, address) or addresses.domain_owner(tx, address.domain) == username
