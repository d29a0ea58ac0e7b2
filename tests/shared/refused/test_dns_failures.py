"""The clocks of DNS look-ups that fail: since when, whose, and how many at the most."""

from __future__ import annotations

import pytest
from onifast_shared.db.database import Database
from onifast_shared.refused import dns_failures
from onifast_shared.refused.dns_failures import BREAK

NOW = 1_800_000_000
ONE, TWO = "one.a.test TXT", "two.a.test A"


def note(database: Database, *lookups: str, now: float = NOW, organization: str = "a.test") -> None:
    database.write(lambda tx: dns_failures.note(tx, lookups, organization, now))


def since(database: Database, *lookups: str, now: float = NOW) -> dict[str, int]:
    return database.read(lambda tx: dns_failures.since(tx, lookups, now))


def test_a_clock_starts_with_the_first_failure(database: Database) -> None:
    assert since(database, ONE) == {}
    note(database, ONE)
    note(database, ONE, TWO, now=NOW + 100)
    assert since(database, ONE, TWO, "three.a.test TXT", now=NOW + 200) == {ONE: NOW, TWO: NOW + 100}


def test_it_goes_on_as_long_as_failures_follow_each_other(database: Database) -> None:
    for count in range(4):
        note(database, ONE, now=NOW + count * BREAK)
    assert since(database, ONE, now=NOW + 4 * BREAK) == {ONE: NOW}


def test_it_begins_anew_after_a_break(database: Database) -> None:
    note(database, ONE)
    assert since(database, ONE, now=NOW + BREAK + 1) == {}
    note(database, ONE, now=NOW + BREAK + 1)
    assert since(database, ONE, now=NOW + BREAK + 1) == {ONE: NOW + BREAK + 1}


def test_an_answer_stops_it(database: Database) -> None:
    note(database, ONE, TWO)
    database.write(lambda tx: dns_failures.forget(tx, [ONE, "three.a.test TXT"]))
    assert database.read(dns_failures.known) == {TWO}


def test_those_that_nobody_asked_for_long_are_forgotten(database: Database) -> None:
    note(database, ONE)
    note(database, TWO, now=NOW + 100)
    database.write(lambda tx: dns_failures.sweep(tx, NOW + BREAK + 50))
    assert database.read(dns_failures.known) == {TWO}


def test_an_organization_has_so_many_and_leaves_room_for_others(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns_failures, "MOST_EACH", 3)
    note(database, *(f"{number}.evil.test TXT" for number in range(10)), organization="evil.test")
    note(database, ONE)
    assert len(database.read(dns_failures.known)) == 4


def test_all_together_have_so_many_and_the_old_ones_go_on(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_failures, "MOST", 3)
    note(database, ONE)
    for number in range(10):
        note(database, f"{number}.test TXT", organization=f"{number}.test", now=NOW + 100)
    note(database, ONE, now=NOW + 200)
    assert len(database.read(dns_failures.known)) == 3
    assert since(database, ONE, now=NOW + 200) == {ONE: NOW}
