"""The commands of onifast-mailctl about how connections to other sites are protected."""

from __future__ import annotations

import argparse
from typing import Any

from onifast_shared.ctl.tools import add, how_many, outcome, read, show_rows, write
from onifast_shared.machine.config import Settings
from onifast_shared.tls import history as tls_history
from onifast_shared.tls import results as tls_results
from onifast_shared.tls import sts_policies
from onifast_shared.tls.history import TlsMemory
from onifast_shared.values import times
from onifast_shared.values.address import parse_domain


def declare(area: Any) -> None:
    """Adds the commands to their area."""
    listing = add(
        area,
        "list",
        _list,
        "domain, best TLS seen, last seen good; then, of a downgrade: connections, when, level, server, why",
    )
    listing.add_argument("--downgraded", action="store_true", help="only domains that have less now than they had")
    listing.add_argument("--limit", type=how_many, default=500, help="so many (%(default)s)")
    add(area, "forget", _forget, "forget that a domain had good TLS, since you know why it has less", "domain")
    add(area, "policies", _policies, "domain, mode, last confirmed, expires: the MTA-STS policies that are kept")
    add(area, "reports", _reports, "day, domain, place, state, trouble: the TLS reports that were sent")


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    found = read(settings, lambda tx: tls_history.list_all(tx, downgraded=arguments.downgraded, limit=arguments.limit))
    return show_rows(arguments, map(_memory, found))


def _memory(item: TlsMemory) -> dict[str, Any]:
    return {
        "domain": item.domain,
        "level": item.level,
        "good_at": times.rfc3339(item.good_ts),
        "downgrades": item.downgrades,
        "downgraded_at": times.rfc3339(item.downgraded_ts) if item.downgraded_ts else None,
        "downgraded_level": item.downgraded_level,
        "downgraded_host": item.downgraded_host,
        "downgraded_why": item.downgraded_why,
    }


def _forget(arguments: argparse.Namespace, settings: Settings) -> int:
    domain = parse_domain(arguments.domain)
    return outcome(write(settings, lambda tx: tls_history.forget(tx, domain)), f"nothing is remembered of {domain}")


def _policies(arguments: argparse.Namespace, settings: Settings) -> int:
    return show_rows(
        arguments,
        (
            {
                "domain": item.domain,
                "mode": item.mode,
                "fetched_at": times.rfc3339(item.fetched_ts),
                "expires_at": times.rfc3339(item.expires_ts),
            }
            for item in read(settings, sts_policies.list_all)
        ),
    )


def _reports(arguments: argparse.Namespace, settings: Settings) -> int:
    return show_rows(
        arguments,
        (
            {
                "day": item.day,
                "domain": item.policy_domain,
                "place": item.uri,
                "state": item.state,
                "detail": item.detail,
            }
            for item in read(settings, tls_results.list_reports)
        ),
    )
