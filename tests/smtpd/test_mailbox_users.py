"""Mailbox users over SMTP: real sessions that log in, send and receive by address."""

from __future__ import annotations

import time

import pytest
from onifast_shared.accounts import app_passwords, mailbox_users, passwords
from onifast_shared.accounts.audit import Actor
from onifast_shared.db.database import Connection
from onifast_shared.recipients import addresses, mailbox_changes
from onifast_shared.recipients.mailbox_changes import Change
from onifast_shared.values.address import Address
from onifast_smtpd.clients.client import Service
from onifast_smtpd.sessions import handler
from sqlite_shell import run

from .conftest import PASSWORDS
from .helpers import HERE, OUTSIDE, SmtpClient, World, plain
from .scram_client import log_in, server_first

ANN = Address.parse("ann@here.test")
SECRET = "ann's own secret"
WRONG = "535 5.7.8 authentication credentials invalid"
CHANGE = Change(Actor("user:alice"), time.time())


@pytest.fixture
def ann(world: World) -> str:
    """The account of a mailbox user of alice's."""

    def make(tx: Connection) -> str:
        addresses.add(tx, ANN, "alice")
        return mailbox_users.create(tx, ANN, "alice", passwords.hashed(SECRET), time.time()).account

    return world.database.write(make)


async def submission(world: World) -> SmtpClient:
    client = await world.client(HERE, Service.SUBMISSION)
    await client.say("EHLO client.test")
    return client


async def guess(world: World, name: str, password: str) -> str:
    async with await submission(world) as client:
        return await client.say("AUTH PLAIN " + plain(name, password))


async def test_they_log_in_by_address_and_send_from_it_alone(world: World, ann: str) -> None:
    async with await submission(world) as client:
        assert (await client.say("AUTH PLAIN " + plain("Ann@HERE.test", SECRET))).startswith("235 2.7.0")
        assert (
            await client.deliver("ann@here.test", "you@remote.test", message=b"Subject: x\r\n\r\nx\r\n")
        ).startswith("250")
        for foreign in ("alice@here.test", "bob@here.test", "anything@here.test", "you@remote.test"):
            assert (await client.say(f"MAIL FROM:<{foreign}>")).startswith("553 5.7.1"), foreign
    (row,) = world.database.read(lambda tx: tx.execute("SELECT owner, submitted_by FROM outbox").fetchall())
    assert row == (ann, f"user:{ann}")


async def test_a_refusal_names_them_by_their_address(world: World, ann: str) -> None:
    async with await submission(world) as client:
        await client.say("AUTH PLAIN " + plain("ann@here.test", SECRET))
        reply = await client.say("MAIL FROM:<alice@here.test>")
    assert "ann@here.test" in reply and "mailbox:" not in reply


async def test_what_they_send_counts_for_them_and_their_panel_user(world: World, ann: str) -> None:
    async with await submission(world) as client:
        await client.say("AUTH PLAIN " + plain("ann@here.test", SECRET))
        await client.deliver("ann@here.test", "you@remote.test", message=b"Subject: x\r\n\r\nx\r\n")
    sql = "SELECT name FROM sending_usage WHERE scope = 'user' ORDER BY name"
    assert world.database.read(lambda tx: tx.execute(sql).fetchall()) == [("alice",), (ann,)]


@pytest.mark.parametrize("name", ["alice", "alice@here.test", "ann"])
async def test_neither_password_opens_the_others_account(world: World, ann: str, name: str) -> None:
    assert await guess(world, name, SECRET) == WRONG
    assert await guess(world, "ann@here.test", PASSWORDS["alice"]) == WRONG
    assert await guess(world, ann, SECRET) == WRONG


async def test_an_app_password_and_an_own_password_work_with_scram(world: World, ann: str) -> None:
    made, _ = world.database.write(lambda tx: app_passwords.create(tx, ann, None, "Phone", time.time()))
    assert (await guess(world, "ann@here.test", SECRET)).startswith("235")  # from then on there is a verifier
    for password in (made.reveal(), SECRET):
        async with await submission(world) as client:
            assert (await log_in(client, "ann@here.test", password)).startswith("235 2.7.0")


async def test_scram_tells_no_difference_between_addresses_of_the_domain(world: World, ann: str) -> None:
    world.database.write(lambda tx: app_passwords.create(tx, ann, None, "Phone", time.time()))
    async with await submission(world) as client:
        shown = {await server_first(client, f"{local}@here.test") for local in ("ann", "alice", "zzz")}
    assert len(shown) == 1


async def test_the_same_hashes_are_computed_whoever_an_address_is_of(
    world: World, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    verify = passwords.verify

    def counted(password: str, stored: str, *, allow_plaintext: bool) -> bool:
        checked.append(stored[:7])
        return verify(password, stored, allow_plaintext=allow_plaintext)

    monkeypatch.setattr(passwords, "verify", counted)
    world.database.write(lambda tx: mailbox_users.create(tx, Address.parse("bob@here.test"), "bob", None, time.time()))
    counts = []
    for name in ("ann@here.test", "alice@here.test", "bob@here.test", "zzz@here.test", "zzz@elsewhere.test"):
        checked.clear()
        await guess(world, name, "wrong password")
        counts.append(sorted(checked))
    assert len(counts[0]) == 2 and counts == [counts[0]] * 5


async def test_failures_count_for_the_mailbox_user_and_not_for_the_panel_user(world: World, ann: str) -> None:
    for _ in range(5):
        assert await guess(world, "ann@here.test", "wrong") == WRONG
    assert (await guess(world, "ANN@here.test", SECRET)).startswith("454 4.7.0 too many failures")
    assert (await guess(world, "alice", PASSWORDS["alice"])).startswith("235")


@pytest.mark.parametrize("how", ["reset", "disable", "address", "panel user"])
async def test_a_session_ends_when_they_are_shut_out(
    world: World, ann: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "LOGIN_CHECKED_EVERY", 0.0)
    made, _ = world.database.write(lambda tx: app_passwords.create(tx, ann, None, "Phone", time.time()))
    user = world.database.read(lambda tx: mailbox_users.find(tx, ann))
    assert user is not None
    async with await submission(world) as client:
        assert (await client.say("AUTH PLAIN " + plain("ann@here.test", made.reveal()))).startswith("235")
        if how == "reset":
            world.database.write(lambda tx: mailbox_changes.reset_password(tx, CHANGE, user, None))
        elif how == "disable":
            world.database.write(lambda tx: mailbox_changes.set_disabled(tx, CHANGE, user, disabled=True))
        elif how == "address":
            run(world.settings.database, "UPDATE mail_addresses SET owner = 'bob' WHERE address = 'ann@here.test';")
        else:
            (world.settings.users_dir / "alice.json").unlink()
        assert (await client.say("MAIL FROM:<ann@here.test>")).startswith("421 ")
    assert await guess(world, "ann@here.test", made.reveal()) == WRONG


async def test_mail_from_outside_is_theirs_with_tags_and_without(world: World, ann: str) -> None:
    async with await world.client(OUTSIDE) as client:
        await client.say("EHLO client.test")
        for recipient in ("ann@here.test", "Ann+list@here.test"):
            reply = await client.deliver("x@remote.test", recipient, message=b"From: x@remote.test\r\n\r\nx\r\n")
            assert reply.startswith("250"), reply
    owners = world.database.read(lambda tx: tx.execute("SELECT DISTINCT owner FROM emails").fetchall())
    assert owners == [(ann,)]


async def test_mail_that_is_on_its_way_when_they_are_removed_is_their_heirs(world: World, ann: str) -> None:
    user = world.database.read(lambda tx: mailbox_users.find(tx, ann))
    assert user is not None
    async with await world.client(OUTSIDE) as client:
        await client.say("EHLO client.test")
        await client.say("MAIL FROM:<x@remote.test>")
        await client.say("RCPT TO:<ann@here.test>")
        world.database.write(lambda tx: mailbox_changes.remove(tx, CHANGE, user, "owner"))
        assert (await client.send_message(b"From: x@remote.test\r\n\r\nx\r\n")).startswith("250")
    assert world.database.read(lambda tx: tx.execute("SELECT owner FROM emails").fetchall()) == [("alice",)]


async def test_a_php_program_of_the_panel_user_still_sends_as_the_address(world: World, ann: str) -> None:
    async with await submission(world) as client:
        await client.say("AUTH PLAIN " + plain("alice", PASSWORDS["alice"]))
        assert (await client.say("MAIL FROM:<ann@here.test>")).startswith("250")
