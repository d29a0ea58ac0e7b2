"""What every claim asks and hardly anything changes: read as one row, so that a claim need not ask it bit by bit."""

from __future__ import annotations

from typing import Any, NamedTuple

from onifast_shared.db.database import Connection


class RoutingState(NamedTuple):
    """Two that are equal saw the same directory and relay. Of the rest they tell whether there is any.

    `directory` counts the changes of the tables that say which domains are ours, `relay` is the text of `mail_config`.
    """

    directory: int
    relay: str | None
    has_routes: int
    has_sources: int
    has_sandboxes: int
    has_hold_rules: int


def read(tx: Connection) -> RoutingState:
    """As this transaction sees it. Outbox, which keeps it, writes none of these tables itself."""
    row: tuple[Any, ...] = tx.execute(_STANDING).fetchall()[0]
    return RoutingState(*row)


_STANDING = """
    SELECT (SELECT version FROM directory_version),
           (SELECT group_concat(quote(key) || '=' || quote(value)) FROM mail_config),
           EXISTS (SELECT 1 FROM routes), EXISTS (SELECT 1 FROM source_addresses),
           EXISTS (SELECT 1 FROM sandbox_domains), EXISTS (SELECT 1 FROM hold_rules)
"""
