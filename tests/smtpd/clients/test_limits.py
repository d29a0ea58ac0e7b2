"""Limits by address: how many sessions at one time, and how often."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from smtpd.helpers import HERE, OUTSIDE, SmtpClient, World

import pytest
from onifast_shared.machine.shared_counts import SharedTally
from onifast_smtpd.clients.client import Service
from onifast_smtpd.clients.limits import Rate
from onifast_smtpd.process import admission
from onifast_smtpd.process.processes import Shared

Start = Callable[..., Awaitable[World]]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for a slot."""
    monkeypatch.setattr(admission, "PATIENCE", 0.0)


async def busy(client: SmtpClient) -> None:
    """Has the client send a message, so that nobody sends it away."""
    said = await client.say("EHLO x", "MAIL FROM:<a@remote.test>", "RCPT TO:<alice@here.test>", "DATA")
    assert said.startswith("354 ")


async def test_one_address_has_its_share_of_sessions_and_others_have_theirs(start: Start) -> None:
    world = await start(max_connections_per_address=1)
    async with await world.client() as client:
        await busy(client)
        reader, writer = await world.connect()
        assert (await reader.read()).startswith(b"421 4.7.0 too many connections from your address")
        writer.close()
        async with await world.client("127.0.0.10"):
            pass


async def test_a_session_that_ended_is_not_counted_any_more(start: Start) -> None:
    world = await start(max_connections_per_address=1)
    for _ in range(3):
        async with await world.client() as client:
            await client.say("QUIT")
            assert await client.hung_up()


async def test_a_local_user_has_more_and_at_any_rate(start: Start) -> None:
    world = await start(max_connections_per_address=1, max_connection_rate=1)
    async with await world.client(HERE), await world.client(HERE), await world.client(HERE):
        pass


async def test_465_hangs_up_on_too_many_without_a_word_in_the_clear(start: Start) -> None:
    world = await start(max_connections_per_address=1)
    async with await world.client() as client:
        await busy(client)
        reader, writer = await world.connect(service=Service.SUBMISSIONS)
        assert await reader.read() == b""
        writer.close()


async def test_an_address_that_comes_too_often_is_turned_away(start: Start) -> None:
    world = await start(max_connection_rate=2)
    for _ in range(2):
        async with await world.client(OUTSIDE) as client:
            await client.say("QUIT")
    async with SmtpClient(*await world.connect(OUTSIDE)) as client:
        assert (await client.reply())[0].startswith("421 4.7.0 ")


async def test_who_waits_is_greeted_after_the_delay(start: Start) -> None:
    world = await start(banner_delay=0.2)
    began = time.monotonic()
    async with await world.client() as client:
        assert time.monotonic() - began >= 0.2
        assert (await client.say("NOOP")).startswith("250")


def test_a_rate_recovers_by_itself() -> None:
    rate = Rate(2)
    assert [rate.take("a", 0.0) for _ in range(3)] == [True, True, False]
    assert rate.take("b", 0.0)
    assert not rate.take("a", 29.0)
    assert rate.take("a", 30.0)
    assert not rate.take("a", 30.0)


def test_a_flood_of_addresses_takes_bounded_memory() -> None:
    rate = Rate(1)
    for number in range(3 * Rate.MOST):
        rate.take(number, float(number) / 1000)
    assert len(rate._levels) <= Rate.MOST


def test_a_tally_is_kept_by_all_processes_and_forgets_a_dead_one() -> None:
    shared = Shared(2)
    one, two = (shared.place(number, lambda: None).peers for number in range(2))
    bucket = one.bucket("x")
    assert two.bucket("x") == bucket
    one.add(bucket, 2)
    two.add(bucket, 3)
    assert (one.total(bucket), two.total(bucket)) == (5, 5)
    shared.clear(1)
    assert one.total(bucket) == 2
    one.add(bucket, -5)
    assert one.total(bucket) == 0
    shared.close()


def test_a_tally_is_no_larger_than_its_buckets() -> None:
    tally = Shared(1).place(0, lambda: None).peers
    for number in range(2 * SharedTally.BUCKETS):
        tally.add(tally.bucket(number), 1)
    assert sum(tally.total(bucket) for bucket in range(SharedTally.BUCKETS)) == 2 * SharedTally.BUCKETS
