"""Mail from outside: checked, and put into the mailboxes."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import Awaitable, Callable
from email import message_from_bytes

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from onifast_shared.mailboxes import mailbox
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address

from fakes.certificates import Certificate
from fakes.dns import DnsServer, Failure

from .conftest import HASTE
from .helpers import MESSAGE, World

Start = Callable[..., Awaitable[World]]

KEY = rsa.generate_private_key(65537, 2048)


def signed(message: bytes, *, key: rsa.RSAPrivateKey = KEY, canonicalize: bytes = b"relaxed/relaxed") -> bytes:
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    modes = tuple(canonicalize.split(b"/"))
    signature: bytes = dkim.sign(message, b"sel", b"remote.test", pem, canonicalize=modes)
    return signature + message


def public_record(key: rsa.RSAPrivateKey = KEY) -> str:
    der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode()


async def delivered(
    world: World, message: bytes = MESSAGE, sender: str = "someone@remote.test", folder: str = "inbox"
) -> str:
    """Delivers a message to alice from outside; her copy, its header fields unfolded."""
    async with await world.client() as client:
        reply = await client.deliver(sender, "alice@here.test", message=message)
    assert reply.startswith("250 2.0.0"), reply
    return unfolded(world.inbox("alice", folder)[-1])


def unfolded(raw: bytes) -> str:
    return re.sub(r"\r\n[ \t]+", " ", raw.decode())


async def test_mail_to_a_local_address_lies_in_the_inbox_when_250_is_said(world: World) -> None:
    async with await world.client() as client:
        reply = await client.deliver("someone@remote.test", "alice@here.test")
        [message] = world.inbox("alice")
    assert reply.startswith("250 2.0.0 message accepted, queued as ")
    assert message.endswith(MESSAGE)


async def test_trace_headers_stand_on_top_in_the_order_of_their_making(world: World) -> None:
    raw = await delivered(world)
    names = [line.partition(":")[0] for line in raw.split("\r\n")]
    assert names[:5] == ["Return-Path", "Delivered-To", "Authentication-Results", "Received-SPF", "Received"]


async def test_received_tells_where_the_message_came_from(world: World) -> None:
    raw = await delivered(world)
    assert re.search(
        r"^Received: from client\.test \(\[127\.0\.0\.9\]\) by mail\.host\.test \(onifast-mail\) with ESMTP"
        r" id [0-9a-z]{12}\.1 for <alice@here\.test>; \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000\r$",
        raw,
        re.MULTILINE,
    )


async def test_received_over_tls_names_protocol_and_cipher(certificate: Certificate, world: World) -> None:
    async with await world.client() as client:
        await client.say("EHLO client.test")
        await client.start_tls()
        await client.deliver("someone@remote.test", "alice@here.test")
    assert re.search(
        r"with ESMTPS id \S+ for <alice@here.test> tls TLS_\w+ \(TLSv1.3\);", unfolded(world.inbox("alice")[0])
    )


async def test_each_recipient_gets_a_copy_with_its_own_return_path_and_delivered_to(world: World) -> None:
    async with await world.client() as client:
        await client.deliver("someone@remote.test", "alice@here.test", "bob@second.test", "bob@here.test")
    [alices] = map(message_from_bytes, world.inbox("alice"))
    bobs = [message_from_bytes(raw)["Delivered-To"] for raw in world.inbox("bob")]
    assert (alices["Return-Path"], alices["Delivered-To"]) == ("<someone@remote.test>", "alice@here.test")
    assert bobs == ["bob@second.test", "bob@here.test"]
    assert " for <" not in alices["Received"]


async def test_the_null_sender_is_taken_and_stored_as_such(world: World) -> None:
    assert (await delivered(world, sender="")).startswith("Return-Path: <>\r\n")


async def test_leading_dots_survive(world: World) -> None:
    body = b"From: a@remote.test\r\nSubject: dots\r\n\r\n.\r\n..\r\n.hidden\r\nend.\r\n"
    await delivered(world, body)
    assert world.inbox("alice")[0].endswith(body)


async def test_an_spf_pass_is_recorded_with_the_message(world: World) -> None:
    raw = await delivered(world)
    assert "spf=pass smtp.mailfrom=someone@remote.test" in raw
    assert "\r\nReceived-SPF: pass (mail.host.test: domain of someone@remote.test designates 127.0.0.9" in raw
    assert 'client-ip=127.0.0.9; envelope-from="someone@remote.test"; helo=client.test; receiver=mail.host.test' in raw
    row = world.database.read(lambda tx: mailbox.list_page(tx, "alice", "inbox").rows[0])
    assert row.authentication["spf"] == "pass"


async def test_an_spf_fail_is_only_noted_by_default(world: World) -> None:
    assert "spf=fail" in await delivered(world, sender="boss@forged.test")


async def test_an_spf_fail_is_refused_where_the_setting_says_so(start: Start) -> None:
    world = await start(spf_fail="reject")
    async with await world.client() as client:
        reply = await client.deliver("boss@forged.test", "alice@here.test")
    assert reply.startswith("550 5.7.23 SPF validation failed")
    assert world.inbox("alice") == []


async def test_a_null_sender_is_checked_by_its_helo_name(world: World) -> None:
    async with await world.client() as client:
        await client.say("EHLO remote.test", "MAIL FROM:<>", "RCPT TO:<alice@here.test>")
        await client.send_message()
    assert "spf=pass smtp.helo=remote.test" in unfolded(world.inbox("alice")[0])


@pytest.mark.parametrize("canonicalization", [b"simple/simple", b"relaxed/relaxed", b"relaxed/simple"])
async def test_a_good_dkim_signature_passes(world: World, dns: DnsServer, canonicalization: bytes) -> None:
    dns.set("sel._domainkey.remote.test", "TXT", public_record())
    raw = await delivered(world, signed(MESSAGE, canonicalize=canonicalization))
    assert re.search(r"dkim=pass \(2048-bit key\) header.d=remote.test header.s=sel header.b=[\w+/]{8}", raw)


async def test_a_changed_message_fails_dkim(world: World, dns: DnsServer) -> None:
    dns.set("sel._domainkey.remote.test", "TXT", public_record())
    raw = await delivered(world, signed(MESSAGE).replace(b"Text", b"Next"))
    assert "dkim=fail (body hash does not match) header.d=remote.test" in raw


async def test_a_signature_by_another_key_fails_dkim(world: World, dns: DnsServer) -> None:
    dns.set("sel._domainkey.remote.test", "TXT", public_record(rsa.generate_private_key(65537, 1024)))
    assert "dkim=fail (signature does not verify)" in await delivered(world, signed(MESSAGE))


async def test_a_missing_dkim_key_is_a_permanent_error(world: World) -> None:
    assert "dkim=permerror (no public key in DNS)" in await delivered(world, signed(MESSAGE))


async def test_a_malformed_dkim_signature_is_a_permanent_error(world: World) -> None:
    assert "dkim=permerror" in await delivered(world, b"DKIM-Signature: nonsense\r\n" + MESSAGE)


async def test_a_name_server_that_fails_makes_temperror(world: World, dns: DnsServer) -> None:
    dns.fail("remote.test", Failure.SERVFAIL)
    dns.fail("sel._domainkey.remote.test", Failure.SERVFAIL)
    raw = await delivered(world, signed(MESSAGE))
    assert "spf=temperror" in raw
    assert "dkim=temperror" in raw


async def test_a_dead_name_server_costs_one_timeout_and_never_the_message(hasty: World, dns: DnsServer) -> None:
    dns.fail("remote.test", Failure.SILENT)
    dns.fail("sel._domainkey.remote.test", Failure.SILENT)
    begin = time.monotonic()
    raw = await delivered(hasty, signed(signed(MESSAGE)))
    assert time.monotonic() - begin < 2 * HASTE
    assert "spf=temperror" in raw
    assert raw.count("dkim=temperror") == 2


async def test_names_of_the_client_that_cannot_be_looked_up_do_not_match(world: World, dns: DnsServer) -> None:
    dns.set("remote.test", "TXT", "v=spf1 ptr -all")
    dns.set("9.0.0.127.in-addr.arpa", "PTR", "mx.remote.test")
    dns.fail("mx.remote.test", Failure.SERVFAIL)
    assert "spf=fail" in await delivered(world)


async def test_other_sessions_are_served_while_one_waits_for_dns(hasty: World, dns: DnsServer) -> None:
    dns.fail("remote.test", Failure.SILENT)
    waiting = asyncio.create_task(delivered(hasty))
    async with await hasty.client() as client:
        await client.say("EHLO client.test")
        assert not waiting.done()
    await waiting


async def test_results_that_claim_to_be_ours_are_removed_and_foreign_ones_kept(world: World) -> None:
    forged = b"Authentication-Results: MAIL.host.test; spf=pass\r\n smtp.mailfrom=boss@here.test\r\n"
    commented = b"Authentication-Results: (really) mail.host.test/1; dkim=pass\r\n"
    versioned = b"Authentication-Results: (really) mail.host.test 1; dkim=pass\r\n"
    foreign = b"Authentication-Results: mx.other.test; spf=pass\r\n"
    raw = await delivered(world, forged + versioned + foreign + commented + MESSAGE)
    assert "boss@here.test" not in raw
    assert "mail.host.test 1" not in raw
    assert "Authentication-Results: mx.other.test; spf=pass\r\n" in raw


async def test_a_message_that_goes_round_is_stopped(world: World) -> None:
    async with await world.client() as client:
        reply = await client.deliver("a@remote.test", "alice@here.test", message=b"Received: x\r\n" * 51 + MESSAGE)
        assert reply.startswith("554 5.4.6 ")
        reply = await client.deliver("a@remote.test", "alice@here.test", message=b"Received: x\r\n" * 50 + MESSAGE)
        assert reply.startswith("250 2.0.0 ")


async def test_a_header_section_without_end_is_refused(world: World) -> None:
    async with await world.client() as client:
        message = b"X-Padding: " + b"x" * 80 + b"\r\n"
        reply = await client.deliver("a@remote.test", "alice@here.test", message=message * 12_000)
    assert reply.startswith("552 5.3.4 header section exceeds")


async def test_a_return_path_that_the_message_brings_is_dropped(world: World) -> None:
    raw = await delivered(world, b"Return-Path: <forged@here.test>\r\n" + MESSAGE)
    assert raw.count("Return-Path:") == 1
    assert "forged" not in raw


async def test_a_large_signed_message_passes_dkim(world: World, dns: DnsServer) -> None:
    dns.set("sel._domainkey.remote.test", "TXT", public_record())
    large = MESSAGE + (b"some  words \t and  \r\n" * 40_000) + b"\r\n\r\n"
    assert "dkim=pass" in await delivered(world, signed(large))


async def test_a_large_message_comes_through_whole(world: World) -> None:
    large = MESSAGE + b"x" * 70 + b"\r\n" + b"\r\n".join(b"%07d " % n + b"y" * 60 for n in range(60_000)) + b"\r\n"
    async with await world.client() as client:
        await client.deliver("someone@remote.test", "alice@here.test", message=large)
    assert world.inbox("alice")[0].endswith(large)


async def test_a_message_without_any_header_is_taken(world: World) -> None:
    assert (await delivered(world, b"\r\njust text\r\n", folder="junk")).endswith("\r\n\r\njust text\r\n")


async def test_an_address_is_known_from_the_next_rcpt_on(world: World) -> None:
    async with await world.client() as client:
        await client.say("EHLO client.test", "MAIL FROM:<a@remote.test>")
        assert (await client.say("RCPT TO:<new@fresh.test>")).startswith("554 5.7.1")
        world.database.write(lambda tx: addresses.add(tx, Address.parse("new@fresh.test"), "bob"))
        assert (await client.say("RCPT TO:<new@fresh.test>")).startswith("250 2.1.5")


@pytest.mark.parametrize("line", [b"From a@remote.test Mon Nov 30 10:00:00 2026\r\n", b">From a Mon\r\n"])
async def test_the_line_of_a_mailbox_file_is_dropped_and_breaks_no_signature(
    world: World, dns: DnsServer, line: bytes
) -> None:
    dns.set("sel._domainkey.remote.test", "TXT", public_record())
    came = await delivered(world, line + signed(MESSAGE))
    assert "dkim=pass" in came and line.decode() not in came
    page = world.database.read(lambda tx: mailbox.list_page(tx, "alice", "inbox"))
    assert page.rows[0].subject == "hello"
