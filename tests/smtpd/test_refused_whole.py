"""Refused messages that are kept whole: which, for whom, how many, and how their recipients get them back."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from onifast_shared.accepting import rescue
from onifast_shared.accepting.rescue import RescueError
from onifast_shared.db.database import Connection
from onifast_shared.machine.setting_types import Listen, ScannerAddress
from onifast_shared.mailboxes import contents
from onifast_shared.recipients import addresses
from onifast_shared.refused import kept, refusals
from onifast_shared.refused.refusals import RefusalRow
from onifast_shared.values.address import Address

from fakes.milter import FakeMilter
from fakes.scanner import FakeScanner

from .helpers import World

Start = Callable[..., Awaitable[World]]

DAY = 86400.0
FORGED = (
    b"From: Bank <boss@strict.test>\r\nTo: alice@here.test\r\nSubject: Your contract\r\n"
    b"Authentication-Results: mail.host.test; dmarc=pass\r\n\r\nText of the contract.\r\n"
)
REJECTED = b'HTTP/1.1 200 OK\r\n\r\n{"action": "reject", "score": 30, "required_score": 15, "symbols": {}}'


async def refuse(
    world: World, *recipients: str, message: bytes = FORGED, source: str = "127.0.0.9", sender: str = "x@strict.test"
) -> str:
    """A message comes in that is refused; the reply, once its record is written."""
    async with await world.client(source) as client:
        reply = await client.deliver(sender, *(recipients or ("alice@here.test",)), message=message)
    await world.receiver.deferred_writes.settled()
    return reply


def rows(world: World, owner: str | None = None) -> list[RefusalRow]:
    return list(world.database.read(lambda tx: refusals.list_page(tx, owner)).rows)


def count(world: World, table: str = "refused_messages") -> int:
    return int(str(world.database.read(lambda tx: tx.execute(f"SELECT count(*) FROM {table}").get)))


def fetch_back(world: World, row: RefusalRow) -> int:
    return world.database.write(lambda tx: rescue.rescue(tx, row, world.settings, time.time()))


async def test_nothing_is_kept_by_default(world: World) -> None:
    assert (await refuse(world)).startswith("550 5.7.1 ")
    (row,) = rows(world)
    assert (row.kept, count(world), count(world, "contents")) == (None, 0, 0)


async def test_what_fails_dmarc_is_refused_and_can_be_fetched_back(start: Start) -> None:
    world = await start(refused_kept_whole=7 * DAY)
    assert (await refuse(world)).startswith("550 5.7.1 ")
    assert world.inbox("alice") == []
    (row,) = rows(world, "alice")
    assert row.kept is not None
    assert (row.kept.author, row.kept.subject) == ("Bank <boss@strict.test>", "Your contract")
    fetch_back(world, row)
    (raw,) = world.inbox("alice")
    assert raw.startswith(b"Return-Path: <x@strict.test>\r\nDelivered-To: alice@here.test\r\nAuthentication-Results: ")
    assert raw.endswith(b"\r\n\r\nText of the contract.\r\n")
    assert b"dmarc=fail" in raw and b"dmarc=pass" not in raw
    (row,) = rows(world, "alice")
    assert (row.kept, row.rescued_ts is not None, count(world)) == (None, True, 0)
    with pytest.raises(RescueError, match="already"):
        fetch_back(world, row)


async def test_no_filter_or_forward_acts_on_what_is_fetched_back(start: Start) -> None:
    world = await start(refused_kept_whole=7 * DAY)

    def forward(tx: Connection) -> None:
        for target in ("alice@here.test", "elsewhere@remote.test"):
            tx.execute("INSERT INTO mail_forwards (address, target) VALUES ('alice@here.test', ?)", (target,))

    world.database.write(forward)
    await refuse(world)
    fetch_back(world, rows(world, "alice")[0])
    assert len(world.inbox("alice")) == 1
    assert world.queue() == []
    assert world.database.read(lambda tx: tx.execute("SELECT judged FROM emails").get) == 1


async def test_what_the_junk_filter_refuses_is_kept(start: Start) -> None:
    with FakeScanner(REJECTED) as filter_:
        scanner = ScannerAddress("rspamd", "127.0.0.1", filter_.port)
        world = await start(refused_kept_whole=DAY, scanner=scanner, scanner_reject="reject")
        reply = await refuse(world, sender="someone@remote.test", message=FORGED.replace(b"strict", b"remote"))
    assert reply.startswith("550 5.7.1 message refused by the junk filter")
    assert rows(world)[0].kept is not None


@pytest.mark.parametrize("answer", [(b"y", b"554 5.7.1 Virus found\0"), (b"q", b"Virus found\0"), (b"d", b"")])
async def test_what_a_content_filter_objects_to_is_never_kept(start: Start, answer: tuple[bytes, bytes]) -> None:
    with FakeMilter({b"E": [answer, (b"c", b"")]}) as filter_:
        world = await start(refused_kept_whole=DAY, milters=(Listen("127.0.0.1", filter_.port),))
        assert (await refuse(world)).startswith("550 ")
    assert count(world) == 0


async def test_nothing_is_kept_for_who_reads_elsewhere(start: Start) -> None:
    world = await start(refused_kept_whole=DAY)
    sql = "INSERT INTO mail_forwards (address, target) VALUES ('away@here.test', 'x@remote.test')"
    world.database.write(lambda tx: tx.execute(sql))
    assert (await refuse(world, "away@here.test")).startswith("550 5.7.1 ")
    assert count(world) == 0


async def test_each_recipient_sees_and_gets_their_own(start: Start) -> None:
    world = await start(refused_kept_whole=DAY)
    await refuse(world, "alice@here.test", "bob@here.test", "alice+tag@here.test")
    assert [row.kept is not None for row in rows(world, "bob")] == [True]
    assert count(world) == 2
    fetch_back(world, rows(world, "bob")[0])
    assert [row.kept is not None for row in rows(world, "alice")] == [True, True]
    assert (len(world.inbox("bob")), len(world.inbox("alice")), count(world, "contents")) == (1, 0, 1)
    fetch_back(world, rows(world, "alice")[0])
    assert [row.rescued_ts is not None for row in rows(world, "alice")] == [True, True]


async def test_what_one_client_can_have_kept_in_a_day_is_bounded(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_OF_CLIENT", 3)
    world = await start(refused_kept_whole=DAY)
    for _ in range(5):
        assert (await refuse(world)).startswith("550 5.7.1 ")
    assert count(world) == 3
    await refuse(world, source="127.0.0.10")
    assert (count(world), len(rows(world))) == (4, 6)


async def test_what_is_kept_for_one_user_is_bounded_and_the_oldest_makes_room(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MOST_OCTETS_OF_OWNER", 3000)
    world = await start(refused_kept_whole=DAY)
    for number in range(6):
        await refuse(
            world, message=FORGED.replace(b"contract", b"contract %d" % number), source=f"127.0.0.{20 + number}"
        )
    subjects = [row.kept.subject for row in rows(world) if row.kept]
    assert subjects[0] == "Your contract 5"
    assert 1 <= len(subjects) < 6
    assert count(world, "contents") == len(subjects)


async def test_no_more_is_kept_than_there_is_room_for_in_the_quota(start: Start) -> None:
    world = await start(refused_kept_whole=DAY, default_owner_quota=4000)
    large = FORGED + b"x" * 60 + b"\r\n"
    for number in range(8):
        await refuse(world, message=large, source=f"127.0.0.{20 + number}")
    size = world.database.read(lambda tx: kept.octets_of(tx, "alice"))
    assert 0 < size <= 4000
    assert count(world) < 8


async def test_a_full_mailbox_takes_nothing_back(start: Start) -> None:
    world = await start(refused_kept_whole=DAY)
    await refuse(world)
    world.database.write(
        lambda tx: tx.execute("INSERT INTO mail_quotas (scope, name, bytes) VALUES ('owner', 'alice', 10)")
    )
    with pytest.raises(RescueError, match="full"):
        fetch_back(world, rows(world)[0])
    assert count(world) == 1


@pytest.mark.parametrize("size", [1000, contents.INLINE_LIMIT + 1])
async def test_what_is_kept_goes_when_its_time_is_over(start: Start, size: int) -> None:
    world = await start(refused_kept_whole=DAY)
    await refuse(world, message=FORGED + b"x" * 70 + b"\r\n" + b"word \r\n" * (size // 7))
    assert world.database.write(lambda tx: contents.remove_unused(tx, [1])) == 0
    assert world.database.write(lambda tx: kept.expire(tx, time.time() - 60)) == 0
    assert world.database.write(lambda tx: kept.expire(tx, time.time() + 1)) == 1
    assert (count(world, "contents"), rows(world)[0].kept) == (0, None)
    with pytest.raises(RescueError, match="not kept"):
        fetch_back(world, rows(world)[0])


async def test_a_record_that_goes_takes_the_message_along(start: Start) -> None:
    world = await start(refused_kept_whole=DAY)
    await refuse(world)
    world.database.write(lambda tx: refusals.sweep(tx, time.time() + 10))
    assert count(world) == 0


@pytest.mark.parametrize(
    ("address", "network"),
    [("192.0.2.7", "192.0.2.7"), ("2001:db8::1:2:3:4", "2001:db8::/64"), ("?", "?")],
)
def test_ipv6_clients_count_by_their_network(address: str, network: str) -> None:
    assert kept.network_of(address) == network


async def test_a_filter_that_learns_per_user_is_asked_in_the_name_of_the_one_reader(start: Start) -> None:
    asked: list[Any] = []
    for recipients in (("alice@here.test",), ("alice@here.test", "bob@here.test")):
        with FakeScanner(b"SPAMD/1.1 0 EX_OK\r\nSpam: False ; 1.0 / 5.0\r\n\r\n\r\n") as filter_:
            where = ScannerAddress("spamd", "127.0.0.1", filter_.port)
            world = await start(scanner=where, scanner_learns_at=where)
            async with await world.client() as client:
                await client.deliver("someone@remote.test", *recipients)
            asked += filter_.requests
    assert [b"\r\nUser: alice\r\n" in request for request in asked] == [True, False]


async def test_two_addresses_of_one_user_keep_one_message(start: Start) -> None:
    world = await start(refused_kept_whole=DAY)
    world.database.write(lambda tx: addresses.add(tx, Address.parse("alice2@here.test"), "alice"))
    await refuse(world, "alice@here.test", "alice2@here.test", "bob@here.test")
    found = world.database.read(lambda tx: tx.execute("SELECT owner FROM refused_messages ORDER BY owner").fetchall())
    assert found == [("alice",), ("bob",)]
    kept_rows = [row for row in rows(world, "alice") if row.kept is not None]
    fetch_back(world, kept_rows[0])
    assert len(world.inbox("alice")) == 1
    assert count(world, "contents") == 1, "bob's is kept still, of the same bytes"
