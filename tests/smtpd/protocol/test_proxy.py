"""The PROXY protocol: from real sockets, with and without TLS, and from those who may not."""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from ipaddress import ip_network
from smtpd.conftest import PASSWORDS
from smtpd.helpers import HERE, MESSAGE, OUTSIDE, SmtpClient, World, no_verification

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_smtpd.clients.client import Service, Tls
from onifast_smtpd.process import admission
from onifast_smtpd.protocol import proxy
from onifast_smtpd.protocol.proxy import End, ProxyError, client_end, proxy_end, read_header, tls_of

from fakes.certificates import Certificate

Start = Callable[..., Awaitable[World]]

FROM_OUTSIDE = (ip_network(f"{OUTSIDE}/32"),)
V1 = b"PROXY TCP4 192.0.2.7 192.0.2.25 4711 25\r\n"
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def v2(client: str, server: str = "192.0.2.25", *, command: int = 1, tlvs: bytes = b"") -> bytes:
    """A header of version 2 for a TCP connection."""
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    addresses = socket.inet_pton(family, client) + socket.inet_pton(family, server) + struct.pack("!HH", 4711, 25)
    rest = addresses + tlvs
    return SIGNATURE + bytes([0x20 | command, 0x21 if ":" in client else 0x11]) + struct.pack("!H", len(rest)) + rest


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


ENDED_TLS = tlv(0x20, b"\x01" + bytes(4) + tlv(0x21, b"TLSv1.3") + tlv(0x23, b"TLS_AES_256_GCM_SHA384"))


async def connect(world: World, header: bytes, service: Service = Service.MX, source: str = OUTSIDE) -> SmtpClient:
    client = SmtpClient(*await world.connect(source, service))
    client.send(header)
    return client


@pytest.mark.parametrize("header", [V1, v2("192.0.2.7")], ids=["v1", "v2"])
async def test_the_client_is_who_the_proxy_says(start: Start, header: bytes) -> None:
    world = await start(proxy_networks=FROM_OUTSIDE)
    async with await connect(world, header) as client:
        assert (await client.reply())[0].startswith("220 ")
        assert (await client.deliver("a@remote.test", "alice@here.test")).startswith("250 2.0.0")
    assert b"Received: from client.test ([192.0.2.7])" in world.inbox("alice")[0]


async def test_a_client_over_ipv6_behind_a_proxy_over_ipv4(start: Start) -> None:
    world = await start(proxy_networks=FROM_OUTSIDE)
    async with await connect(world, v2("2001:db8::7", "2001:db8::25")) as client:
        await client.reply()
        assert (await client.deliver("a@remote.test", "alice@here.test")).startswith("250 2.0.0")
    assert b"Received: from client.test ([IPv6:2001:db8::7])" in world.inbox("alice")[0]


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", v2("127.0.0.1", command=0)], ids=["v1", "v2"])
async def test_a_proxy_that_speaks_for_itself_is_a_client(start: Start, header: bytes) -> None:
    world = await start(proxy_networks=FROM_OUTSIDE)
    async with await connect(world, header) as client:
        await client.reply()
        assert (await client.deliver("a@remote.test", "alice@here.test")).startswith("250 2.0.0")
    assert f"([{OUTSIDE}])".encode() in world.inbox("alice")[0]


async def test_a_proxy_elsewhere_cannot_make_its_client_local(start: Start) -> None:
    world = await start(proxy_networks=FROM_OUTSIDE)
    async with await connect(world, v2("127.0.0.1", "127.0.0.1")) as client:
        await client.reply()
        assert (await client.say("EHLO x", "MAIL FROM:<a@remote.test>", "RCPT TO:<you@remote.test>"))[:3] == "554"


async def test_what_comes_with_the_header_in_one_packet_is_heard(start: Start) -> None:
    world = await start(proxy_networks=FROM_OUTSIDE)
    async with await connect(world, b"PROXY UNKNOWN\r\n" + b"NOOP\r\n") as client:
        assert (await client.reply())[0].startswith("220 ")
        assert (await client.reply())[0].startswith("250 ")


async def test_a_proxys_client_that_speaks_too_early_is_turned_away(start: Start) -> None:
    world = await start(proxy_networks=FROM_OUTSIDE)
    async with await connect(world, V1 + b"NOOP\r\n") as client:
        assert (await client.reply())[0].startswith("554 5.5.1 you spoke before the greeting")


async def test_a_header_may_come_octet_by_octet(start: Start) -> None:
    world = await start(proxy_networks=FROM_OUTSIDE)
    async with await connect(world, b"") as client:
        for octet in v2("192.0.2.7"):
            client.send(bytes([octet]))
            await client.writer.drain()
        assert (await client.reply())[0].startswith("220 ")


@pytest.mark.parametrize(
    "header", [b"EHLO client.test\r\n", b"PROXY TCP4 x\r\n", SIGNATURE + b"\x21\x11\xff\xff", V1[:20]]
)
async def test_a_proxy_without_a_proper_header_is_hung_up_on(
    start: Start, header: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "PATIENCE", 0.2)
    world = await start(proxy_networks=FROM_OUTSIDE)
    async with await connect(world, header) as client:
        assert await client.hung_up()


async def test_from_others_a_header_is_no_command(world: World) -> None:
    async with await connect(world, V1) as client:
        assert (await client.reply())[0].startswith("220 ")
        assert (await client.reply())[0].startswith("500 ")


async def test_on_this_machine_only_proxies_users_have_to_say_the_header(start: Start) -> None:
    world = await start(proxy_networks=(ip_network("127.0.0.1/32"),), trusted_proxy_users=("nobody",))
    async with await world.client(HERE) as client:
        assert (await client.deliver("a@remote.test", "you@remote.test")).startswith("250 2.0.0")


async def test_tls_inside_of_the_proxys_connection(start: Start, certificate: Certificate) -> None:
    world = await start(proxy_networks=FROM_OUTSIDE)
    loop = asyncio.get_running_loop()
    with socket.create_connection((HERE, world.ports[Service.SUBMISSIONS]), source_address=(OUTSIDE, 0)) as sock:
        sock.setblocking(False)
        # The proxy's header and the client's first TLS record in one packet.
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = no_verification().wrap_bio(incoming, outgoing)
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        await loop.sock_sendall(sock, V1 + outgoing.read())
        while True:
            incoming.write(await asyncio.wait_for(loop.sock_recv(sock, 65536), 5))
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                continue
        await loop.sock_sendall(sock, outgoing.read())
        assert tls.version() == "TLSv1.3"


async def test_tls_that_the_proxy_ended_counts_as_tls(start: Start, certificate: Certificate) -> None:
    world = await start(proxy_networks=FROM_OUTSIDE)
    async with await connect(world, v2("192.0.2.7", tlvs=ENDED_TLS), Service.SUBMISSIONS) as client:
        assert (await client.reply())[0].startswith("220 ")
        assert (await client.log_in("alice", PASSWORDS["alice"])).startswith("235 ")
        await client.say("MAIL FROM:<alice@here.test>", "RCPT TO:<you@remote.test>")
        await client.send_message(b"Subject: s\r\n\r\nx\r\n")
    assert b"with ESMTPSA" in world.queue()[0]["raw"]
    assert b"tls TLS_AES_256_GCM_SHA384 (TLSv1.3)" in world.queue()[0]["raw"]


async def test_limits_count_the_proxys_clients_one_by_one(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "SPARED", dict.fromkeys(admission.SPARED, 1000.0))
    world = await start(proxy_networks=FROM_OUTSIDE, max_connections_per_address=1)
    async with await connect(world, V1) as first, await connect(world, v2("192.0.2.8")) as second:
        assert (await first.reply())[0].startswith("220 ")
        assert (await second.reply())[0].startswith("220 ")
        async with await connect(world, V1) as third:
            assert (await third.reply())[0].startswith("421 4.7.0 ")


async def test_xclients_login_and_address_are_in_the_trace(start: Start) -> None:
    world = await start(xclient_networks=FROM_OUTSIDE)
    async with await world.client() as client:
        assert (await client.say("XCLIENT ADDR=192.0.2.9 HELO=c.test LOGIN=alice")).startswith("220 ")
        await client.say("MAIL FROM:<alice@here.test>", "RCPT TO:<you@remote.test>")
        assert (await client.send_message(MESSAGE.replace(b"someone@remote.test", b"alice@here.test")))[:3] == "250"
    [row] = world.queue()
    assert row["submitted_by"] == "user:alice"
    assert b"Received: from c.test ([192.0.2.9])" in row["raw"]


async def test_xclient_with_an_address_that_has_too_many_connections_ends_the_session(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "SPARED", dict.fromkeys(admission.SPARED, 1000.0))
    world = await start(xclient_networks=FROM_OUTSIDE, max_connections_per_address=2)
    async with await world.client() as one, await world.client() as two:
        for client in (one, two):
            assert (await client.say("XCLIENT ADDR=192.0.2.9")).startswith("220 ")
        async with await world.client() as three:
            assert (await three.say("XCLIENT ADDR=192.0.2.9")).startswith("421 4.7.0 ")


async def parse(header: bytes) -> tuple[End | None, End | None, Tls | None]:
    """Both ends and the TLS that a header tells of; all of it has to be read, and nothing behind it."""
    stream = io.BytesIO(header + b"EHLO x\r\n")

    async def read(size: int) -> bytes:
        octets = stream.read(size)
        if len(octets) < size:
            raise ProxyError("the client has gone")
        return octets

    data = await read_header(read)
    assert stream.tell() == len(header)
    return client_end(data), proxy_end(data), tls_of(data)


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY TCP4 192.0.2.7 192.0.2.25 4711\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP6 192.0.2.7 192.0.2.25 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.25 4711 70000\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.25 4_7 25\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.25 47 2\xa0\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.25 47 25 26\r\n",
        b"PROXY TCP4 192.0.2.777 192.0.2.25 4711 25\r\n",
        b"PROXY TCPx4 192.0.2.7 192.0.2.25 4711 25\r\n",
        b"PROXY  TCP4 192.0.2.7 192.0.2.25 4711 25\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.25 4711 25\n",
        b"PROXY UNKNOWNS\r\n",
        b"PROXY UNKNOWN " + b"x" * 100 + b"\r\n",
        b"PROXY\r\n",
    ],
)
async def test_malformed_headers_of_version_1(line: bytes) -> None:
    with pytest.raises(ProxyError):
        await parse(line)


@pytest.mark.parametrize(
    "header",
    [
        SIGNATURE + b"\x11\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x22\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x12\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x31\x00\xd8" + bytes(216),
        SIGNATURE + b"\x21\x00\x00\x00",
        SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11),
        SIGNATURE + b"\x21\x11\x10\x01" + bytes(4097),
        b"\r\n\r\n\x00\r\nQUIT\r\x21\x11\x00\x0c" + bytes(12),
    ],
    ids=["version", "command", "udp", "unix", "unspecified", "short", "long", "signature"],
)
async def test_headers_of_version_2_that_tell_of_no_tcp_client(header: bytes) -> None:
    with pytest.raises(ProxyError):
        await parse(header)


@given(st.binary(min_size=4, max_size=4), st.binary(max_size=80))
async def test_any_header_of_version_2_is_understood_or_refused(fixed: bytes, rest: bytes) -> None:
    async def read(size: int) -> bytes:
        return stream.read(size)

    stream = io.BytesIO(SIGNATURE + fixed + rest)
    with contextlib.suppress(ProxyError):
        data = await read_header(read)
        client_end(data)
        tls_of(data)


@given(st.binary(max_size=80))
async def test_whatever_a_proxy_tells_besides_the_addresses_count(octets: bytes) -> None:
    told = await parse(v2("192.0.2.7", tlvs=octets))
    assert told[:2] == (("192.0.2.7", 4711), ("192.0.2.25", 25))


@pytest.mark.parametrize("octets", [tlv(0x20, b""), b"\x20", b"\x20\xff\xff", tlv(0x20, bytes(5))])
async def test_what_tells_of_no_tls_is_none(octets: bytes) -> None:
    assert (await parse(v2("192.0.2.7", tlvs=tlv(0x01, b"h2") + octets)))[2] is None


async def test_parts_within_parts_are_no_way_to_the_end_of_the_stack() -> None:
    nested = b""
    while len(nested) < 4000:
        nested = tlv(0x20, b"\x01" + bytes(4) + nested)
    await parse(v2("192.0.2.7", tlvs=nested))


async def test_tls_of_a_header() -> None:
    tls = Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384")
    told = await parse(v2("192.0.2.7", tlvs=tlv(0x01, b"h2") + ENDED_TLS))
    assert told == (("192.0.2.7", 4711), ("192.0.2.25", 25), tls)
