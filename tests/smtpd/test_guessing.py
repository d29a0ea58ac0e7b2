"""Guessers are slowed down and shut out; nobody else notices them, and slow hashes delay no other session."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import argon2
import pytest
from onifast_shared.accounts import throttle
from onifast_shared.machine.config import Settings
from onifast_shared.recipients.login_directory import LoginDirectory
from onifast_smtpd.clients.client import Service
from onifast_smtpd.login import auth
from onifast_smtpd.login.auth import Authenticator

from .conftest import PASSWORDS
from .helpers import HERE, OUTSIDE, SmtpClient, World, plain
from .scram_client import log_in, server_first

Start = Callable[..., Awaitable[World]]

RIGHT = plain("alice", PASSWORDS["alice"])


class Pauses:
    """Notes how long it was asked to wait, and does not."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
async def watched(start: Start, pauses: Pauses) -> World:
    """A receiver with the setting's delay, whose pauses are noted."""
    world = await start(login_delay=1.0)
    world.receiver.authenticator.close()
    users = LoginDirectory(world.settings, world.database)
    world.receiver.authenticator = Authenticator(world.settings, world.database, users, pauses)
    return world


async def client_of(world: World, source: str = HERE) -> SmtpClient:
    client = await world.client(source, Service.SUBMISSION)
    await client.say("EHLO client.test")
    return client


async def guess(world: World, name: str, source: str = HERE, password: str = "wrong") -> str:
    async with await client_of(world, source) as client:
        return await client.say("AUTH PLAIN " + plain(name, password))


async def test_each_further_wrong_password_waits_longer_for_its_answer(watched: World, pauses: Pauses) -> None:
    for _ in range(throttle.FREE_FAILURES):
        await guess(watched, "alice")
    assert pauses.seconds == [1, 2, 4, 8, 8]


async def test_a_wrong_proof_waits_as_a_wrong_password_does(watched: World, pauses: Pauses) -> None:
    for name in ("alice", "nobody"):
        async with await client_of(watched) as client:
            await log_in(client, name, "wrong")
    assert pauses.seconds == [1, 1]


async def test_a_right_password_and_a_client_that_is_shut_out_do_not_wait(watched: World, pauses: Pauses) -> None:
    await guess(watched, "bob", password=PASSWORDS["bob"])
    for _ in range(throttle.FREE_FAILURES):
        await guess(watched, "alice")
    await guess(watched, "alice")
    assert len(pauses.seconds) == throttle.FREE_FAILURES


async def test_a_client_that_fails_for_many_names_is_shut_out_for_all_and_nobody_else_is(start: Start) -> None:
    world = await start(allow_insecure_auth="always")
    for number in range(throttle.FREE_NAMES):
        assert (await guess(world, f"user{number}", OUTSIDE)).startswith("535")
    assert (await guess(world, "alice", OUTSIDE, PASSWORDS["alice"])).startswith("454 4.7.0 too many failures")
    assert (await guess(world, "alice", "127.0.0.10", PASSWORDS["alice"])).startswith("235")
    assert (await guess(world, "alice", HERE, PASSWORDS["alice"])).startswith("235")


async def test_guesses_at_once_are_not_heard_beyond_the_free_ones(world: World) -> None:
    replies = await asyncio.gather(*(guess(world, "alice") for _ in range(24)))
    heard = sum(reply.startswith("535") for reply in replies)
    assert throttle.FREE_FAILURES <= heard < throttle.FREE_FAILURES + auth.GUESSES_AT_ONCE
    assert all(reply.startswith("454 4.7.0 too many failures") for reply in replies if not reply.startswith("535"))


async def test_a_client_cannot_take_all_places_where_passwords_are_checked(start: Start, slow: str) -> None:
    world = await start(allow_insecure_auth="always")
    guesses = [asyncio.create_task(guess(world, f"{slow}{number}")) for number in range(auth.MAX_WAITING_EACH + 1)]
    done, _ = await asyncio.wait(guesses, return_when=asyncio.FIRST_COMPLETED)
    assert (await done.pop()).startswith("454 4.7.0 temporary authentication failure")
    for task in guesses:
        task.cancel()
    await asyncio.gather(*guesses, return_exceptions=True)


@pytest.fixture(scope="module")
def slow_hash() -> str:
    """A hash that takes a second or more."""
    return argon2.PasswordHasher(time_cost=16, memory_cost=64 * 1024, parallelism=1).hash("slow secret")


@pytest.fixture
def slow(smtpd_settings: Settings, slow_hash: str) -> str:
    """The name of a user with such a hash, and what more such names begin with."""
    for name in ("slow", *(f"slow{number}" for number in range(auth.MAX_WAITING_EACH + 1))):
        (smtpd_settings.users_dir / f"{name}.json").write_text(json.dumps({"password": slow_hash}))
    return "slow"


async def test_a_slow_hash_delays_no_other_session(world: World, slow: str) -> None:
    async with await client_of(world) as waiting, await client_of(world) as other:
        verdict = asyncio.create_task(waiting.say("AUTH PLAIN " + plain(slow, "slow secret")))
        assert (await other.say("AUTH PLAIN " + RIGHT)).startswith("235")
        sent = await other.deliver("alice@here.test", "you@remote.test", message=b"Subject: hi\r\n\r\nText.\r\n")
        assert sent.startswith("250 2.0.0")
        assert not verdict.done()
        assert (await verdict).startswith("235")


async def test_an_exchange_by_scram_waits_for_no_hash(world: World, slow: str) -> None:
    verdicts = []
    clients = [await client_of(world) for _ in range(auth.THREADS)]
    for client in clients:
        verdicts.append(asyncio.create_task(client.say("AUTH PLAIN " + plain(slow, "slow secret"))))
    async with await client_of(world) as other:
        assert (await log_in(other, "alice", "wrong")).startswith("535")
    assert not any(verdict.done() for verdict in verdicts)
    for reply in await asyncio.gather(*verdicts):
        assert reply.startswith("235")
    for client in clients:
        client.close()


@pytest.mark.parametrize("name", ["alice", "nobody"])
async def test_a_challenge_takes_its_time_whether_there_is_such_a_user_or_not(world: World, name: str) -> None:
    async with await client_of(world) as client:
        begin = asyncio.get_running_loop().time()
        await server_first(client, name)
        assert asyncio.get_running_loop().time() - begin >= auth.CHALLENGE_SECONDS


async def test_many_addresses_guessing_for_one_user_wait_together(start: Start) -> None:
    world = await start(allow_insecure_auth="always")
    sources = [f"127.0.1.{number}" for number in range(1, throttle.FREE_FOR_USER + 1)]
    for source in sources:
        assert (await guess(world, "alice", source)).startswith("535")
    assert (await guess(world, "Alice", "127.0.2.1")).startswith("454 4.7.0 too many failures")
    assert (await guess(world, "bob", "127.0.2.1", PASSWORDS["bob"])).startswith("235")


@pytest.mark.parametrize("home", [OUTSIDE, HERE])
async def test_they_keep_no_user_out_from_where_he_logged_in_before(start: Start, home: str) -> None:
    world = await start(allow_insecure_auth="always")
    assert (await guess(world, "alice", home, PASSWORDS["alice"])).startswith("235")
    for number in range(throttle.FREE_FOR_USER):
        await guess(world, "alice", f"127.0.1.{number + 1}")
    assert (await guess(world, "alice", "127.0.2.1", PASSWORDS["alice"])).startswith("454")
    assert (await guess(world, "alice", home, PASSWORDS["alice"])).startswith("235")


async def test_a_users_own_slips_at_home_do_not_count_against_other_places(start: Start) -> None:
    world = await start(allow_insecure_auth="always")
    await guess(world, "alice", OUTSIDE, PASSWORDS["alice"])
    for _ in range(throttle.FREE_FAILURES):
        await guess(world, "alice", OUTSIDE)
    assert world.database.read(lambda tx: throttle.has_failed(tx, ["user alice"])) is False


async def test_guesses_for_a_name_that_nobody_has_wait_alike(start: Start) -> None:
    world = await start(allow_insecure_auth="always")
    for number in range(throttle.FREE_FOR_USER):
        await guess(world, "nobody", f"127.0.1.{number + 1}")
    assert (await guess(world, "nobody", "127.0.2.1")).startswith("454 4.7.0 too many failures")
