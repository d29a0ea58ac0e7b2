"""The commands of onifast-mailctl about domains: whose they are, what they use, and their aliases."""

from __future__ import annotations

import argparse
import dataclasses
import time
from typing import Any

from onifast_shared.ctl import recipients
from onifast_shared.ctl.tools import (
    DONE,
    NOTHING,
    add,
    complain,
    how_many,
    known_user,
    opened,
    outcome,
    read,
    show_rows,
    show_values,
    write,
)
from onifast_shared.db.database import Connection
from onifast_shared.domain_dns import gather, look
from onifast_shared.domain_dns.records import RecordState
from onifast_shared.limits import consumption
from onifast_shared.limits.consumption import Consumption
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import domains
from onifast_shared.recipients.domains import DomainFilter
from onifast_shared.values.address import parse_domain
from onifast_shared.values.paging import MOST_ROWS


def declare(area: Any) -> None:
    """Adds the commands to their area."""
    listing = add(area, "list", _list, "domain, owner, made, addresses, alias of")
    listing.add_argument("--owner", metavar="USER", help="only this user's")
    listing.add_argument("--q", metavar="TEXT", default="", help="only those that it is a part of, or of the owner")
    listing.add_argument("--limit", type=how_many, default=MOST_ROWS, help="the first so many by name")
    add(area, "show", _show, "a domain's owner, and what it uses", "domain")
    add(area, "dns", _dns, "what a domain should have in DNS: kind, state, type, name, value, what is wrong", "domain")
    add(area, "add", _add, "make a domain this server's, without an address yet", "domain", "owner")
    add(area, "owner", _owner, "give a domain to another user; its addresses stay whose they are", "domain", "owner")
    removing = add(area, "remove", _remove, "take a domain away; its mail stays, and its keys", "domain")
    removing.add_argument("--addresses", action="store_true", help="with its addresses, if it has any")
    recipients.declare_aliases(area)


def used(found: Consumption) -> dict[str, Any]:
    """What somebody uses, as it is shown."""
    return {
        "bytes": found.octets,
        "messages": found.messages,
        "quota": found.quota,
        "sent_today": found.sent._asdict(),
        "limits": [each._asdict() for each in found.limits],
    }


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    wanted = DomainFilter(arguments.owner, arguments.q)
    found = read(settings, lambda tx: domains.list_page(tx, None, wanted, arguments.limit))
    return show_rows(arguments, map(dataclasses.asdict, found.rows))


def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    domain = parse_domain(arguments.domain)
    row = read(settings, lambda tx: domains.find(tx, domain))
    if row is None:
        return complain(f"there is no domain {domain}", NOTHING)
    usage = read(settings, lambda tx: consumption.of_domain(tx, domain, settings, time.time()))
    return show_values(arguments, dataclasses.asdict(row) | used(usage))


def _dns(arguments: argparse.Namespace, settings: Settings) -> int:
    domain = parse_domain(arguments.domain)
    with opened(settings) as database:
        facts = gather.facts_of(database, settings, domain)
    found = look.look_now(settings, facts)
    show_rows(arguments, map(dataclasses.asdict if arguments.json else _line, found))
    return DONE if all(record.state == "good" for record in found if record.is_needed) else NOTHING


def _line(record: RecordState) -> dict[str, str]:
    return {
        "kind": record.kind,
        "state": record.state,
        "type": record.type,
        "name": record.name,
        "value": record.value,
        "problem": record.problem,
    }


def _add(arguments: argparse.Namespace, settings: Settings) -> int:
    domain = parse_domain(arguments.domain)
    known_user(settings, arguments.owner)
    return outcome(write(settings, lambda tx: domains.add(tx, domain, arguments.owner)), f"{domain} is here already")


def _owner(arguments: argparse.Namespace, settings: Settings) -> int:
    domain = parse_domain(arguments.domain)
    known_user(settings, arguments.owner)
    changed = write(settings, lambda tx: domains.set_owner(tx, domain, arguments.owner))
    return outcome(changed, f"there is no domain {domain}")


def _remove(arguments: argparse.Namespace, settings: Settings) -> int:
    domain = parse_domain(arguments.domain)

    def remove(tx: Connection) -> str:
        row = domains.find(tx, domain)
        if row is None:
            return f"there is no domain {domain}"
        if row.addresses and not arguments.addresses:
            return f"{domain} still has addresses ({row.addresses}); --addresses removes them with it"
        domains.remove(tx, domain)
        return ""

    problem = write(settings, remove)
    return outcome(not problem, problem)
