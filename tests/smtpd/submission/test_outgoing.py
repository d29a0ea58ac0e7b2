"""Who may send as whom: Unix users held to their own addresses, programs that nobody knows, and warnings only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from smtpd.conftest import PASSWORDS
from smtpd.helpers import HERE, World

import pytest
from onifast_shared.limits import standings as limit_standings
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address
from onifast_smtpd.clients.client import Client, Origin, Service
from onifast_smtpd.protocol.command import Bare
from onifast_smtpd.protocol.command import Path as SenderPath
from onifast_smtpd.protocol.replies import Refused
from onifast_smtpd.submission.outgoing import Submitter

from peers import php

Start = Callable[..., Awaitable[World]]

LOCAL = Client(Service.MX, ip_address(HERE), 40000, is_loopback=True, is_trusted=False)


def program_of(unix_user: str | None) -> Origin:
    return Origin("s", replace(LOCAL, unix_user=unix_user), "client.test", extended=True)


async def begin(world: World, unix_user: str | None, path: SenderPath | str) -> Submitter:
    """What MAIL comes to for a local program of a Unix user; None is one that cannot be known."""
    sender = Address.parse(path) if isinstance(path, str) else path
    return await world.receiver.intake._outgoing.begin(program_of(unix_user), sender, "s.1")


async def refusal(world: World, unix_user: str | None, path: SenderPath | str) -> str:
    with pytest.raises(Refused) as caught:
        await begin(world, unix_user, path)
    return str(caught.value.reply)


async def test_a_unix_user_is_held_to_his_addresses_and_domains(start: Start) -> None:
    world = await start(unix_sender_domains="own")
    for own in ("alice@here.test", "ALICE@here.test"):
        assert (await begin(world, "alice", own)).owner == "alice"
    world.database.write(lambda tx: addresses.add(tx, Address.parse("info@shop.test"), "alice"))
    await begin(world, "alice", "anything@shop.test")
    for foreign in ("bob@here.test", "you@remote.test", "root@mail.host.test"):
        assert await refusal(world, "alice", foreign) == f"553 5.7.1 <{foreign}>: not an address of Unix user alice"


async def test_unix_users_are_not_held_to_anything_unless_a_setting_says_so(world: World) -> None:
    await begin(world, "alice", "you@remote.test")


@pytest.mark.parametrize("path", [Bare("webmaster"), Address("www-data", "localhost"), None])
async def test_what_is_rewritten_is_always_his(start: Start, path: SenderPath) -> None:
    world = await start(unix_sender_domains="own")
    await begin(world, "alice", path)
    await begin(world, "www-data", path)


async def test_root_sends_as_anybody(start: Start) -> None:
    world = await start(unix_sender_domains="own")
    await begin(world, "root", "you@remote.test")


@pytest.mark.parametrize(
    ("setting", "sender", "reply"),
    [
        ("accept", "you@remote.test", ""),
        ("hostname", "noreply@mail.host.test", ""),
        ("hostname", "you@remote.test", "553 5.7.1 <you@remote.test>: not an address of Unix user (unknown)"),
        ("refuse", "noreply@mail.host.test", "550 5.7.1 the Unix user of this program cannot be known"),
    ],
)
async def test_a_program_whose_user_cannot_be_known_fares_as_the_setting_says(
    start: Start, setting: str, sender: str, reply: str
) -> None:
    world = await start(unknown_unix_user=setting)
    if not reply:
        assert (await begin(world, None, sender)).owner is None
        return
    assert (await refusal(world, None, sender)).startswith(reply)


async def test_programs_that_nobody_knows_share_a_limit(start: Start) -> None:
    world = await start(limit_unix_messages_per_hour=5)
    (who, _) = (await begin(world, None, "you@remote.test")).subjects
    assert str(who) == "Unix user (unknown)"


async def test_a_foreign_sender_is_only_noted_where_the_setting_says_warn(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    world = await start(sender_ownership="warn")
    async with await world.client(HERE, Service.SUBMISSION) as client:
        await client.log_in("alice", PASSWORDS["alice"])
        message = b"From: bob@here.test\r\n\r\nx\r\n"
        with caplog.at_level("WARNING", "onifast.smtpd"):
            reply = await client.deliver("bob@here.test", "you@remote.test", message=message)
    assert reply.startswith("250 2.0.0")
    await world.receiver.deferred_writes.settled()
    [hit] = world.database.read(limit_standings.hits)
    assert (str(hit.subject), hit.counted, hit.times) == ("user alice", "foreign_sender", 1)
    assert "foreign-sender" in caplog.text
    assert "<bob@here.test>" in caplog.text


async def test_a_from_without_end_is_refused(world: World) -> None:
    async with await world.client(HERE, Service.SUBMISSION) as client:
        await client.log_in("alice", PASSWORDS["alice"])
        message = b"From: " + b"alice@here.test,\r\n " * 4000 + b"alice@here.test\r\n\r\nx\r\n"
        reply = await client.deliver("alice@here.test", "you@remote.test", message=message)
    assert reply.startswith("550 5.6.0 message has a From header that is too long")


async def test_a_foreign_sender_that_is_refused_is_noted_too(world: World) -> None:
    async with await world.client(HERE, Service.SUBMISSION) as client:
        await client.log_in("alice", PASSWORDS["alice"])
        assert (await client.say("MAIL FROM:<bob@here.test>")).startswith("553 5.7.1")
    await world.receiver.deferred_writes.settled()
    assert [hit.counted for hit in world.database.read(limit_standings.hits)] == ["foreign_sender"]


@pytest.mark.peers
@pytest.mark.root
async def test_one_sites_php_is_held_to_its_addresses_and_its_limit(start: Start, open_folder: Path) -> None:
    world = await start(unix_sender_domains="own", limit_unix_messages_per_hour=2)
    world.database.write(lambda tx: addresses.add(tx, Address.parse("info@shop.test"), "www-data"))
    site = open_folder / "site"
    site.mkdir()

    async def send(headers: str = "") -> php.Run:
        port = world.ports[Service.MX]
        return await asyncio.to_thread(
            php.mail, site, port, to="you@remote.test", headers=headers, host=HERE, user="www-data"
        )

    assert (await send()).status == 0
    [row] = world.queue()
    assert (row["submitted_by"], row["owner"], row["sender"]) == ("unix:www-data", "www-data", "info@shop.test")
    forged = await send("From: ceo@bank.test")
    assert forged.status == 1
    assert "553 5.7.1 <ceo@bank.test>: not an address of Unix user www-data" in forged.output
    assert (await send("From: sales@shop.test")).status == 0
    third = await send()
    assert third.status == 1
    assert "450 4.7.1 limit of 2 messages an hour for Unix user www-data is used up until " in third.output
    world.clock.advance(1800)
    assert (await send()).status == 0
    assert [row["origin"] for row in world.queue()].count("smtp") == 3
