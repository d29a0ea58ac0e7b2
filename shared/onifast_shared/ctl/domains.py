"""The commands of onifast-mailctl about domains: whose they are, what they use, and their aliases."""

from __future__ import annotations

import argparse
import dataclasses
import sys
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
from onifast_shared.domain_dns import checks, gather, look, zone
from onifast_shared.domain_dns.records import RecordState
from onifast_shared.limits import consumption
from onifast_shared.limits.consumption import Consumption
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import domains
from onifast_shared.recipients.domains import DomainFilter, DomainRow
from onifast_shared.values import times
from onifast_shared.values.address import parse_domain
from onifast_shared.values.paging import MOST_ROWS


def declare(area: Any) -> None:
    """Adds the commands to their area."""
    listing = add(area, "list", _list, "domain, owner, made, addresses, alias of, MTA-STS policy, DNS, looked at")
    listing.add_argument("--owner", metavar="USER", help="only this user's")
    listing.add_argument("--q", metavar="TEXT", default="", help="only those that it is a part of, or of the owner")
    listing.add_argument("--limit", type=how_many, default=MOST_ROWS, help="the first so many by name")
    add(area, "show", _show, "a domain's owner, and what it uses", "domain")
    records = add(
        area, "dns", _dns, "what a domain should have in DNS: kind, state, type, name, value, what is wrong", "domain"
    )
    records.add_argument("--zone", action="store_true", help="print the records as lines of a zone file")
    add(area, "add", _add, "make a domain this server's, without an address yet", "domain", "owner")
    add(area, "owner", _owner, "give a domain to another user; its addresses stay whose they are", "domain", "owner")
    mode = add(area, "mta-sts", _mta_sts, "which MTA-STS policy is served for a domain", "domain")
    mode.add_argument("mode", choices=(*domains.MTA_STS_MODES, "default"), help="default is the setting's")
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
    return show_rows(arguments, map(_domain_row, found.rows))


def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    domain = parse_domain(arguments.domain)
    row = read(settings, lambda tx: domains.find(tx, domain))
    if row is None:
        return complain(f"there is no domain {domain}", NOTHING)
    usage = read(settings, lambda tx: consumption.of_domain(tx, domain, settings, time.time()))
    return show_values(arguments, _domain_row(row) | used(usage))


def _domain_row(row: DomainRow) -> dict[str, Any]:
    values = dataclasses.asdict(row)
    checked = values.pop("dns_checked_ts")
    return values | {"dns_checked_at": None if checked is None else times.rfc3339(checked)}


def _dns(arguments: argparse.Namespace, settings: Settings) -> int:
    domain = parse_domain(arguments.domain)
    with opened(settings) as database:
        facts = gather.facts_of(database, settings, domain)
        found = look.look_now(settings, facts)
        database.write(lambda tx: checks.remember(tx, domain, checks.judged(found, time.time())))
    if arguments.zone:
        sys.stdout.write(zone.fragment(domain, found))
        return DONE
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


def _mta_sts(arguments: argparse.Namespace, settings: Settings) -> int:
    domain = parse_domain(arguments.domain)
    mode = "" if arguments.mode == "default" else arguments.mode
    return outcome(write(settings, lambda tx: domains.set_mta_sts(tx, domain, mode)), f"there is no domain {domain}")


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
