"""DNS block lists: asked by the right name, and heeded as the setting says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from smtpd.conftest import HASTE
from smtpd.helpers import World

import pytest
from onifast_shared.mailboxes import mailbox
from onifast_shared.refused import refusals
from onifast_shared.values.block_lists import is_listing, query_name

from fakes.dns import DnsServer, Failure

Start = Callable[..., Awaitable[World]]

LISTED = "9.0.0.127.list.test"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.99", "99.2.0.192.list.test"),
        ("2001:db8::1", "1." + "0." * 23 + "8.b.d.0.1.0.0.2.list.test"),
    ],
)
def test_the_address_is_asked_for_backwards(address: str, name: str) -> None:
    assert query_name(ip_address(address), "list.test") == name


@pytest.mark.parametrize(
    ("answers", "listed"),
    [([], False), (["127.0.0.2"], True), (["127.255.255.254"], False), (["192.0.2.1"], False)],
)
def test_only_answers_in_the_lists_range_count(answers: list[str], listed: bool) -> None:
    assert is_listing(answers) is listed


async def rcpt(world: World, recipient: str = "alice@here.test") -> str:
    async with await world.client() as client:
        return await client.say("EHLO client.test", "MAIL FROM:<a@remote.test>", f"RCPT TO:<{recipient}>")


async def test_a_listed_client_is_refused_with_the_lists_words(start: Start, dns: DnsServer) -> None:
    dns.set(LISTED, "A", "127.0.0.2")
    dns.set(LISTED, "TXT", "see https://list.test/?ip=127.0.0.9")
    world = await start(dnsbl_zones=("other.test", "list.test"))
    assert await rcpt(world) == (
        "550 5.7.1 127.0.0.9 is on the block list list.test: see https://list.test/?ip=127.0.0.9"
    )
    await world.receiver.deferred_writes.settled()
    [row] = world.database.read(lambda tx: refusals.list_page(tx, "alice")).rows
    assert row.refusal.stage == "RCPT"


async def test_a_listed_client_may_still_write_to_postmaster(start: Start, dns: DnsServer) -> None:
    dns.set(LISTED, "A", "127.0.0.2")
    world = await start(dnsbl_zones=("list.test",))
    assert (await rcpt(world, "postmaster@here.test")).startswith("250 ")


async def test_mail_of_a_listed_client_can_go_to_junk(start: Start, dns: DnsServer) -> None:
    dns.set(LISTED, "A", "127.0.0.2")
    world = await start(dnsbl_zones=("list.test",), dnsbl_action="junk")
    async with await world.client() as client:
        assert (await client.deliver("a@remote.test", "alice@here.test")).startswith("250 ")
    [row] = world.database.read(lambda tx: mailbox.list_page(tx, "alice", "junk")).rows
    assert row.authentication["reason"] == "It is in junk because the sending host is on the block list list.test."
    assert "The sending host is on the block list list.test." in row.authentication["why"]


async def test_an_unlisted_client_is_let_in(start: Start) -> None:
    assert (await rcpt(await start(dnsbl_zones=("list.test",)))).startswith("250 ")


@pytest.mark.parametrize("failure", [Failure.SERVFAIL, Failure.SILENT])
async def test_a_list_that_does_not_answer_has_nobody(start: Start, dns: DnsServer, failure: Failure) -> None:
    dns.fail(LISTED, failure)
    assert (await rcpt(await start(dnsbl_zones=("list.test",), dns_timeout=HASTE))).startswith("250 ")


async def test_clients_that_may_relay_are_not_looked_up(start: Start, dns: DnsServer) -> None:
    world = await start(dnsbl_zones=("list.test",))
    async with await world.client("127.0.0.1") as client:
        await client.deliver("alice@here.test", "bob@here.test")
    assert not [query for query in dns.queries if query.name.endswith("list.test")]
