"""The list of suppressed recipients: whose they are, what ends them, and what is shown."""

from __future__ import annotations

import pytest
from onifast_shared.db.database import Database
from onifast_shared.queue import suppressions
from onifast_shared.values.address import Address
from onifast_shared.values.paging import CursorError

EVE, ADAM = Address.parse("Eve@there.test"), Address.parse("adam@there.test")
NOW, WEEK = 1_800_000_000, 7 * 86400


def bounce(database: Database, owner: str = "ann", recipient: Address = EVE, now: int = NOW) -> None:
    """A recipient that bounced, suppressed for a week."""
    database.write(
        lambda tx: suppressions.note_bounce(tx, owner, recipient, "550 5.1.1 unknown", now, until=now + WEEK)
    )


def found(database: Database, owner: str = "ann", now: int = NOW) -> set[Address]:
    """Those of Eve and Adam that are suppressed."""
    return set(database.read(lambda tx: suppressions.find(tx, owner, [EVE, ADAM], now)))


def test_a_bounce_suppresses_one_recipient_for_one_owner(database: Database) -> None:
    bounce(database)
    assert found(database) == {EVE}
    assert found(database, "bob") == set()


def test_case_does_not_matter(database: Database) -> None:
    bounce(database, recipient=Address.parse("EVE@There.test"))
    assert found(database) == {EVE}


def test_what_is_listed_is_an_address_again(database: Database) -> None:
    strange = Address.parse('"Some One"@There.test')
    bounce(database, recipient=strange)
    [row] = database.read(lambda tx: suppressions.list_page(tx, "ann", NOW)).rows
    assert row.recipient == '"some one"@there.test'
    assert database.write(lambda tx: suppressions.lift(tx, "ann", Address.parse(row.recipient)))


def test_it_ends_and_a_further_bounce_prolongs_it(database: Database) -> None:
    bounce(database)
    assert found(database, now=NOW + WEEK) == set()
    bounce(database, now=NOW + 10)
    assert found(database, now=NOW + WEEK) == {EVE}


def test_what_has_expired_is_swept(database: Database) -> None:
    bounce(database)
    bounce(database, recipient=ADAM, now=NOW + 10)
    assert database.write(lambda tx: suppressions.sweep(tx, NOW + WEEK)) == 1
    assert database.write(lambda tx: suppressions.sweep(tx, NOW + WEEK)) == 0


def test_a_delivery_ends_what_a_bounce_began_and_nothing_else(database: Database) -> None:
    bounce(database)
    database.write(lambda tx: suppressions.add(tx, "ann", ADAM, "a competitor", NOW))
    for recipient in (EVE, ADAM):
        database.write(lambda tx, each=recipient: suppressions.note_delivery(tx, "ann", each))  # type: ignore[misc]
    assert found(database) == {ADAM}


def test_what_somebody_wrote_has_no_end_and_outlives_bounces(database: Database) -> None:
    bounce(database)
    made = database.write(lambda tx: suppressions.add(tx, "ann", EVE, "a competitor", NOW))
    assert (made.origin, made.expires_ts) == ("manual", None)
    bounce(database, now=NOW + 1)
    assert database.read(lambda tx: suppressions.find(tx, "ann", [EVE], NOW + 100 * WEEK)) == {EVE: made}


def test_pages_go_from_the_newest_to_the_oldest(database: Database) -> None:
    for number in range(5):
        bounce(database, recipient=Address.parse(f"u{number}@there.test"))
    bounce(database, "bob")
    first = database.read(lambda tx: suppressions.list_page(tx, "ann", NOW, limit=3))
    rest = database.read(lambda tx: suppressions.list_page(tx, "ann", NOW, limit=3, cursor=first.next_cursor))
    assert [row.recipient[:2] for row in [*first.rows, *rest.rows]] == ["u4", "u3", "u2", "u1", "u0"]
    assert rest.next_cursor is None
    assert len(database.read(lambda tx: suppressions.list_page(tx, None, NOW)).rows) == 6
    with pytest.raises(CursorError):
        database.read(lambda tx: suppressions.list_page(tx, None, NOW, cursor="x"))


def test_why_says_when_and_what_was_answered(database: Database) -> None:
    bounce(database)
    [row] = database.read(lambda tx: suppressions.list_page(tx, "ann", NOW)).rows
    assert row.why("15 January 2027") == "mail to eve@there.test came back on 15 January 2027: 550 5.1.1 unknown"


@pytest.mark.parametrize(("reason", "more"), [("a competitor", ": a competitor"), ("", "")])
def test_why_says_that_somebody_wrote_it(database: Database, reason: str, more: str) -> None:
    made = database.write(lambda tx: suppressions.add(tx, "ann", EVE, reason, NOW))
    assert made.why("15 January 2027") == f"eve@there.test was suppressed on 15 January 2027{more}"
