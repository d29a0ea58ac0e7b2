"""What is known of a recipient before a message is sent: from what is stored here, with no look at the DNS."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from onifast_shared.db.database import Connection
from onifast_shared.message import address_fields
from onifast_shared.queue import suppressions
from onifast_shared.recipients import addressees, addresses, contacts
from onifast_shared.recipients.addresses import UnknownLocal
from onifast_shared.tls import history, sts_policies
from onifast_shared.values.address import Address, display_domain
from onifast_shared.values.expansion import Circular, Expansion

from onifast_web.access.context import Web
from onifast_web.languages.texts import _, ngettext
from onifast_web.reading.render import sentence

MOST = 100
"""Recipients that are asked about at once."""

FactKind = Literal["good", "note", "warn", "stop"]


@dataclass(frozen=True)
class RecipientFacts:
    """What is known of one recipient, whose entry is as it was `given`. `kind` is the gravest of it: `stop` is what
    would keep the message from them, `warn` what may be a mistake. `problem` is that in a sentence, "" for none."""

    given: str
    name: str
    address: str
    kind: FactKind
    facts: tuple[str, ...]
    problem: str = ""
    is_contact: bool = False


def of(web: Web, username: str, entries: Sequence[str]) -> list[RecipientFacts]:
    """What is known of recipients, each an entry of a field of theirs."""
    now = web.clock()
    return web.database.read(lambda tx: [_of(web, tx, username, entry, now) for entry in entries[:MOST]])


def _of(web: Web, tx: Connection, username: str, entry: str, now: float) -> RecipientFacts:
    parsed = next(iter(address_fields.typed(entry[:1000])), None)
    if parsed is None or parsed.address is None:
        return RecipientFacts(entry, "", entry, "stop", (), _("“%(entry)s” is no mail address.", entry=entry))
    address = parsed.address
    contact = contacts.of_address(tx, username, address)
    known = addressees.find(tx, username, address)
    name = parsed.name or (contact.card.name if contact else "") or (known.name if known else "")
    place, stops = _place(web, tx, address)
    facts = [place, *_protection(tx, address, now)] if not stops else []
    if found := suppressions.find(tx, username, [address], now):
        why = next(iter(found.values())).reason or _("it is on your list of suppressed addresses")
        stops = sentence(_("mail to %(display)s is not sent: %(why)s", display=address.display, why=why))
    warning = ""
    if known is not None and (known.written or known.heard):
        facts.append(_acquaintance(known.written, known.heard))
    elif contact is None:
        warning = _("You have never written to them.")
        facts.append(warning)
    if contact is not None:
        facts.append(_("In your contacts."))
    kind: FactKind = "stop" if stops else "note" if warning else "good"
    return RecipientFacts(entry, name, address.display, kind, tuple(facts), stops, is_contact=contact is not None)


def _place(web: Web, tx: Connection, address: Address) -> tuple[str, str]:
    """Where mail to an address goes, in a sentence; and another one where it does not get there."""
    found = addresses.expand(tx, address, web.settings)
    match found:
        case UnknownLocal():
            return "", _("There is no mailbox %(display)s on this server.", display=address.display)
        case Circular():
            return "", _("Mail to %(display)s would be forwarded in a circle.", display=address.display)
        case Expansion():
            if found.forwards:
                return _("On this server: mail is passed on to other addresses."), ""
            return _("On this server: mail is delivered on this server."), ""
        case _:
            return _("At another site, %(domain)s.", domain=display_domain(address.domain)), ""


def _protection(tx: Connection, address: Address, now: float) -> list[str]:
    """How the way to another site is protected, as far as is known."""
    with contextlib.suppress(ValueError):
        policy = sts_policies.get(tx, address.domain, now)
        if policy is not None and policy.mode == "enforce":
            return [_("Encrypted, to servers that prove their name: the domain asks for it (MTA-STS).")]
    memory = history.get(tx, address.domain)
    if memory is None:
        return []
    if memory.is_downgraded:
        return [_("Connections to its servers are protected less than they were.")]
    return [_("Encrypted so far, to servers that proved their name.")]


def _acquaintance(written: int, heard: int) -> str:
    if not written:
        return ngettext("They have written to you once.", "They have written to you %(n)s times.", heard)
    if not heard:
        return ngettext("You have written to them once.", "You have written to them %(n)s times.", written)
    return _(
        "You have written to them %(written)s, and they to you %(heard)s.",
        written=_times(written),
        heard=_times(heard),
    )


def _times(number: int) -> str:
    return ngettext("once", "%(n)s times", number)
