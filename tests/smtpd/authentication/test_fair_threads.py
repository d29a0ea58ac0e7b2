"""The threads that check messages: one network's flood does not take them from all, and never excuses a forgery."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from smtpd.helpers import PATIENCE, World

import pytest
from onifast_smtpd.authentication import verify
from onifast_smtpd.authentication.fair_threads import FairThreads, TooBusy, network_of

from fakes.dns import DnsServer, Failure

Start = Callable[..., Awaitable[World]]

FORGED = b"From: Boss <boss@bank.test>\r\nTo: alice@here.test\r\nSubject: pay\r\n\r\nNow.\r\n"
ABUSER, NEIGHBOUR, STRANGER = "127.0.0.9", "127.0.0.10", "127.0.1.9"


@pytest.fixture
async def busy(start: Start, dns: DnsServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A receiver with few threads, and an abuser whose silent name servers keep all of their share busy."""
    monkeypatch.setattr(verify, "THREADS", 8)
    monkeypatch.setattr(verify, "PATIENCE", 0.3)
    dns.set("_dmarc.bank.test", "TXT", "v=DMARC1; p=reject")
    dns.fail("9.0.0.127.in-addr.arpa", Failure.SILENT)
    dns.fail("evil.test", Failure.SILENT)
    world = await start(dns_timeout=5.0)
    flood = asyncio.create_task(world.receiver.verifier.check_client(ABUSER, "evil.test", None))
    await asyncio.to_thread(until, lambda: dns.asked("evil.test", "TXT") and dns.asked("9.0.0.127.in-addr.arpa", "PTR"))
    yield world
    flood.cancel()


def until(true: Callable[[], object]) -> None:
    """Returns when it is true."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


async def forge(world: World, source: str) -> str:
    async with await world.client(source) as client:
        return await client.deliver("boss@open.test", "alice@here.test", message=FORGED)


@pytest.mark.parametrize("source", [ABUSER, NEIGHBOUR])
async def test_a_forgery_that_nobody_has_time_to_check_is_put_off(busy: World, source: str) -> None:
    assert await forge(busy, source) == "451 4.3.2 too busy to check this message, try again later"
    assert busy.inbox("alice") == busy.inbox("alice", "junk") == []


async def test_mail_from_elsewhere_is_checked_meanwhile(busy: World) -> None:
    assert (await forge(busy, STRANGER)).startswith("550 5.7.1 DMARC policy of bank.test")
    async with await busy.client(STRANGER) as client:
        assert (await client.deliver("x@open.test", "alice@here.test")).startswith("250 ")


async def test_no_client_passes_a_block_list_that_was_not_asked(
    start: Start, dns: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "PATIENCE", 0.1)
    world = await start(dnsbl_zones=("block.test",))
    async with occupied(world.receiver.verifier._threads, "127.0.0.0/24", 16), await world.client() as client:
        answer = await client.say("EHLO client.test", "MAIL FROM:<x@open.test>", "RCPT TO:<alice@here.test>")
    assert answer.startswith("451 4.3.2 ")


@asynccontextmanager
async def occupied(threads: FairThreads, network: str, count: int) -> AsyncIterator[None]:
    """A network's work that goes on for the length of the block."""
    over = threading.Event()
    try:
        running = [await threads.start(network, over.wait) for _ in range(count)]
        yield
    finally:
        over.set()
    await asyncio.gather(*running)


@pytest.fixture
def threads() -> Iterator[FairThreads]:
    """Four threads, of which each network has one."""
    threads = FairThreads(4, 0.1)
    yield threads
    threads.close()


async def test_what_a_thread_finds_comes_back(threads: FairThreads) -> None:
    assert [await (await threads.start("a", lambda: 7)) for _ in range(9)] == [7] * 9


async def test_a_network_has_its_share_and_others_have_theirs(threads: FairThreads) -> None:
    async with occupied(threads, "a", 1):
        with pytest.raises(TooBusy):
            await threads.start("a", lambda: 7)
        assert await (await threads.start("b", lambda: 7)) == 7


async def test_work_that_nobody_waits_for_any_more_counts_until_it_ends(threads: FairThreads) -> None:
    over = threading.Event()
    (await threads.start("a", over.wait)).cancel()
    with pytest.raises(TooBusy):
        await threads.start("a", lambda: 7)
    over.set()
    assert await (await threads.start("a", lambda: 7)) == 7


async def test_work_that_was_never_begun_is_not_done_later(threads: FairThreads) -> None:
    done: list[str] = []
    async with occupied(threads, "a", 1):
        with pytest.raises(TooBusy):
            await threads.start("a", lambda: done.append("late"))
    await (await threads.start("a", lambda: done.append("now")))
    assert done == ["now"]


async def test_networks_that_wait_take_turns() -> None:
    threads, order = FairThreads(1, 10.0), list[str]()

    async def work(name: str) -> None:
        await (await threads.start(name, lambda: order.append(name)))

    async with occupied(threads, "a", 1):
        waiting = [asyncio.create_task(work(name)) for name in "aaabbc"]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    threads.close()
    assert order == list("abcaba")


async def test_who_gives_up_waiting_leaves_nothing_behind() -> None:
    threads = FairThreads(1, 10.0)
    async with occupied(threads, "a", 1):
        waiting = asyncio.create_task(threads.start("b", lambda: 7))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert await (await threads.start("c", lambda: 7)) == 7
    threads.close()


@pytest.mark.parametrize(
    ("address", "shared"), [("192.0.2.7", "192.0.2.0/24"), ("2001:db8:1:2:3::4", "2001:db8:1::/48")]
)
def test_a_clients_neighbours_share_its_threads(address: str, shared: str) -> None:
    assert network_of(address) == shared
