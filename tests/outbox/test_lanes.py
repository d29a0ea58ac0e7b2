"""Nobody waits for somebody else's destination: slow, dead and busy ones, with scripted peers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from onifast_outbox.claiming import capacity
from onifast_outbox.claiming.dispatcher import boot_clock
from onifast_outbox.destinations.persistence import DestinationPersistence
from onifast_outbox.destinations.states import START
from onifast_shared.queue import destinations as stored
from onifast_shared.queue.destinations import OwnLimits

from fakes.smtp_script import DROP, STALL, Say
from fakes.smtp_server import ScriptedSmtpServer

from .helpers import MESSAGE, Outbox


def peer(outbox: Outbox, number: int, script: dict[str, object] | None = None) -> ScriptedSmtpServer:
    """The mail exchanger of peer<number>.test."""
    outbox.dns.set(f"peer{number}.test", "MX", f"10 mx{number}.test")
    outbox.dns.set(f"mx{number}.test", "A", f"127.0.0.{number}")
    return ScriptedSmtpServer(script, host=f"127.0.0.{number}", port=outbox.settings.outbound_port)  # type: ignore[arg-type]


@asynccontextmanager
async def running(outbox: Outbox) -> AsyncIterator[None]:
    """The dispatcher's loop, until the block ends; what is under way then is given back."""
    task = asyncio.create_task(outbox.program.dispatcher.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        await outbox.program.dispatcher.finish(0.01)
        await outbox.program.connections.close()
        for _ in range(3):
            await asyncio.sleep(0)  # connections that were broken off come to their end


async def test_stalled_destinations_hold_no_place_that_others_need(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "SLOW_AFTER", 0.05)
    outbox.reassemble(outbox_concurrency=4, smtp_timeout=60.0)
    with peer(outbox, 31, {"EHLO": STALL}) as stalled, peer(outbox, 32) as live:
        for number in range(30):
            outbox.dns.set(f"stalled{number}.test", "MX", "10 mx31.test")
            await outbox.submit(f"x@stalled{number}.test")
        for _ in range(3):
            await outbox.submit("bob@peer32.test", sender="carol@here.test")
        async with running(outbox):
            await asyncio.to_thread(live.wait_for_messages, 3)
            await asyncio.to_thread(stalled.wait_for_command, "EHLO")
        assert stalled.messages == []


async def test_a_dead_destination_is_probed_by_one_connection_and_then_everything_flows(outbox: Outbox) -> None:
    outbox.reassemble(probe_interval=0.1, outbox_poll_interval=0.1)
    with peer(outbox, 33, {"CONNECT": DROP}) as dead:
        for _ in range(60):
            await outbox.submit("bob@peer33.test")
        async with running(outbox):
            await asyncio.to_thread(dead.wait_for_sessions, START + 2)
            put_off = outbox.sql("SELECT count(*) FROM outbox WHERE waits_for = 'peer33.test' AND attempts = 0")
            assert int(put_off[0]) >= 30
            (error,) = outbox.sql(
                "SELECT DISTINCT last_error FROM outbox WHERE waits_for <> '' AND attempts = 0 LIMIT 1"
            )
            assert error.startswith("451 4.4.1 peer33.test cannot be reached since ")
            dead.set("CONNECT", None)
            tried = int(outbox.sql("SELECT count(*) FROM outbox WHERE status = 'deferred'")[0])
            await asyncio.to_thread(dead.wait_for_messages, 60 - tried - 1)
        refused = [session for session in dead.sessions if not session.commands]
        assert int(outbox.sql("SELECT count(*) FROM delivery_attempts WHERE outcome = 'deferred'")[0]) == len(refused)


async def test_mail_for_a_dead_destination_holds_nobody_up(outbox: Outbox) -> None:
    outbox.reassemble(outbox_concurrency=2)
    outbox.dns.set("dead.test", "MX", "10 mx99.test")
    outbox.dns.set("mx99.test", "A", "127.0.0.99")
    with peer(outbox, 34) as live:
        for _ in range(50):
            await outbox.submit("x@dead.test")
        await outbox.submit("bob@peer34.test", sender="carol@here.test")
        await outbox.round()
        assert len(live.messages) == 1
    tried = outbox.sql("SELECT count(*) FROM outbox WHERE attempts > 0 AND recipient = 'x@dead.test'")
    assert int(tried[0]) <= START
    assert outbox.sql("SELECT count(*) FROM outbox WHERE ready = 1") == ["0"]


async def test_concurrency_grows_with_success_and_falls_with_complaints(outbox: Outbox) -> None:
    known = outbox.program.dispatcher.destinations

    def concurrency() -> int:
        return next(state.concurrency for state in known.states(0) if state.name == "peer35.test")

    with peer(outbox, 35) as busy:
        for _ in range(260):
            await outbox.submit("bob@peer35.test")
        await outbox.program.dispatcher.drain()
        assert outbox.program.dispatcher.in_flight == START
        async with running(outbox):
            await asyncio.to_thread(busy.wait_for_messages, 260)
        assert concurrency() == 20
        busy.set("MAIL", Say("421 4.7.0 too many connections", hang_up=True))
        for _ in range(12):
            await outbox.submit("bob@peer35.test")
        await outbox.round()
        assert 1 <= concurrency() <= 8


async def test_a_destination_gets_no_more_than_its_rate(outbox: Outbox) -> None:
    outbox.reassemble(destination_rate=60)
    with peer(outbox, 36) as slow:
        for _ in range(20):
            await outbox.submit("bob@peer36.test")
        await outbox.program.dispatcher.drain()
        await outbox.program.dispatcher.finish(30)
        assert START <= len(slow.messages) < 20
        wait = await outbox.program.dispatcher.drain()
        assert wait is None or wait <= 1.0


async def test_large_messages_in_memory_are_bounded(outbox: Outbox) -> None:
    outbox.reassemble(outbox_memory=1024 * 1024, smtp_timeout=60.0)
    raw = MESSAGE + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 6000
    with peer(outbox, 37, {"EHLO": STALL}) as stalled, peer(outbox, 38) as live:
        for number in range(10):
            outbox.dns.set(f"large{number}.test", "MX", "10 mx37.test")
            await outbox.submit(f"x@large{number}.test", raw=raw)
        await outbox.submit("bob@peer38.test", sender="carol@here.test")
        async with running(outbox):
            await asyncio.to_thread(live.wait_for_messages, 1)
            large = "recipient LIKE '%@large%' AND status = 'sending'"
            assert outbox.sql(f"SELECT count(*) FROM outbox WHERE {large}") == ["2"]
        assert stalled.messages == []


async def test_limits_of_a_destination_bound_it(outbox: Outbox) -> None:
    outbox.db.write(lambda tx: stored.set_limits(tx, OwnLimits("remote.test", concurrency=2)))

    known = outbox.program.dispatcher.destinations
    await DestinationPersistence(outbox.db, outbox.settings, known, boot_clock).round()
    for _ in range(10):
        await outbox.submit("bob@remote.test")
    await outbox.program.dispatcher.drain()
    assert outbox.program.dispatcher.in_flight == 2
    await outbox.program.dispatcher.finish(30)
