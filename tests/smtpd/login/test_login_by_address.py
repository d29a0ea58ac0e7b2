"""Logging in over SMTP with an e-mail address in a user's name's place."""

from __future__ import annotations

import asyncio
import base64
import time
from smtpd.conftest import PASSWORDS, write_user
from smtpd.helpers import HERE, SmtpClient, World, encoded, plain
from smtpd.scram_client import log_in, server_first

import pytest
from onifast_shared.accounts import app_passwords, passwords, throttle
from onifast_shared.db.database import Connection
from onifast_shared.recipients import addresses, forwards
from onifast_shared.values.address import Address
from onifast_smtpd.clients.client import Service
from sqlite_shell import run

WRONG = "535 5.7.8 authentication credentials invalid"


async def submission(world: World) -> SmtpClient:
    client = await world.client(HERE, Service.SUBMISSION)
    await client.say("EHLO client.test")
    return client


async def guess(world: World, name: str, password: str) -> str:
    async with await submission(world) as client:
        return await client.say("AUTH PLAIN " + plain(name, password))


async def test_an_address_logs_in_its_owner_who_sends_as_themselves(world: World) -> None:
    async with await submission(world) as client:
        assert (await client.say("AUTH PLAIN " + plain("Alice@Here.Test", PASSWORDS["alice"]))).startswith("235 2.7.0")
        sent = await client.deliver("alice@here.test", "you@remote.test", message=b"Subject: hi\r\n\r\nText.\r\n")
        assert sent.startswith("250 2.0.0")
    rows = world.database.read(lambda tx: tx.execute("SELECT owner, submitted_by FROM outbox").fetchall())
    assert rows == [("alice", "user:alice")]


async def test_login_takes_an_address_too(world: World) -> None:
    async with await submission(world) as client:
        await client.say("AUTH LOGIN " + encoded("bob@second.test"))
        assert (await client.say(encoded(PASSWORDS["bob"]))).startswith("235 2.7.0")


async def test_an_app_password_logs_in_by_address_with_scram(world: World) -> None:
    made, _ = world.database.write(lambda tx: app_passwords.create(tx, "alice", None, "Phone", time.time()))
    async with await submission(world) as client:
        assert (await log_in(client, "alice@here.test", made.reveal())).startswith("235 2.7.0")


async def test_a_panel_password_that_logged_in_by_address_works_with_scram(world: World) -> None:
    assert (await guess(world, "alice@here.test", PASSWORDS["alice"])).startswith("235")
    async with await submission(world) as client:
        assert (await log_in(client, "alice@here.test", PASSWORDS["alice"])).startswith("235 2.7.0")


async def test_an_exact_user_name_wins_over_an_address(world: World) -> None:
    write_user(world.settings.users_dir, "alice@here.test", "another secret")
    assert (await guess(world, "alice@here.test", "another secret")).startswith("235")
    assert await guess(world, "alice@here.test", PASSWORDS["alice"]) == WRONG


@pytest.mark.parametrize("typed", ["bob@xn--bcher-kva.test", "bob@bücher.test", "BOB@BÜCHER.test"])
async def test_an_international_domain_may_be_typed_in_each_of_its_forms(world: World, typed: str) -> None:
    world.database.write(lambda tx: addresses.add(tx, Address.parse("bob@bücher.test"), "bob"))
    assert (await guess(world, typed, PASSWORDS["bob"])).startswith("235")


@pytest.mark.parametrize(
    "typed",
    ["alice+tag@here.test", "anything@here.test", "*@here.test", "info@here.test", "alice@alias.test", "@here.test",
     "alice@", "alice@here.test, bob@here.test", "<alice@here.test>", "alice@here.test ", "../alice@here.test"],
)  # fmt: skip
async def test_no_tag_alias_or_catch_all_logs_anybody_in(world: World, typed: str) -> None:
    def write(tx: Connection) -> None:
        addresses.add(tx, Address.parse("*@here.test"), "alice")
        forwards.add(tx, Address.parse("info@here.test"), Address.parse("alice@here.test"), "alice")
        tx.execute("INSERT INTO domain_aliases (alias, domain) VALUES ('alias.test', 'here.test')")

    world.database.write(write)
    assert await guess(world, typed, PASSWORDS["alice"]) == WRONG


async def test_an_address_of_a_disabled_user_is_answered_as_one_of_nobodys(world: World) -> None:
    world.database.write(lambda tx: addresses.add(tx, Address.parse("gone@here.test"), "gone"))
    assert await guess(world, "gone@here.test", PASSWORDS["gone"]) == WRONG


async def test_an_address_in_two_spellings_with_two_owners_logs_nobody_in(world: World) -> None:
    run(world.settings.database, "INSERT INTO mail_addresses (address, owner) VALUES ('Alice@here.test', 'bob')")
    for name in ("alice", "bob"):
        assert await guess(world, "alice@here.test", PASSWORDS[name]) == WRONG


async def test_an_address_with_another_owner_by_plain_sql_is_that_owners_from_the_next_login_on(world: World) -> None:
    run(world.settings.database, "UPDATE mail_addresses SET owner = 'bob' WHERE address = 'alice@here.test'")
    assert await guess(world, "alice@here.test", PASSWORDS["alice"]) == WRONG
    assert (await guess(world, "alice@here.test", PASSWORDS["bob"])).startswith("235")


async def test_guesses_by_address_and_by_name_count_together(world: World) -> None:
    for number in range(throttle.FREE_FAILURES):
        assert await guess(world, ("bob", "bob@here.test", "BOB@second.test")[number % 3], "wrong") == WRONG
    for name in ("bob", "bob@here.test", "bob@second.test"):
        assert (await guess(world, name, PASSWORDS["bob"])).startswith("454 4.7.0 too many failures")


async def test_guesses_at_an_address_that_nobody_has_are_shut_out_after_as_many(world: World) -> None:
    replies = [await guess(world, "nobody@here.test", "wrong") for _ in range(throttle.FREE_FAILURES + 1)]
    assert replies[:-1] == [WRONG] * throttle.FREE_FAILURES
    assert replies[-1].startswith("454 4.7.0 too many failures")


async def test_scram_shows_no_difference_between_addresses_of_a_domain_that_exist_and_others(world: World) -> None:
    world.database.write(lambda tx: app_passwords.create(tx, "alice", None, "Phone", time.time()))
    async with await submission(world) as client:
        known, unknown = [await server_first(client, name) for name in ("alice@here.test", "zzz@here.test")]
    assert known == unknown


async def test_the_right_proof_for_the_salt_of_an_unknown_address_logs_nobody_in(world: World) -> None:
    made, _ = world.database.write(lambda tx: app_passwords.create(tx, "alice", None, "Phone", time.time()))
    async with await submission(world) as client:
        assert (await log_in(client, "zzz@here.test", made.reveal())).startswith("535")
    assert await guess(world, "zzz@here.test", made.reveal()) == WRONG


async def test_an_address_of_nobodys_costs_as_many_hashes_as_one_of_somebodys(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    verify = passwords.verify

    def counted(password: str, stored: str, *, allow_plaintext: bool) -> bool:
        checked.append(stored[:7])
        return verify(password, stored, allow_plaintext=allow_plaintext)

    monkeypatch.setattr(passwords, "verify", counted)
    counts = []
    for name in ("alice@here.test", "zzz@here.test", "alice@elsewhere.test"):
        checked.clear()
        await guess(world, name, "wrong")
        counts.append(list(checked))
    assert counts[0] and counts == [counts[0]] * 3


async def test_a_database_that_cannot_be_read_is_temporary_trouble(world: World) -> None:
    async with await submission(world) as client:
        await asyncio.to_thread(world.database.close)
        initial = base64.b64encode(b"\0alice@here.test\0x").decode()
        assert (await client.say("AUTH PLAIN " + initial)).startswith(("454 4.7.0", "421", "451"))
