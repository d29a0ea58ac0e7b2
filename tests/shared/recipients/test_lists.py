"""Lists of addresses and domains: pages deep in them cost what the first costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from onifast_shared.db.database import Connection, Database
from onifast_shared.recipients import addresses, domains
from onifast_shared.recipients.addresses import AddressFilter
from onifast_shared.recipients.domains import DomainFilter


def plan(tx: Connection, run: Callable[[], object]) -> str:
    """How SQLite carries out the statement of `run`."""
    statements: list[tuple[str, Any]] = []

    def note(_cursor: Any, sql: str, bindings: Any) -> bool:
        statements.append((sql, bindings))
        return True

    tx.exec_trace = note
    run()
    tx.exec_trace = None
    [(sql, bindings)] = statements
    return " ".join(str(row[3]) for row in tx.execute(f"EXPLAIN QUERY PLAN {sql}", bindings))


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (AddressFilter(), "mail_addresses_key (<expr>>?)"),
        (AddressFilter(domain="b.test"), "mail_addresses_domain (<expr>=?)"),
        (AddressFilter(owner="ann"), "mail_addresses_owner (owner=?)"),
    ],
    ids=["all", "domain", "owner"],
)
def test_pages_of_addresses_are_read_from_an_index(database: Database, wanted: AddressFilter, index: str) -> None:
    found = database.read(lambda tx: plan(tx, lambda: addresses.list_page(tx, None, wanted, 10, "a@b.test")))
    assert f"SEARCH mail_addresses USING INDEX {index}" in found, found


def test_pages_of_domains_are_read_from_an_index(database: Database) -> None:
    found = database.read(lambda tx: plan(tx, lambda: domains.list_page(tx, None, DomainFilter(), 10, "b.test")))
    assert "SEARCH domains USING INDEX" in found and "TEMP B-TREE" not in found, found
    assert "mail_addresses_domain" in found, found
