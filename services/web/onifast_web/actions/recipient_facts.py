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
        return RecipientFacts(entry, "", entry, "stop", (), f"“{entry[:100]}” is no mail address.")
    address = parsed.address
    contact = contacts.of_address(tx, username, address)
    known = addressees.find(tx, username, address)
    name = parsed.name or (contact.card.name if contact else "") or (known.name if known else "")
    place, stops = _place(web, tx, address)
    facts = [place, *_protection(tx, address, now)] if not stops else []
    if found := suppressions.find(tx, username, [address], now):
        why = next(iter(found.values())).reason or "it is on your list of suppressed addresses"
        stops = sentence(f"mail to {address.display} is not sent: {why}")
    warning = ""
    if known is not None and (known.written or known.heard):
        facts.append(_acquaintance(known.written, known.heard))
    elif contact is None:
        warning = "You have never written to them."
        facts.append(warning)
    if contact is not None:
        facts.append("In your contacts.")
    kind: FactKind = "stop" if stops else "note" if warning else "good"
    return RecipientFacts(entry, name, address.display, kind, tuple(facts), stops, is_contact=contact is not None)


def _place(web: Web, tx: Connection, address: Address) -> tuple[str, str]:
    """Where mail to an address goes, in a sentence; and another one where it does not get there."""
    found = addresses.expand(tx, address, web.settings)
    match found:
        case UnknownLocal():
            return "", f"There is no mailbox {address.display} on this server."
        case Circular():
            return "", f"Mail to {address.display} would be forwarded in a circle."
        case Expansion():
            where = "is delivered on this server" if not found.forwards else "is passed on to other addresses"
            return f"On this server: mail {where}.", ""
        case _:
            return f"At another site, {display_domain(address.domain)}.", ""


def _protection(tx: Connection, address: Address, now: float) -> list[str]:
    """How the way to another site is protected, as far as is known."""
    with contextlib.suppress(ValueError):
        policy = sts_policies.get(tx, address.domain, now)
        if policy is not None and policy.mode == "enforce":
            return ["Encrypted, to servers that prove their name: the domain asks for it (MTA-STS)."]
    memory = history.get(tx, address.domain)
    if memory is None:
        return []
    if memory.is_downgraded:
        return ["Connections to its servers are protected less than they were."]
    return ["Encrypted so far, to servers that proved their name."]


def _acquaintance(written: int, heard: int) -> str:
    times = {0: "never", 1: "once"}
    return (
        f"You have written to them {times.get(written, f'{written} times')}, "
        f"and they to you {times.get(heard, f'{heard} times')}."
    )
