"""Addresses that exist beside RFC 5321's grammar: taken from outside and from our own users, and never confused."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable

import pytest
from onifast_shared.queue import suppressions
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address

from fakes.dns import DnsServer

from .conftest import PASSWORDS
from .helpers import HERE, SmtpClient, World

Start = Callable[..., Awaitable[World]]

ODD = ["a..b@docomo.test", ".a@docomo.test", "a.@docomo.test", "a@under_score.test", "a@-x-.test", "a@docomo.test."]


async def deliver(world: World, sender: str, author: str, recipient: str = "<alice@here.test>") -> str:
    async with await world.client() as client:
        reply = await client.say("EHLO x", f"MAIL FROM:{sender}", f"RCPT TO:{recipient}")
        if not reply.startswith("250 "):
            return reply
        return await client.send_message(f"From: {author}\r\nSubject: s\r\n\r\nx\r\n".encode())


@pytest.mark.parametrize("address", ODD)
@pytest.mark.parametrize("brackets", ["<{}>", "{}"])
async def test_no_message_is_refused_or_junk_for_the_form_of_its_sender(
    world: World, address: str, brackets: str
) -> None:
    assert (await deliver(world, brackets.format(address), f"Ann <{address}>")).startswith("250 2.0.0")
    (message,) = world.inbox("alice")
    assert f"Return-Path: <{Address.parse(address)}>\r\n".encode() in message


async def test_the_form_of_an_author_is_no_way_around_dmarc(world: World, dns: DnsServer) -> None:
    dns.set("_dmarc.bank.test", "TXT", "v=DMARC1; p=reject")
    for author in ("boss..x@bank.test", "boss@bank.test.", "boss@in_side.bank.test", '"boss"."x"@bank.test'):
        assert (await deliver(world, "<x@evil.test>", author)).startswith("550 5.7.1 DMARC"), author


async def test_spf_knows_domains_with_underscores(world: World, dns: DnsServer) -> None:
    dns.set("under_score.test", "TXT", "v=spf1 ip4:127.0.0.9 -all")
    await deliver(world, "a..b@under_score.test.", "a..b@under_score.test")
    (message,) = world.inbox("alice")
    assert b"Received-SPF: pass" in message


async def test_a_recipient_with_a_dot_more_is_another_one(world: World) -> None:
    for recipient in ("<.alice@here.test>", ".alice@here.test", '<"alice."@here.test>', "<al..ice@here.test>"):
        assert (await deliver(world, "<x@y.test>", "x@y.test", recipient)).startswith("550 5.1.1"), recipient
    world.database.write(lambda tx: tx.execute("INSERT INTO mail_addresses VALUES ('.alice@here.test','','','bob','')"))
    for recipient in (".alice@here.test", '<".Alice"@here.test.>', "<.alice@here.test>"):
        assert (await deliver(world, "<x@y.test>", "x@y.test", recipient)).startswith("250 "), recipient
    assert (await deliver(world, "<x@y.test>", "x@y.test", "alice@here.test.")).startswith("250 ")
    assert (len(world.inbox("bob")), len(world.inbox("alice"))) == (3, 1)


async def test_no_form_of_an_address_relays(world: World) -> None:
    for recipient in ("x@y.test", "x@y.test.", "<x@here.test.y.test>", '"alice@here.test"@y.test', "<x%y.test@z.test>"):
        assert (await deliver(world, "<x@y.test>", "x@y.test", recipient)).startswith("554 5.7.1"), recipient


async def login(world: World) -> SmtpClient:
    client = await world.client(HERE)
    secret = b64encode(f"\0alice\0{PASSWORDS['alice']}".encode()).decode()
    assert (await client.say("EHLO x", f"AUTH PLAIN {secret}")).startswith("235")
    return client


async def test_what_our_users_send_there_is_queued_in_one_form(world: World) -> None:
    async with await login(world) as client:
        for recipient in ("a..b@docomo.test", '<"a..b"@docomo.test.>', "a@under_score.test"):
            await client.say("MAIL FROM:alice@here.test.", f"RCPT TO:{recipient}")
            assert (await client.send_message(b"Subject: s\r\n\r\nx\r\n")).startswith("250 2.0.0")
    rows = world.queue()
    assert [row["recipient"] for row in rows] == ['"a..b"@docomo.test'] * 2 + ["a@under_score.test"]
    assert {row["sender"] for row in rows} == {"alice@here.test"}


async def test_nobody_sends_as_the_address_that_differs_by_a_dot(world: World) -> None:
    world.database.write(lambda tx: tx.execute("INSERT INTO mail_addresses VALUES ('.a@second.test','','','alice','')"))
    assert world.database.read(lambda tx: addresses.owns(tx, "alice", Address.parse('".a"@second.test')))
    async with await login(world) as client:
        assert (await client.say("MAIL FROM:.a@second.test")).startswith("250 ")
        await client.say("RSET")
        assert (await client.say("MAIL FROM:a@second.test")).startswith("553 5.7.1")


def test_suppressions_know_one_form(world: World) -> None:
    odd, plain = Address.parse('".A"@x.test'), Address.parse("a@x.test")
    world.database.write(lambda tx: suppressions.add(tx, "alice", Address.parse(".a@x.test."), "", 1000))
    found = world.database.read(lambda tx: suppressions.find(tx, "alice", [odd, plain], 1000))
    assert list(found) == [odd]


async def test_strictness_is_a_setting(start: Start) -> None:
    world = await start(address_syntax="strict")
    async with await world.client() as client:
        await client.say("EHLO x")
        for path in (*(f"<{address}>" for address in ODD), "x@y.test"):
            assert (await client.say(f"MAIL FROM:{path}")).startswith("501 "), path
        assert (await client.say("MAIL FROM:<x@y.test>", "RCPT TO:<alice@here.test.>")).startswith("501 5.1.3")
    assert (await deliver(world, '<"a..b"@docomo.test>', "x@y.test")).startswith("250 ")
