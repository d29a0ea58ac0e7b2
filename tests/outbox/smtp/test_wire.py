"""The wire under a connection, on asyncio's loop and on libuv's: what comes together, too late, or too much."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from onifast_outbox.smtp.wire import CHUNK, MAX_LINE, MAX_REPLY_LINES, ClientWire, WireError
from onifast_shared.machine import event_loop

from fakes.certificates import Authority

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Use = Callable[[ClientWire], Awaitable[None]]
Meet = Callable[[Peer, Use], None]


@pytest.fixture(params=[asyncio.new_event_loop, event_loop.new], ids=["asyncio", "libuv"])
def meet(request: pytest.FixtureRequest) -> Meet:
    """Lets a peer and whoever uses the wire to it talk, on the loop under test."""

    async def talk(peer: Peer, use: Use) -> None:
        ended = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                await peer(reader, writer)
            writer.transport.abort()
            ended.set()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            wire = await ClientWire.connect("127.0.0.1", server.sockets[0].getsockname()[1], timeout=30)
            try:
                async with asyncio.timeout(60):
                    await use(wire)
            finally:
                wire.abort()
                await ended.wait()

    def run(peer: Peer, use: Use) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(talk(peer, use))

    return run


def saying(*pieces: bytes) -> Peer:
    """A peer that says this, piece by piece, and no more."""

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
        await reader.read()

    return peer


def test_replies_that_come_together_are_heard_one_by_one(meet: Meet) -> None:
    async def use(wire: ClientWire) -> None:
        assert await wire.read_reply(30) == [b"250-first", b"250 line"]
        assert await wire.read_reply(30) == [b"354"]
        with pytest.raises(WireError, match=r"^connection lost$"):
            await wire.read_reply(30)
        assert wire.broken

    meet(saying(b"250-fir", b"st\r\n250 line\r\n354\r\n", b"250 never compl"), use)


def test_a_line_without_code_belongs_to_the_reply_that_has_begun(meet: Meet) -> None:
    async def use(wire: ClientWire) -> None:
        assert await wire.read_reply(30) == [b"550-a", b"", b"no code", b"55", b"450 b"]
        assert await wire.read_reply(30) == [b"250"]

    meet(saying(b"550-a\n\r\nno code\n55\r\n450 b\n250\n"), use)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "not an SMTP reply: 'HTTP"),
        (b"250 " + b"x" * MAX_LINE + b"\r\n", "too long"),
        (b"250 " + b"x" * 20 * MAX_LINE, "too long"),
        (b"250-x\r\n" * MAX_REPLY_LINES, "too many lines"),
    ],
)
def test_what_is_no_reply_is_told_so(meet: Meet, reply: bytes, why: str) -> None:
    async def use(wire: ClientWire) -> None:
        with pytest.raises(WireError, match=why):
            await wire.read_reply(30)

    meet(saying(reply), use)


def test_a_silent_peer_is_given_up_and_an_earlier_deadline_is_not_missed(meet: Meet) -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        await reader.read()

    async def use(wire: ClientWire) -> None:
        await wire.read_reply(50)
        with pytest.raises(WireError, match=r"no reply within 0.01 s"):
            await wire.read_reply(0.01)
        with pytest.raises(WireError, match=r"no reply within 0.02 s"):
            await wire.read_reply(0.02)

    meet(peer, use)


def test_a_peer_that_takes_no_data_is_given_up(meet: Meet) -> None:
    done = asyncio.Event()

    async def peer(*_: object) -> None:
        await done.wait()

    async def use(wire: ClientWire) -> None:
        with pytest.raises(WireError, match="took no data"):
            await wire.write(bytes(100 * CHUNK), 0.1)
        done.set()

    meet(peer, use)


def test_a_peer_that_reads_slowly_gets_everything(meet: Meet) -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = len(await reader.readexactly(20 * CHUNK + 1))
        writer.write(b"250 %d\r\n" % got)
        await reader.read()

    async def use(wire: ClientWire) -> None:
        await wire.write(bytes(20 * CHUNK + 1), 30)
        assert await wire.read_reply(30) == [b"250 %d" % (20 * CHUNK + 1)]

    meet(peer, use)


def test_what_came_in_the_clear_before_encryption_is_never_heard(meet: Meet, tmp_path: Path) -> None:
    certificate = Authority(tmp_path).issue("mx.remote.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 go ahead\r\n250 injected\r\n")
        await writer.start_tls(certificate.server_context())
        writer.write(b"250 " + await reader.readline())
        await writer.drain()
        await reader.read()

    async def use(wire: ClientWire) -> None:
        await wire.read_reply(30)
        await wire.start_tls(context, "mx.remote.test", 30)
        await wire.write(b"encrypted\r\n", 30)
        assert await wire.read_reply(30) == [b"250 encrypted"]
        assert wire.tls.startswith("TLSv1.3")
        assert wire.peer_chain

    meet(peer, use)
