"""Greylisting: who has to come back, and who does not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from smtpd.helpers import World

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.db.database import Connection, Database
from onifast_shared.refused import greylist
from onifast_shared.refused.greylist import GreylistEntry
from onifast_shared.values.address import Address
from onifast_smtpd.screening import screener
from onifast_smtpd.screening.greylisting import REFRESH, WINDOW, attempt, is_known, network, step
from onifast_smtpd.sessions.costs import MAX_ERRORS

Start = Callable[..., Awaitable[World]]

NOON = 1_800_000_000
CLIENT = ip_address("192.0.2.7")
ALICE = Address.parse("alice@here.test")
ANN = Address.parse("ann@remote.test")


def tried(database: Database, now: float, client: str = "192.0.2.7", sender: Address | None = ANN) -> int:
    return database.write(lambda tx: attempt(tx, ip_address(client), sender, ALICE, now, delay=300))


def test_a_first_attempt_has_to_wait() -> None:
    assert step(None, NOON, 300).wait == 300


def test_an_attempt_too_soon_is_told_the_rest() -> None:
    assert step(GreylistEntry(NOON, NOON), NOON + 100, 300).wait == 200


def test_an_attempt_after_the_wait_passes_and_proves_the_client() -> None:
    after = step(GreylistEntry(NOON, NOON), NOON + 300, 300)
    assert (after.wait, after.entry) == (0, GreylistEntry(NOON, NOON + 300, passed=True))


def test_who_comes_back_too_late_begins_anew() -> None:
    after = step(GreylistEntry(NOON, NOON), NOON + WINDOW + 1, 300)
    assert (after.wait, after.entry) == (300, GreylistEntry(NOON + WINDOW + 1, NOON + WINDOW + 1))


def test_a_proven_client_is_noted_once_a_day_only() -> None:
    proven = GreylistEntry(NOON, NOON, passed=True)
    assert step(proven, NOON + REFRESH - 1, 300).entry is proven
    assert step(proven, NOON + REFRESH, 300).entry.last_ts == NOON + REFRESH


@given(st.lists(st.integers(0, 100_000), max_size=20), st.integers(1, 3600))
def test_nobody_passes_before_the_wait_is_over_and_nobody_proven_waits(pauses: list[int], delay: int) -> None:
    entry, now = None, NOON
    for pause in pauses:
        now += pause
        before, after = entry, step(entry, now, delay)
        if after.wait == 0:
            assert before
            assert before.passed or now - before.first_ts >= delay
        assert not (before and before.passed and after.wait)
        entry = after.entry


@pytest.mark.parametrize(
    ("address", "shared"), [("192.0.2.7", "192.0.2.0/24"), ("2001:db8:1:2:3::4", "2001:db8:1:2::/64")]
)
def test_a_clients_neighbours_count_as_the_same(address: str, shared: str) -> None:
    assert network(ip_address(address)) == shared


def test_a_client_that_came_back_is_known_for_all_its_mail(database: Database) -> None:
    assert tried(database, NOON) == 300
    assert not database.read(lambda tx: is_known(tx, CLIENT))
    assert tried(database, NOON + 301, "192.0.2.200") == 0
    assert database.read(lambda tx: is_known(tx, CLIENT))
    assert not database.read(lambda tx: is_known(tx, ip_address("198.51.100.7")))


def test_another_sender_or_network_waits_for_itself(database: Database) -> None:
    tried(database, NOON)
    assert tried(database, NOON + 299, sender=None) == 300
    assert tried(database, NOON + 299, "198.51.100.7") == 300


def test_who_has_not_been_here_for_long_is_forgotten(database: Database) -> None:
    tried(database, NOON)
    tried(database, NOON + 301)
    tried(database, NOON, "198.51.100.7")
    database.write(lambda tx: greylist.sweep(tx, NOON + greylist.UNPROVEN_KEPT + 400))
    assert database.read(lambda tx: is_known(tx, CLIENT))
    database.write(lambda tx: greylist.sweep(tx, NOON + greylist.PROVEN_KEPT + 400))
    assert not database.read(lambda tx: is_known(tx, CLIENT))


def test_of_too_many_keys_the_oldest_that_did_not_come_back_go_first(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greylist, "MOST", 3)
    entries = {
        "old": GreylistEntry(1, 1),
        "older": GreylistEntry(0, 0),
        "proven": GreylistEntry(0, 0, passed=True),
        "a": GreylistEntry(2, 2),
    }

    def flood(tx: Connection) -> set[str]:
        for key, entry in entries.items():
            greylist.put(tx, key, entry)
        greylist.sweep(tx, 3)
        return {key for key in entries if greylist.get(tx, key)}

    assert database.write(flood) == {"old", "proven", "a"}


async def test_a_flood_of_attempts_is_swept_while_it_lasts(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(greylist, "MOST", 5)
    monkeypatch.setattr(screener, "SWEEP_AFTER", 4)
    world = await start(greylisting=True)
    async with await world.client() as client:
        await client.say("EHLO client.test", "MAIL FROM:<x@forged.test>")
        for number in range(16):
            assert (await client.say(f"RCPT TO:<alice+{number}@here.test>")).startswith("451 4.7.1 ")
    assert world.database.read(lambda tx: tx.execute("SELECT count(*) FROM greylist").fetchone()) == (6,)


async def test_who_is_put_off_too_often_in_one_session_has_to_go(start: Start) -> None:
    world = await start(greylisting=True)
    async with await world.client() as client:
        await client.say("EHLO client.test", "MAIL FROM:<x@forged.test>")
        replies = [await client.say(f"RCPT TO:<alice+{number}@here.test>") for number in range(MAX_ERRORS)]
        assert {reply[:10] for reply in replies} == {"451 4.7.1 "}
        assert (await client.reply())[0].startswith("421 4.7.0 too many errors")


async def test_more_recipients_than_fit_are_no_error(start: Start) -> None:
    world = await start(max_recipients=1)
    async with await world.client() as client:
        await client.say("EHLO client.test", "MAIL FROM:<x@forged.test>")
        replies = [await client.say(f"RCPT TO:<alice+{number}@here.test>") for number in range(MAX_ERRORS + 2)]
        assert {reply[:10] for reply in replies[1:]} == {"452 4.5.3 "}
        assert (await client.say("NOOP")).startswith("250 ")


async def rcpt(world: World, sender: str) -> str:
    async with await world.client() as client:
        return await client.say("EHLO client.test", f"MAIL FROM:<{sender}>", "RCPT TO:<alice@here.test>")


async def test_an_unknown_client_is_asked_to_come_back(start: Start) -> None:
    world = await start(greylisting=True)
    assert await rcpt(world, "x@forged.test") == (
        "451 4.7.1 greylisted: try again in 300 seconds, as every mail server does"
    )


async def test_a_client_that_came_back_gets_in(start: Start) -> None:
    world = await start(greylisting=True)
    await rcpt(world, "x@forged.test")
    world.database.write(lambda tx: tx.execute("UPDATE greylist SET first_ts = first_ts - 301"))
    assert (await rcpt(world, "x@forged.test")).startswith("250 ")
    assert (await rcpt(world, "other@forged.test")).startswith("250 ")


async def test_a_sender_whom_spf_knows_is_not_delayed(start: Start) -> None:
    world = await start(greylisting=True)
    async with await world.client() as client:
        assert (await client.deliver("someone@remote.test", "alice@here.test")).startswith("250 ")


async def test_nobody_is_greylisted_unless_the_setting_says_so(world: World) -> None:
    assert (await rcpt(world, "x@forged.test")).startswith("250 ")
