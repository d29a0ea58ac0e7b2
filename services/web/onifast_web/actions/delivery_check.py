"""What would become of mail that a caller sends to an address: asked of outbox, for the API and the page."""

from __future__ import annotations

from typing import Any

from onifast_shared.delivery_check import ask
from onifast_shared.delivery_check.store import TooManyDeliveryChecks
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address, AddressError

from onifast_web.access.caller import Caller
from onifast_web.access.context import Web
from onifast_web.http.problems import Problem, waiting_for_others
from onifast_web.languages.texts import _
from onifast_web.reading.render import sentence


class WrongAddress(Exception):
    """`field` is not an address that the caller may ask about; the text says why, as a clause."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


def check_delivery(web: Web, caller: Caller, sender: str, recipient: str) -> list[dict[str, Any]]:
    """The findings about mail from `sender`, '' for the caller's first address, as `ask.ask` gives them.

    Administrators alone see the notes of hold rules.

    Raises WrongAddress, Problem(403) for a sender that is not the caller's, Problem(429) and Problem(503).
    """
    to, by = _parsed("address", recipient), _sender(web, caller, sender)
    try:
        with waiting_for_others(web.places_to_wait):
            found = ask.ask(web.database, caller.username, by, to)
    except TooManyDeliveryChecks:
        raise Problem(429, _("Earlier questions wait for their answers; ask again in a minute.")) from None
    except ask.NoAnswer as error:
        raise Problem(503, sentence(error)) from None
    return ask.with_notes(web.database, found) if caller.manages is None else found


def _sender(web: Web, caller: Caller, text: str) -> Address | None:
    username = caller.username
    if not text:
        if username is None:
            return None
        return web.database.read(lambda tx: addresses.primary_address(tx, username))
    sender = _parsed("from", text)
    if caller.manages is not None and not web.database.read(
        lambda tx: addresses.owns(tx, caller.manages or "", sender)
    ):
        raise Problem(403, _("%(sender)s is not one of your addresses.", sender=sender))
    return sender


def _parsed(field: str, text: str) -> Address:
    try:
        return Address.parse(text.strip())
    except AddressError as error:
        raise WrongAddress(field, str(error)) from None
