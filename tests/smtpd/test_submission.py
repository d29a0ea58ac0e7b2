"""Submitted mail: completed, attributed, its senders made real, and queued."""

from __future__ import annotations

import os
import pwd
from collections.abc import Awaitable, Callable
from email import message_from_bytes
from email.message import Message
from ipaddress import ip_network

import pytest
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address
from onifast_smtpd.clients.client import Service

from .conftest import PASSWORDS
from .helpers import HERE, OUTSIDE, SmtpClient, World

Start = Callable[..., Awaitable[World]]

ME = pwd.getpwuid(os.getuid()).pw_name


async def login(world: World, user: str) -> SmtpClient:
    client = await world.client(HERE, Service.SUBMISSION)
    assert (await client.log_in(user, PASSWORDS[user])).startswith("235 2.7.0")
    return client


async def relayed(world: World, message: bytes, sender: str = "a@remote.test") -> Message:
    """Sends a message from this machine; as it lies in the queue."""
    async with await world.client(HERE) as client:
        assert (await client.deliver(sender, "you@remote.test", message=message)).startswith("250 2.0.0")
    return message_from_bytes(world.queue()[-1]["raw"])


async def test_a_submission_is_queued_for_every_recipient_local_ones_too(world: World) -> None:
    async with await login(world, "alice") as client:
        await client.deliver("alice@here.test", "you@remote.test", "bob@here.test", message=b"Subject: s\r\n\r\nx\r\n")
    rows = world.queue()
    assert [row["recipient"] for row in rows] == ["you@remote.test", "bob@here.test"]
    assert {(row["sender"], row["owner"], row["origin"], row["submitted_by"], row["subject"]) for row in rows} == {
        ("alice@here.test", "alice", "smtp", "user:alice", "s")
    }
    assert world.inbox("bob") == []


async def test_a_submission_is_completed_and_loses_its_bcc(world: World) -> None:
    async with await login(world, "alice") as client:
        await client.deliver("alice@here.test", "you@remote.test", message=b"Bcc: secret@remote.test\r\n\r\nx\r\n")
    message = message_from_bytes(world.queue()[0]["raw"])
    assert message["From"] == "alice@here.test"
    assert message["Message-ID"].endswith("@mail.host.test>")
    assert message["Date"]
    assert message["Bcc"] is None


async def test_received_of_a_submission_says_that_its_sender_logged_in(world: World) -> None:
    async with await login(world, "alice") as client:
        await client.deliver("alice@here.test", "you@remote.test", message=b"Subject: s\r\n\r\nx\r\n")
    assert " with ESMTPA id " in message_from_bytes(world.queue()[0]["raw"])["Received"].replace("\r\n\t", " ")


@pytest.mark.parametrize("sender", ["bob@here.test", "alice@remote.test", "webmaster@mail.host.test"])
async def test_a_user_sends_from_no_address_but_his_own(world: World, sender: str) -> None:
    async with await login(world, "alice") as client:
        assert (await client.say(f"MAIL FROM:<{sender}>")).startswith(f"553 5.7.1 <{sender}>")


@pytest.mark.parametrize(
    ("header", "reply"),
    [
        (b"From: Bob <bob@here.test>", "553 5.7.1 <bob@here.test>"),
        (b"From: alice@here.test, bob@here.test", "553 5.7.1 <bob@here.test>"),
        (b"From: alice@here.test\r\nFrom: bob@here.test", "550 5.6.0"),
        (b"From: alice@here.test\r\nFrom: Alice <alice@here.test>", "250 2.0.0"),
        (b"From: nobody in particular", "250 2.0.0"),
        (b"From: nobody in particular, bob@here.test", "553 5.7.1 <bob@here.test>"),
        (b"From: bob@here.te st", "550 5.6.0"),
        (b"From: bob\0@here.test", "553 5.7.1 <bob@here.test>"),
        (b'From: "bob@here.test" <alice@here.test>', "250 2.0.0"),
        (b"From: Alice\r\n <ALICE@here.test>", "250 2.0.0"),
    ],
)
async def test_a_users_from_header_is_held_to_his_addresses(world: World, header: bytes, reply: str) -> None:
    async with await login(world, "alice") as client:
        message = header + b"\r\n\r\nx\r\n"
        assert (await client.deliver("alice@here.test", "you@remote.test", message=message)).startswith(reply)


async def test_an_administrator_may_use_any_address(world: World) -> None:
    async with await login(world, "chief") as client:
        message = b"From: bob@here.test\r\n\r\nx\r\n"
        assert (await client.deliver("alice@here.test", "you@remote.test", message=message)).startswith("250 2.0.0")


async def test_a_user_may_send_a_notification_with_the_null_sender(world: World) -> None:
    async with await login(world, "alice") as client:
        message = b"From: alice@here.test\r\n\r\nx\r\n"
        assert (await client.deliver("", "you@remote.test", message=message)).startswith("250 2.0.0")
    assert world.queue()[0]["sender"] == ""


async def test_mail_of_this_machine_is_attributed_to_the_unix_user_of_the_socket(world: World) -> None:
    await relayed(world, b"Subject: s\r\n\r\nx\r\n")
    [row] = world.queue()
    assert (row["submitted_by"], row["owner"]) == (f"unix:{ME}", None)


async def test_a_unix_user_with_addresses_owns_his_mail(world: World) -> None:
    world.database.write(lambda tx: addresses.add(tx, Address.parse("site@here.test"), ME))
    await relayed(world, b"Subject: s\r\n\r\nx\r\n")
    assert world.queue()[0]["owner"] == ME


async def test_mail_of_a_trusted_network_is_attributed_to_its_address(start: Start) -> None:
    world = await start(trusted_networks=(ip_network(f"{OUTSIDE}/32"),))
    async with await world.client(OUTSIDE) as client:
        await client.deliver("a@remote.test", "you@remote.test")
    assert world.queue()[0]["submitted_by"] == OUTSIDE


@pytest.mark.parametrize("sender", ["webmaster@localhost", "webmaster", "WebMaster@LocalHost.LocalDomain"])
async def test_a_sender_at_localhost_becomes_a_role_of_this_host(world: World, sender: str) -> None:
    message = await relayed(world, f"From: The Site <{sender}>\r\n\r\nx\r\n".encode(), sender)
    assert message["From"] == "The Site <webmaster@mail.host.test>"
    assert world.queue()[0]["sender"] == "webmaster@mail.host.test"


async def test_a_sender_that_is_no_role_becomes_the_webmaster(world: World) -> None:
    await relayed(world, b"\r\nx\r\n", "php-fpm-site7@localhost")
    assert world.queue()[0]["sender"] == "webmaster@mail.host.test"


async def test_a_sender_at_localhost_becomes_the_address_of_the_unix_user_who_has_one(world: World) -> None:
    world.database.write(lambda tx: addresses.add(tx, Address.parse("site@here.test"), ME))
    message = await relayed(world, b"From: root (Cron Daemon)\r\nSender: root@localhost\r\n\r\nx\r\n", "root")
    assert world.queue()[0]["sender"] == "site@here.test"
    assert (message["From"], message["Sender"]) == ("site@here.test (Cron Daemon)", "site@here.test")


async def test_a_sender_at_localhost_becomes_the_address_of_who_logged_in(world: World) -> None:
    async with await login(world, "bob") as client:
        message = b"From: webmaster@localhost\r\n\r\nx\r\n"
        reply = await client.deliver("webmaster@localhost", "you@remote.test", message=message)
    assert reply.startswith("250 2.0.0")
    assert world.queue()[0]["sender"] == "bob@here.test"
    assert message_from_bytes(world.queue()[0]["raw"])["From"] == "bob@here.test"


async def test_a_real_sender_of_this_machine_stays(world: World) -> None:
    message = await relayed(world, b"From: A <a@remote.test>\r\n\r\nx\r\n", "b@remote.test")
    assert (message["From"], world.queue()[0]["sender"]) == ("A <a@remote.test>", "b@remote.test")


async def test_outsiders_gain_nothing_by_a_sender_at_localhost(world: World) -> None:
    async with await world.client() as client:
        reply = await client.deliver("webmaster@localhost", "alice@here.test")
    assert reply.startswith("250 2.0.0")
    assert world.inbox("alice")[0].startswith(b"Return-Path: <webmaster@localhost>\r\n")


@pytest.mark.parametrize("recipient", ["root", "root@localhost"])
async def test_what_this_machine_sends_to_root_is_for_this_host(world: World, recipient: str) -> None:
    async with await world.client(HERE) as client:
        await client.deliver("root", recipient)
    assert world.queue()[0]["recipient"] == "root@mail.host.test"


async def test_bare_line_ends_of_a_script_are_repaired(world: World) -> None:
    message = await relayed(world, b"Subject: sloppy\nX-Mailer: PHP\n\nline\n.\nnext\r\n")
    assert world.queue()[0]["raw"].endswith(b"\r\n\r\nline\r\n.\r\nnext\r\n")
    assert message["X-Mailer"] == "PHP"


@pytest.mark.parametrize(("text", "kind"), [("plain", "7BIT"), ("ümlaut", "8BITMIME")])
async def test_the_queue_knows_whether_a_message_is_seven_bit(world: World, text: str, kind: str) -> None:
    await relayed(world, f"Subject: s\r\n\r\n{text}\r\n".encode())
    assert world.queue()[0]["body_type"] == kind


async def test_smtputf8_is_asked_of_the_next_hop_only_where_something_needs_it(world: World) -> None:
    async with await world.client(HERE) as client:
        await client.say("EHLO x", "MAIL FROM:<a@remote.test> SMTPUTF8", "RCPT TO:<you@remote.test>")
        await client.send_message(b"Subject: s\r\n\r\nx\r\n")
        await client.say("MAIL FROM:<a@remote.test> SMTPUTF8", "RCPT TO:<jörg@remote.test>")
        await client.send_message(b"Subject: s\r\n\r\nx\r\n")
    assert [row["smtputf8"] for row in world.queue()] == [0, 1]
    assert b"with UTF8SMTP id" in world.queue()[0]["raw"]


@pytest.mark.parametrize("line", [b"From alice@here.test Mon Nov 30 10:00:00 2026\r\n", b">From alice Mon\r\n"])
async def test_the_line_of_a_mailbox_file_is_dropped_and_ends_no_header(world: World, line: bytes) -> None:
    letter = b"From: a@remote.test\r\nSubject: s\r\nX-Kept: y\r\n\r\nFrom here on, text.\r\n"
    message = await relayed(world, line + letter)
    assert (message["Subject"], message["X-Kept"]) == ("s", "y")
    raw = world.queue()[-1]["raw"]
    assert line not in raw and raw.endswith(b"\r\n\r\nFrom here on, text.\r\n")
