"""The junk filters: what they are asked, and what their word does to a message."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from smtpd.helpers import World, connections_to
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.junk.exchange import ScanTrouble
from onifast_shared.machine.setting_types import ScannerAddress, scanner
from onifast_shared.mailboxes import mailbox
from onifast_smtpd.screening import rspamd, spamd
from onifast_smtpd.screening.scan import Scan

from fakes.scanner import FakeScanner

Start = Callable[..., Awaitable[World]]

SPAMD = b"SPAMD/1.1 0 EX_OK\r\nContent-length: 21\r\nSpam: True ; 15.3 / 5.0\r\n\r\nGTUBE,MISSING_DATE\r\n"


def answered(action: str, score: float = 7.5, **more: Any) -> bytes:
    """An answer of rspamd's."""
    symbols = {"LIGHT": {"score": 0.5}, "HEAVY": {"score": 7.0}, "GOOD": {"score": -0.2}}
    body = {"action": action, "score": score, "required_score": 15.0, "symbols": symbols} | more
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + json.dumps(body).encode()


async def deliver(world: World) -> str:
    async with await world.client() as client:
        return await client.deliver("someone@remote.test", "alice@here.test", "bob@here.test")


def stored(world: World, folder: str) -> dict[str, Any]:
    [row] = world.database.read(lambda tx: mailbox.list_page(tx, "alice", folder)).rows
    return row.authentication


@pytest.mark.parametrize(
    ("action", "ours"),
    [
        ("no action", "accept"),
        ("greylist", "accept"),
        ("add header", "junk"),
        ("soft reject", "later"),
        ("reject", "reject"),
    ],
)
def test_rspamds_actions_are_understood(action: str, ours: str) -> None:
    assert rspamd.parse(answered(action)) == Scan("rspamd", ours, 7.5, 15.0, ("HEAVY", "LIGHT"))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 500 Error\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\nnot json",
        b"HTTP/1.1 200 OK\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        answered("dance"),
        answered("reject", float("nan")),
        answered("reject", symbols=[1]),
        answered("reject", symbols={"X": 1}),
    ],
)
def test_what_is_no_answer_of_rspamd_is_trouble(answer: bytes) -> None:
    with pytest.raises(ScanTrouble):
        rspamd.parse(answer)


def test_spamds_answer_is_understood() -> None:
    assert spamd.parse(SPAMD) == Scan("SpamAssassin", "junk", 15.3, 5.0, ("GTUBE", "MISSING_DATE"))
    ham = SPAMD.replace(b"True ; 15.3", b"False ; -1.0")
    assert (spamd.parse(ham).action, spamd.parse(ham).score) == ("accept", -1.0)


@pytest.mark.parametrize("answer", [b"", b"SPAMD/1.0 76 Bad header\r\n\r\n", b"SPAMD/1.1 0 EX_OK\r\n\r\nX"])
def test_what_is_no_answer_of_spamd_is_trouble(answer: bytes) -> None:
    with pytest.raises(ScanTrouble):
        spamd.parse(answer)


@given(st.binary(max_size=300))
def test_no_answer_makes_a_reader_fail_in_another_way(answer: bytes) -> None:
    for parse in (rspamd.parse, spamd.parse):
        for text in (answer, b"HTTP/1.1 200 OK\r\n\r\n" + answer, b"SPAMD/1.1 0 EX_OK\r\n" + answer):
            try:
                parse(text)
            except ScanTrouble:
                continue


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", None),
        ("rspamd", ("rspamd", "127.0.0.1", 11333)),
        ("spamd:192.0.2.1", ("spamd", "192.0.2.1", 783)),
        ("rspamd:[::1]:9000", ("rspamd", "::1", 9000)),
    ],
)
def test_the_setting_names_protocol_and_place(text: str, where: tuple[str, str, int] | None) -> None:
    assert scanner().parse(text) == where


@pytest.mark.parametrize("text", ["clamav", "rspamd:a b", "spamd:host:99999999"])
def test_a_setting_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        scanner().parse(text)


async def test_rspamd_is_told_of_client_and_envelope(start: Start) -> None:
    with FakeScanner(answered("no action", 1.5)) as filter_:
        world = await start(scanner=ScannerAddress("rspamd", "127.0.0.1", filter_.port))
        assert (await deliver(world)).startswith("250 ")
    head, _, body = filter_.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /checkv2 HTTP/1.0"
    assert {"IP: 127.0.0.9", "Helo: client.test", "From: someone@remote.test"} <= set(lines)
    assert [line for line in lines if line.startswith("Rcpt")] == ["Rcpt: alice@here.test", "Rcpt: bob@here.test"]
    assert body.startswith(b"Received: from client.test ([127.0.0.9])")
    found = stored(world, "inbox")
    assert found["score"]["score"] == 1.5
    assert "The junk filter gives it 1.5 points; 15 make it junk (HEAVY, LIGHT)." in found["why"]


async def test_a_strangers_words_cannot_add_to_the_request(start: Start) -> None:
    with FakeScanner(answered("no action")) as filter_:
        world = await start(scanner=ScannerAddress("rspamd", "127.0.0.1", filter_.port))
        async with await world.client() as client:
            await client.say("EHLO client.test", "MAIL FROM:<müller@remote.test> SMTPUTF8", "RCPT TO:<alice@here.test>")
            await client.send_message()
    assert b"\r\nFrom: m%C3%BCller@remote.test\r\n" in filter_.requests[0]


async def test_what_the_filter_takes_for_junk_goes_there(start: Start) -> None:
    with FakeScanner(answered("add header")) as filter_:
        world = await start(scanner=ScannerAddress("rspamd", "127.0.0.1", filter_.port))
        await deliver(world)
    assert stored(world, "junk")["reason"] == "It is in junk because the junk filter takes it for such."


async def test_spamassassin_can_be_the_filter(start: Start) -> None:
    with FakeScanner(SPAMD) as filter_:
        world = await start(scanner=ScannerAddress("spamd", "127.0.0.1", filter_.port))
        await deliver(world)
    assert filter_.requests[0].startswith(b"SYMBOLS SPAMC/1.5\r\nContent-length: ")
    assert "The junk filter gives it 15.3 points; 5 make it junk (GTUBE, MISSING_DATE)." in stored(world, "junk")["why"]


@pytest.mark.parametrize(
    ("setting", "reply"), [("junk", "250 "), ("reject", "550 5.7.1 message refused by the junk filter")]
)
async def test_the_setting_says_whether_the_filter_may_refuse(start: Start, setting: str, reply: str) -> None:
    with FakeScanner(answered("reject", 30)) as filter_:
        world = await start(scanner=ScannerAddress("rspamd", "127.0.0.1", filter_.port), scanner_reject=setting)
        assert (await deliver(world)).startswith(reply)


async def test_the_filter_can_put_a_message_off(start: Start) -> None:
    with FakeScanner(answered("soft reject")) as filter_:
        world = await start(scanner=ScannerAddress("rspamd", "127.0.0.1", filter_.port))
        assert (await deliver(world)).startswith("451 4.7.1 message deferred by the junk filter")


@pytest.mark.parametrize("answer", [None, b"", b"HTTP/1.1 502 Bad Gateway\r\n\r\n", b"x" * 2_000_000])
async def test_a_filter_that_fails_never_costs_the_message(start: Start, answer: bytes | None) -> None:
    with FakeScanner(answer) as filter_:
        world = await start(scanner=ScannerAddress("rspamd", "127.0.0.1", filter_.port), scanner_timeout=0.3)
        assert (await deliver(world)).startswith("250 ")
    assert "score" not in stored(world, "inbox")


async def test_a_filter_that_is_not_there_never_costs_the_message(start: Start) -> None:
    world = await start(scanner=ScannerAddress("spamd", "127.0.0.1", 1))
    assert (await deliver(world)).startswith("250 ")


async def test_a_filter_that_reads_nothing_is_hung_up_on(start: Start) -> None:
    hung_up = asyncio.Event()

    async def read_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hung_up.wait()
        writer.transport.abort()

    large = b"Subject: large\r\n\r\n" + (b"x" * 76 + b"\r\n") * 50_000
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # else the kernel takes it all
    async with await asyncio.start_server(read_nothing, sock=listening):
        port = listening.getsockname()[1]
        world = await start(scanner=ScannerAddress("spamd", "127.0.0.1", port), scanner_timeout=0.5)
        async with await world.client() as client:
            await client.say("EHLO client.test", "MAIL FROM:<someone@remote.test>", "RCPT TO:<alice@here.test>")
            assert (await client.send_message(large)).startswith("250 ")
        assert connections_to(port) == 0
        hung_up.set()
