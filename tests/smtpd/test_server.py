"""The server as a whole: limits, trouble, the end."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import pwd
import socket
import ssl
import struct
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlite_shell
from onifast_shared.db.database import Database
from onifast_shared.db.errors import DatabaseBusy, DatabaseFull
from onifast_shared.machine.config import Settings
from onifast_shared.machine.setting_types import Listen
from onifast_shared.machine.sockets import bind
from onifast_smtpd.clients.client import Service
from onifast_smtpd.clients.limits import COPIES
from onifast_smtpd.intake import Intake
from onifast_smtpd.receiver import Receiver
from onifast_smtpd.server import SmtpServer

from .helpers import HERE, MESSAGE, SmtpClient, World, start_world

Start = Callable[..., Awaitable[World]]


async def test_a_place_is_free_again_when_a_session_ends(start: Start) -> None:
    world = await start(max_connections=1)
    async with await world.client() as client:
        await client.say("QUIT")
        assert await client.hung_up()
    async with await world.client() as client:
        assert (await client.say("NOOP")).startswith("250")


async def test_a_silent_client_is_hung_up_on(start: Start) -> None:
    world = await start(session_timeout=0.05)
    async with await world.client() as client:
        assert (await client.reply()) == ["421 4.4.2 timed out waiting for the client"]
        assert await client.hung_up()


async def test_a_client_that_sends_a_command_letter_by_letter_gains_no_time(start: Start) -> None:
    world = await start(session_timeout=0.2)
    async with await world.client() as client:
        reply = asyncio.create_task(client.reply())
        while not reply.done():
            client.send("x")
            await asyncio.sleep(0.02)
        assert (await reply) == ["421 4.4.2 timed out waiting for the client"]


async def test_a_client_that_goes_silent_in_data_is_hung_up_on(start: Start) -> None:
    world = await start(session_timeout=0.1)
    async with await world.client() as client:
        await client.say("EHLO x", "MAIL FROM:<a@remote.test>", "RCPT TO:<alice@here.test>", "DATA")
        client.send(MESSAGE)
        assert (await client.reply()) == ["421 4.4.2 timed out waiting for the client"]
    assert world.inbox("alice") == []


async def test_a_client_that_vanishes_in_data_leaves_nothing(world: World) -> None:
    async with await world.client() as client:
        await client.say("EHLO x", "MAIL FROM:<a@remote.test>", "RCPT TO:<alice@here.test>", "DATA")
        client.send(MESSAGE)
        await client.writer.drain()
        [session] = world.receiver.sessions
        _reset(client.writer)
        await session.ended
    assert world.inbox("alice") == []
    assert world.receiver.octets.taken == 0


async def test_what_was_sent_before_a_half_close_is_answered(world: World) -> None:
    async with await world.client() as client:
        await client.say("EHLO x", "MAIL FROM:<a@remote.test>", "RCPT TO:<alice@here.test>", "DATA")
        client.send(MESSAGE + b".\r\nQUIT\r\n")
        client.writer.write_eof()
        heard = (await client.reader.read()).decode()
    assert heard.startswith("250 2.0.0 message accepted")
    assert heard.endswith("221 2.0.0 bye\r\n")
    assert len(world.inbox("alice")) == 1


async def test_octets_are_given_back_after_each_message(start: Start) -> None:
    world = await start(bytes_in_flight=COPIES * (len(MESSAGE) + 10))
    async with await world.client() as client:
        for _ in range(3):
            assert (await client.deliver("a@remote.test", "alice@here.test")).startswith("250 2.0.0")
    assert world.receiver.octets.taken == 0


@pytest.mark.parametrize(
    ("error", "reply"), [(DatabaseBusy("locked"), "451 4.3.0 "), (DatabaseFull("full"), "452 4.3.1 ")]
)
async def test_database_trouble_is_temporary_and_acknowledges_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception, reply: str
) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise error

    async with await world.client() as client:
        with monkeypatch.context() as broken:
            broken.setattr(Database, "awrite", fail)
            assert (await client.deliver("a@remote.test", "alice@here.test")).startswith(reply)
        assert (await client.deliver("a@remote.test", "alice@here.test")).startswith("250 2.0.0")
    assert len(world.inbox("alice")) == 1


async def test_a_database_that_another_program_locks_is_waited_for_then_refused_then_used(
    smtpd_settings: Settings, populated: Database
) -> None:
    impatient = Database.open(smtpd_settings.database, timeout=0.3)
    world = await start_world(smtpd_settings, impatient)
    try:
        async with await world.client() as client:
            with locked(smtpd_settings.database):
                reply = await client.deliver("a@remote.test", "alice@here.test")
                assert reply == "451 4.3.0 temporary trouble, try again later"
            assert (await client.deliver("a@remote.test", "alice@here.test")).startswith("250 2.0.0")
        assert len(world.inbox("alice")) == 1
    finally:
        await world.stop()
        impatient.close()


async def test_a_bug_is_451_outside_and_a_traceback_inside(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: Any) -> None:
        raise ZeroDivisionError("secret/path")

    monkeypatch.setattr(Intake, "take", fail)
    async with await world.client() as client:
        reply = await client.deliver("a@remote.test", "alice@here.test")
        assert reply == "451 4.3.0 temporary trouble, try again later"
        assert (await client.say("NOOP")).startswith("250 2.0.0")
    assert "ZeroDivisionError: secret/path" in caplog.text


async def test_the_unix_user_of_a_loopback_client_is_known(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="onifast")
    async with await world.client(HERE):
        pass
    assert f"unix_user={pwd.getpwuid(os.getuid()).pw_name}" in caplog.text


async def test_a_local_client_over_ipv6_is_one_too(world: World) -> None:
    listening = bind(Listen("::1", 0))
    server = SmtpServer(world.receiver, {Service.MX: [listening]})
    await server.start()
    client = SmtpClient(*await asyncio.open_connection(*listening.getsockname()[:2]))
    await client.reply()
    assert (await client.deliver("a@remote.test", "you@remote.test")).startswith("250 2.0.0")
    client.close()
    await server.stop(1.0)
    [row] = world.queue()
    assert row["submitted_by"] == f"unix:{pwd.getpwuid(os.getuid()).pw_name}"
    assert b"Received: from client.test ([IPv6:::1])" in row["raw"]


async def test_idle_sessions_are_told_when_the_server_stops(world: World) -> None:
    async with await world.client() as client:
        await client.say("EHLO x")
        await world.server.stop(1.0)
        assert (await client.reply())[0].startswith("421 4.3.2 ")
        assert await client.hung_up()


async def test_a_session_in_data_finishes_when_the_server_stops(world: World) -> None:
    async with await world.client() as client:
        await client.say("EHLO x", "MAIL FROM:<a@remote.test>", "RCPT TO:<alice@here.test>", "DATA")
        stopping = asyncio.create_task(world.server.stop(5.0))
        await asyncio.sleep(0)
        client.send(MESSAGE + b".\r\n")
        assert (await client.reply())[0].startswith("250 2.0.0 ")
        assert (await client.reply())[0].startswith("421 4.3.2 ")
        await stopping
    assert len(world.inbox("alice")) == 1


async def test_a_session_that_does_not_finish_is_cut_off_with_a_word(world: World) -> None:
    async with await world.client() as client:
        await client.say("EHLO x", "MAIL FROM:<a@remote.test>", "RCPT TO:<alice@here.test>", "DATA")
        await world.server.stop(0.05)
        assert (await client.reply())[0].startswith("421 4.3.2 ")
        assert await client.hung_up()
    assert not world.receiver.sessions


async def test_a_client_that_still_sends_its_message_hears_421_and_no_reset(world: World) -> None:
    async with await world.client() as client:
        await client.say("EHLO x", "MAIL FROM:<a@remote.test>", "RCPT TO:<alice@here.test>", "DATA")
        stopping, reply = asyncio.create_task(world.server.stop(0.05)), asyncio.create_task(client.reply())
        while not reply.done():
            client.send(b"x" * 70 + b"\r\n")
            await asyncio.sleep(0)
        assert (await reply)[0].startswith("421 4.3.2 ")
        await stopping


@pytest.mark.parametrize("said", [["AUTH LOGIN"], ["MAIL FROM:<a@remote.test>"], []])
async def test_each_client_that_has_the_turn_is_told(world: World, said: list[str]) -> None:
    async with await world.client(HERE) as client:
        await client.say("EHLO x", *said)
        client.send(b"half a line")
        await world.server.stop(5.0)
        assert (await client.reply())[0].startswith("421 4.3.2 ")
        assert await client.hung_up()


async def test_a_client_that_waits_for_the_greeting_is_told(smtpd_settings: Settings, populated: Database) -> None:
    world = await start_world(dataclasses.replace(smtpd_settings, banner_delay=60.0), populated)
    async with SmtpClient(*await world.connect()) as client:
        await _until(lambda: bool(world.receiver.sessions))
        await world.stop()
        assert (await client.reply())[0].startswith("421 4.3.2 ")


async def test_who_connects_while_it_stops_is_told(world: World) -> None:
    async with await world.client() as busy:
        await busy.say("EHLO x", "MAIL FROM:<a@remote.test>", "RCPT TO:<alice@here.test>", "DATA")
        world.receiver.is_stopping = True
        async with SmtpClient(*await world.connect()) as late:
            assert (await late.reply())[0].startswith("421 4.3.2 ")


async def test_sessions_go_on_with_their_settings_and_new_ones_have_the_new(world: World) -> None:
    async with await world.client() as before:
        await before.say("EHLO x")
        settings = dataclasses.replace(world.settings, hostname="new.host.test")
        world.server.renew(Receiver.build(settings, world.database))
        async with SmtpClient(*await world.connect()) as after:
            assert (await after.reply())[0].startswith("220 new.host.test ")
            assert (await before.say("EHLO x")).startswith("250")
        await before.say("QUIT")
    await _until(lambda: not world.receiver.sessions)
    await world.server.stop(1.0)
    world.server.receiver.close()


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 -- there is nothing to wait for
        await asyncio.sleep(0)


async def test_465_without_a_certificate_ends_with_a_failed_handshake(world: World) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await world.connect(service=Service.SUBMISSIONS, tls=True)
    async with await world.client() as client:
        assert (await client.say("NOOP")).startswith("250")


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another program holds the writers' lock."""
    command = [*sqlite_shell.COMMAND, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.write("BEGIN IMMEDIATE; SELECT 'locked';\n")
        shell.stdin.flush()
        assert shell.stdout.readline() == "locked\n"
        yield
        shell.stdin.write("ROLLBACK;\n.quit\n")
        shell.stdin.flush()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Closes a connection as a crashed machine does."""
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
