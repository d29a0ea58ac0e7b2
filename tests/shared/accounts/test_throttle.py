"""Guessing slowed down: waits that grow, and places that guess for many names."""

from __future__ import annotations

from onifast_shared.accounts import throttle
from onifast_shared.db.database import Database

NOW = 1_800_000_000.0
PLACE = "smtp 192.0.2.7"


def fail(database: Database, name: str, place: str = PLACE, now: float = NOW) -> int:
    return database.write(lambda tx: throttle.record_failure(tx, [f"{place} {name}"], now))


def place_blocked(database: Database, place: str = PLACE, now: float = NOW) -> int:
    return database.read(lambda tx: throttle.sprayer_blocked_for(tx, place, now))


def test_failures_are_counted_for_the_key_that_has_most(database: Database) -> None:
    assert [fail(database, "ann") for _ in range(3)] == [1, 2, 3]
    assert database.write(lambda tx: throttle.record_failure(tx, [f"{PLACE} ann", f"{PLACE} bob"], NOW)) == 4
    assert database.write(lambda tx: throttle.record_failure(tx, [f"{PLACE} bob"], NOW)) == 2


def test_the_answer_to_a_wrong_password_comes_later_each_time_up_to_a_limit() -> None:
    assert [throttle.delay_after(failures, 0.5) for failures in (1, 2, 3, 4, 5, 99)] == [0.5, 1, 2, 4, 4, 4]
    assert throttle.delay_after(9, 0) == 0


def test_a_place_that_fails_for_many_names_is_not_heard_for_longer_each_time(database: Database) -> None:
    for number in range(throttle.FREE_NAMES - 1):
        fail(database, f"user{number}")
    assert place_blocked(database) == 0
    fail(database, "one-more")
    assert place_blocked(database) == throttle.FIRST_WAIT
    fail(database, "and-another")
    assert place_blocked(database) == 2 * throttle.FIRST_WAIT
    assert place_blocked(database, now=NOW + 2 * throttle.FIRST_WAIT) == 0


def test_a_program_that_fails_for_one_name_shuts_out_nobody_else(database: Database) -> None:
    for _ in range(100):
        fail(database, "ann")
    assert place_blocked(database) == 0


def test_places_whose_names_begin_alike_are_told_apart(database: Database) -> None:
    for number in range(throttle.FREE_NAMES):
        fail(database, f"user{number}", "smtp unix:site77")
    assert place_blocked(database, "smtp unix:site7") == 0
    assert place_blocked(database, "smtp unix:site77") > 0


def test_names_are_forgotten_after_an_hour(database: Database) -> None:
    for number in range(throttle.FREE_NAMES):
        fail(database, f"user{number}")
    later = NOW + throttle.FORGET_AFTER + 1
    fail(database, "one-more", now=later)
    assert place_blocked(database, now=later) == 0
