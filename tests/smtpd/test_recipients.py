"""Recipients that are no mailboxes of their own: tags, aliases, forwards, rewritten senders; and full mailboxes."""

from __future__ import annotations

import re
import time
from email import message_from_bytes

import pytest
import sqlite_shell
from onifast_shared.db import shared_keys
from onifast_shared.values import srs
from onifast_shared.values.address import Address

from .helpers import HERE, MESSAGE, World

FORWARDS = """
    INSERT INTO mail_forwards (address, target, owner) VALUES
        ('team@here.test', 'alice@here.test', NULL), ('team@here.test', 'bob+team@here.test', NULL),
        ('alice@second.test', 'alice@elsewhere.test', 'alice'), ('alice@second.test', 'alice@here.test', NULL),
        ('bob@here.test', 'bob@elsewhere.test', NULL), ('bob@here.test', 'bob@here.test', NULL),
        ('away@here.test', 'gone@elsewhere.test', 'bob'),
        ('a@here.test', 'b@here.test', NULL), ('b@here.test', 'a@here.test', NULL);
    INSERT INTO domain_aliases (alias, domain) VALUES ('alias.test', 'here.test');
"""


@pytest.fixture
def world(world: World) -> World:
    """The receiver, with a panel's forwards."""
    sqlite_shell.run(world.database.path, FORWARDS)
    return world


async def rcpt(world: World, recipient: str, *, sender: str = "someone@remote.test", size: int = 0) -> str:
    async with await world.client() as client:
        return await client.say("EHLO c", f"MAIL FROM:<{sender}> SIZE={size} SMTPUTF8", f"RCPT TO:<{recipient}>")


async def deliver(world: World, *recipients: str, message: bytes = MESSAGE, sender: str = "someone@remote.test") -> str:
    async with await world.client() as client:
        return await client.deliver(sender, *recipients, message=message)


async def test_mail_with_a_tag_is_delivered_and_keeps_it_in_delivered_to(world: World) -> None:
    await deliver(world, "alice+shop@here.test")
    assert message_from_bytes(world.inbox("alice")[0])["Delivered-To"] == "alice+shop@here.test"
    assert sqlite_shell.run(world.database.path, "SELECT recipient FROM emails") == ["alice@here.test"]


async def test_an_alias_of_several_gives_each_one_copy(world: World) -> None:
    reply = await deliver(world, "team@here.test", "alice@here.test", "alice@alias.test")
    assert reply.startswith("250 2.0.0")
    assert (len(world.inbox("alice")), len(world.inbox("bob"))) == (1, 1)


async def test_a_forward_lies_in_the_queue_and_its_copy_in_the_inbox_when_250_is_said(world: World) -> None:
    await deliver(world, "alice@second.test")
    [row] = world.queue()
    assert row["recipient"] == "alice@elsewhere.test"
    assert re.fullmatch(r"SRS0=\w{8}=\w\w=remote\.test=someone@second\.test", row["sender"])
    assert (row["origin"], row["submitted_by"], row["owner"]) == ("forward", "forward:alice@second.test", "alice")
    assert row["subject"] == "hello"
    assert row["raw"].endswith(MESSAGE)
    assert row["raw"].startswith(b"Authentication-Results: mail.host.test;")
    assert len(world.inbox("alice")) == 1


async def test_a_forward_to_elsewhere_alone_is_taken_too(world: World) -> None:
    assert (await deliver(world, "away@here.test")).startswith("250 2.0.0 message accepted, queued as ")
    assert [row["recipient"] for row in world.queue()] == ["gone@elsewhere.test"]


async def test_a_forwarded_bounce_keeps_the_null_sender(world: World) -> None:
    await deliver(world, "away@here.test", sender="")
    assert world.queue()[0]["sender"] == ""


async def test_aliases_that_lead_in_a_circle_are_refused(world: World) -> None:
    assert (await rcpt(world, "a@here.test")).startswith("554 5.4.6")


async def test_a_message_that_comes_back_is_refused(world: World) -> None:
    for recipient in ("bob@here.test", "team@here.test"):
        been = b"Delivered-To: bob+team@here.test\r\nDelivered-To: bob@here.test\r\nDelivered-To: alice@here.test\r\n"
        assert (await deliver(world, recipient, message=been + MESSAGE)).startswith("554 5.4.6")
    assert (world.inbox("bob"), world.queue()) == ([], [])


async def test_whoever_has_not_had_the_message_gets_it(world: World) -> None:
    assert (await deliver(world, "team@here.test", message=b"Delivered-To: ALICE@here.test\r\n" + MESSAGE))[:3] == "250"
    assert (len(world.inbox("alice")), len(world.inbox("bob"))) == (0, 1)


async def test_more_than_fifty_hops_are_a_loop(world: World) -> None:
    assert (await deliver(world, "away@here.test", message=b"Received: x\r\n" * 51 + MESSAGE)).startswith("554 5.4.6")


def rewritten(world: World, text: str = "some one@remote.test", days_ago: int = 0) -> str:
    key = world.database.write(lambda tx: shared_keys.obtain(tx, shared_keys.SRS))
    local, _, domain = text.rpartition("@")
    return str(srs.rewrite(Address(local, domain), "here.test", key, time.time() - days_ago * 86400))


async def test_a_bounce_to_a_rewritten_sender_goes_on_to_the_real_one(world: World) -> None:
    await deliver(world, rewritten(world), sender="")
    [row] = world.queue()
    assert (row["sender"], row["recipient"], row["origin"]) == ("", '"some one"@remote.test', "forward")


async def test_a_bounce_passes_the_first_forwarder_by_srs1(world: World) -> None:
    await deliver(world, rewritten(world, "SRS0=HHHH=TT=origin.test=x@first.test"), sender="")
    assert world.queue()[0]["recipient"] == "SRS0=HHHH=TT=origin.test=x@first.test"


async def test_a_rewritten_sender_is_no_open_relay(world: World) -> None:
    address = rewritten(world)
    assert (await rcpt(world, address)).startswith("550 5.7.1")
    assert (await rcpt(world, address.replace("remote", "victim"), sender="")).startswith("550 5.1.1")
    assert (await rcpt(world, rewritten(world, days_ago=30), sender="")).startswith("550 5.7.1")
    assert (await rcpt(world, address.replace("here.test", "elsewhere.test"), sender="")).startswith("554 5.7.1")


async def test_quotas_are_told_at_rcpt(world: World) -> None:
    sqlite_shell.run(world.database.path, "INSERT INTO mail_quotas VALUES ('address', 'alice@here.test', 700);")
    assert (await rcpt(world, "alice@here.test")).startswith("250")
    assert (await rcpt(world, "alice@here.test", size=701)).startswith("552 5.2.2")
    assert (await rcpt(world, "alice+x@alias.test", size=701)).startswith("552 5.2.2")
    assert (await rcpt(world, "team@here.test", size=701)).startswith("552 5.2.2")
    await deliver(world, "alice@here.test")
    assert (await rcpt(world, "alice@here.test", size=100)).startswith("452 4.2.2")
    assert (await rcpt(world, "bob@here.test", size=701)).startswith("250")


async def test_a_message_whose_size_was_not_told_is_judged_when_it_is_there(world: World) -> None:
    sqlite_shell.run(world.database.path, "INSERT INTO mail_quotas VALUES ('owner', 'alice', 1000);")
    large = MESSAGE + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 20
    assert (await deliver(world, "alice@here.test", message=large)).startswith("552 5.2.2")
    assert world.inbox("alice") == []


async def test_what_is_removed_makes_room(world: World) -> None:
    sqlite_shell.run(world.database.path, "INSERT INTO mail_quotas VALUES ('owner', 'alice', 900);")
    await deliver(world, "alice@here.test")
    assert (await rcpt(world, "alice@here.test", size=800)).startswith("452 4.2.2")
    sqlite_shell.run(world.database.path, "DELETE FROM emails;")
    assert (await rcpt(world, "alice@here.test", size=800)).startswith("250")


async def test_a_full_mailbox_is_no_matter_for_clients_that_may_relay(world: World) -> None:
    sqlite_shell.run(world.database.path, "INSERT INTO mail_quotas VALUES ('owner', 'alice', 1);")
    async with await world.client(HERE) as client:
        assert (await client.deliver("bob@here.test", "alice@here.test")).startswith("250")
    assert [row["recipient"] for row in world.queue()] == ["alice@here.test"]


@pytest.mark.parametrize("local", ['"a b"', '"a\\"b@c"', "ärger", "用户"])
async def test_quoted_and_international_local_parts_survive(world: World, local: str) -> None:
    text = local.replace("'", "''")
    rows = f"('{text}@here.test', '{text}@elsewhere.test'), ('{text}@here.test', 'alice@here.test')"
    sqlite_shell.run(world.database.path, f"INSERT INTO mail_forwards (address, target) VALUES {rows};")
    async with await world.client() as client:
        await client.say("EHLO c", f"MAIL FROM:<{local}@remote.test> SMTPUTF8", f"RCPT TO:<{local}@here.test>")
        assert (await client.send_message()).startswith("250")
    [row] = world.queue()
    assert row["recipient"] == f"{local}@elsewhere.test"
    assert bool(row["smtputf8"]) is not local.isascii()
    async with await world.client() as client:
        await client.say("EHLO c", "MAIL FROM:<> SMTPUTF8", f"RCPT TO:<{row['sender']}>")
        assert (await client.send_message()).startswith("250")
    assert world.queue()[1]["recipient"] == f"{local}@remote.test"
