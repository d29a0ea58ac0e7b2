"""Milters: what content filters are told, and what their word does to a message."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.machine.setting_types import Listen, milters
from onifast_shared.mailboxes import mailbox
from onifast_shared.message.sections import RawMessage
from onifast_shared.refused import refusals
from onifast_smtpd.milter import editing
from onifast_smtpd.milter.editing import ChangedField, InsertedField, ReplacedBody, edited
from onifast_smtpd.milter.protocol import MilterTrouble

from fakes.milter import FakeMilter, Packet, negotiation

from .helpers import MESSAGE as MESSAGE_SENT
from .helpers import World, connections_to

Start = Callable[..., Awaitable[World]]

LARGE = b"Subject: large\r\n\r\n" + (b"x" * 76 + b"\r\n") * 200_000  # more than the kernel takes from us
MESSAGE = b"Subject: one\r\nX-Old: a\r\n folded\r\nx-old : b\r\nTo: you\r\n\r\nbody\r\n"


def at(filter_: FakeMilter) -> tuple[Listen, ...]:
    return (Listen("127.0.0.1", filter_.port),)


def field(name: bytes, value: bytes, index: int | None = None) -> bytes:
    place = b"" if index is None else struct.pack("!I", index)
    return place + name + b"\0" + value + b"\0"


async def deliver(world: World, sender: str = "someone@remote.test") -> str:
    async with await world.client() as client:
        return await client.deliver(sender, "alice@here.test", "bob@here.test")


async def submit(world: World, head: str = "From: alice@here.test") -> str:
    async with await world.client("127.0.0.1") as client:
        await client.say("EHLO client.test", "MAIL FROM:<alice@here.test>", "RCPT TO:<you@remote.test>")
        return await client.send_message(f"{head}\r\nSubject: out\r\n\r\nbody\r\n".encode())


def stored(world: World, folder: str = "inbox") -> tuple[dict[str, Any], bytes]:
    [row] = world.database.read(lambda tx: mailbox.list_page(tx, "alice", folder)).rows
    [raw] = world.inbox("alice", folder)
    return row.authentication, raw


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", ()),
        ("127.0.0.1:8891", (Listen("127.0.0.1", 8891),)),
        ("unix:/run/clamav/milter, [::1]:9", (Listen("", 0, Path("/run/clamav/milter")), Listen("::1", 9))),
    ],
)
def test_the_setting_names_the_filters_in_their_order(text: str, where: tuple[Listen, ...]) -> None:
    assert milters().parse(text) == where


@pytest.mark.parametrize("text", ["clamav", ":8891", "127.0.0.1:0", "unix:relative", "host:99999999"])
def test_a_setting_that_names_no_filter_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        milters().parse(text)


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ([], MESSAGE),
        ([InsertedField(b"X-New", b" n")], MESSAGE.replace(b"\r\n\r\n", b"\r\nX-New: n\r\n\r\n")),
        ([InsertedField(b"X-New", b" n", 0)], b"X-New: n\r\n" + MESSAGE),
        ([InsertedField(b"X-New", b" n", 1)], MESSAGE.replace(b"X-Old: a", b"X-New: n\r\nX-Old: a")),
        ([InsertedField(b"X-New", b" n", 999)], MESSAGE.replace(b"\r\n\r\n", b"\r\nX-New: n\r\n\r\n")),
        ([ChangedField(b"X-OLD", b" c", 2)], MESSAGE.replace(b"x-old : b", b"X-OLD: c")),
        ([ChangedField(b"X-Old", b"", 0)], MESSAGE.replace(b"X-Old: a\r\n folded\r\n", b"")),
        (
            [ChangedField(b"X-Old", b"", 1), ChangedField(b"X-Old", b"", 2)],
            b"Subject: one\r\nTo: you\r\n\r\nbody\r\n",
        ),
        ([ChangedField(b"X-Old", b" c", 3)], MESSAGE.replace(b"\r\n\r\n", b"\r\nX-Old: c\r\n\r\n")),
        ([ChangedField(b"X-Old", b"", 3)], MESSAGE),
        ([ReplacedBody(b"other\nlines\r\n")], MESSAGE.replace(b"body\r\n", b"other\r\nlines\r\n")),
    ],
)
def test_edits_change_what_they_say_and_nothing_else(edits: list[editing.Edit], expected: bytes) -> None:
    assert edited(RawMessage.of(MESSAGE), edits).octets == expected


def test_the_words_of_a_filter_are_read() -> None:
    assert editing.add(field(b"X-A", b"v")) == InsertedField(b"X-A", b" v")
    assert editing.add(field(b"X-A", b"v\n\tfolded")) == InsertedField(b"X-A", b" v\r\n\tfolded")
    # Index 1 is below our own Received, which no filter sees.
    assert [editing.insert(field(b"X-A", b"v", index)).index for index in (0, 1, 2)] == [0, 0, 1]
    assert editing.change(field(b"X-A", b"", 2)) == ChangedField(b"X-A", b"", 2)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"X-A\0",
        b"X-A\0v",
        b"X-A\0v\0more\0",
        field(b"", b"v"),
        field(b"X A", b"v"),
        field(b"X:A", b"v"),
        field(b"X\r\nA", b"v"),
        field(b"X-A", b"v\r\n\r\nbody"),
        field(b"X-A", b"v\nBcc: me"),
        field(b"X-A", b"v\rBcc: me"),
        field(b"X-A", b"v\r\n "),
    ],
)
def test_a_field_that_would_break_the_header_is_trouble(data: bytes) -> None:
    with pytest.raises(MilterTrouble):
        editing.add(data)


@given(st.binary(max_size=60))
def test_whatever_a_filter_puts_in_stays_one_field(value: bytes) -> None:
    try:
        new = editing.add(field(b"X-New", value))
    except MilterTrouble:
        return
    changed = edited(RawMessage.of(MESSAGE), [new]).octets
    assert changed.startswith(MESSAGE.partition(b"\r\n\r\n")[0])
    assert changed.endswith(b"\r\n\r\nbody\r\n")
    assert changed.count(b"\r\n\r\n") == 1


async def test_a_filter_is_told_of_client_envelope_and_message(start: Start) -> None:
    with FakeMilter() as filter_:
        world = await start(milters=at(filter_))
        assert (await deliver(world)).startswith("250 ")
    heard = [kind for kind, _ in filter_.commands if kind != b"D"]
    assert b"".join(heard[:6]) == b"OCHMRR" and heard[6] == b"T" and b"".join(heard[-4:]) == b"NBEQ"
    [connect] = filter_.data(b"C")
    name, _, rest = connect.partition(b"\0")
    assert (name, rest[:1], rest[3:]) == (b"[127.0.0.9]", b"4", b"127.0.0.9\0")
    assert filter_.data(b"H") == [b"client.test\0"]
    assert filter_.data(b"M") == [b"<someone@remote.test>\0"]
    assert filter_.data(b"R") == [b"<alice@here.test>\0", b"<bob@here.test>\0"]
    assert all(data.endswith(b"\0") and data.count(b"\0") == 2 for data in filter_.data(b"L"))
    told = b"".join(filter_.data(b"D"))
    assert b"{client_addr}\x00127.0.0.9\0" in told
    assert b"{daemon_name}\0smtp\0" in told and b"{auth_authen}" not in told


async def test_a_filter_is_not_told_what_it_does_not_want(start: Start) -> None:
    with FakeMilter({b"L": []}, steps=0x01 | 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80 | 0x200) as filter_:
        world = await start(milters=at(filter_))
        assert (await deliver(world)).startswith("250 ")
    assert {kind for kind, _ in filter_.commands} == {b"O", b"L", b"D", b"E", b"Q"}


async def test_what_a_filter_adds_comes_into_the_mailbox(start: Start) -> None:
    end = [(b"p", b""), (b"h", field(b"X-Virus", b"none")), (b"b", b"cleaned\n"), (b"b", b"text\r\n"), (b"c", b"")]
    with FakeMilter({b"E": end}) as filter_:
        world = await start(milters=at(filter_))
        assert (await deliver(world)).startswith("250 ")
    _, raw = stored(world)
    assert b"\r\nX-Virus: none\r\n\r\ncleaned\r\ntext\r\n" in raw


async def test_the_next_filter_sees_what_the_one_before_changed(start: Start) -> None:
    with FakeMilter({b"E": [(b"h", field(b"X-First", b"1")), (b"c", b"")]}) as one, FakeMilter() as two:
        world = await start(milters=(*at(one), *at(two)))
        assert (await deliver(world)).startswith("250 ")
    assert b"X-First\x001\0" in two.data(b"L")


@pytest.mark.parametrize(
    ("stage", "packet", "reply"),
    [
        (b"C", (b"r", b""), "550 5.7.1 message refused by a content filter"),
        (b"R", (b"t", b""), "451 4.7.1 message deferred by a content filter"),
        (b"L", (b"d", b""), "550 5.7.1 message refused by a content filter"),
        (b"B", (b"y", b"554 5.7.1 Virus Eicar-Test-Signature found\0"), "554 5.7.1 Virus Eicar-Test-Signature found"),
        (b"E", (b"y", b"550 100%% of it is junk\0"), "550 5.7.1 100% of it is junk"),
        (b"E", (b"y", b"421 4.3.2 come back\0"), "451 4.3.2 come back"),
        (b"E", (b"y", b"550-5.7.1 two\r\n550 5.7.1 lines\0"), "550"),
        (b"E", (b"y", "550 5.7.1 naïve\0".encode()), "550 5.7.1 na?ve"),
    ],
)
@pytest.mark.parametrize("way", [deliver, submit])
async def test_a_filter_may_refuse_at_any_stage(
    start: Start, way: Callable[[World], Awaitable[str]], stage: bytes, packet: Packet, reply: str
) -> None:
    with FakeMilter({stage: [packet]}) as filter_:
        world = await start(milters=at(filter_))
        assert (await way(world)).startswith(reply)
    assert not world.queue()
    assert not world.inbox("alice")


async def test_a_refusal_is_recorded_with_its_reason(start: Start) -> None:
    with FakeMilter({b"E": [(b"y", b"554 5.7.1 Virus found\0")]}) as filter_:
        world = await start(milters=at(filter_))
        await deliver(world)
    await world.receiver.deferred_writes.settled()
    row, _ = world.database.read(lambda tx: refusals.list_page(tx, None)).rows
    assert "Refused by a content filter: Virus found." in str(row.refusal)


@pytest.mark.parametrize(("stage", "letter"), [(b"M", b"a"), (b"B", b"s"), (b"E", b"a")])
async def test_a_filter_may_accept_before_it_saw_everything(start: Start, stage: bytes, letter: bytes) -> None:
    with FakeMilter({stage: [(letter, b"")]}) as filter_:
        world = await start(milters=at(filter_))
        assert (await deliver(world)).startswith("250 ")
    stored(world)


async def test_what_a_filter_puts_aside_is_in_junk(start: Start) -> None:
    with FakeMilter({b"E": [(b"q", b"looks odd\0"), (b"c", b"")]}) as filter_:
        world = await start(milters=at(filter_))
        assert (await deliver(world)).startswith("250 ")
    found, _ = stored(world, "junk")
    assert found["reason"] == "It is in junk because a content filter put it aside: looks odd."


async def test_what_a_filter_puts_aside_on_its_way_out_is_refused(start: Start) -> None:
    with FakeMilter({b"E": [(b"q", b"looks odd\0"), (b"c", b"")]}) as filter_:
        world = await start(milters=at(filter_))
        assert (await submit(world)).startswith("550 5.7.1 message put aside by a content filter: looks odd")


async def test_a_submission_goes_out_as_the_filters_left_it(start: Start) -> None:
    end = [(b"m", field(b"Subject", b"changed", 1)), (b"i", field(b"X-Seen", b"yes", 1)), (b"c", b"")]
    with FakeMilter({b"E": end}) as filter_:
        world = await start(milters=at(filter_))
        assert (await submit(world)).startswith("250 ")
    [row] = world.queue()
    assert row["subject"] == "changed"
    received, _, rest = row["raw"].partition(b"X-Seen: yes\r\n")
    assert received.startswith(b"Received: ") and b"Subject: changed\r\n" in rest


BROKEN = [
    pytest.param({b"O": None}, id="says nothing"),
    pytest.param({b"O": [(b"c", b"")]}, id="does not negotiate"),
    pytest.param({b"O": [negotiation(version=1)]}, id="too old"),
    pytest.param({b"O": [negotiation(version=7)]}, id="too new"),
    pytest.param({b"O": [negotiation(actions=0x04)]}, id="wants to add recipients"),
    pytest.param({b"O": [negotiation(steps=0x100000)]}, id="wants leading spaces"),
    pytest.param({b"M": None}, id="hangs"),
    pytest.param({b"E": [(b"p", b"")]}, id="is at work for ever"),
    pytest.param({b"M": [(b"Z", b"")]}, id="unknown letter"),
    pytest.param({b"M": [(b"y", b"250 ok\0")]}, id="refuses with 250"),
    pytest.param({b"M": [(b"y", b"nonsense\0")]}, id="no reply"),
    pytest.param({b"E": [(b"+", b"<eve@remote.test>\0"), (b"c", b"")]}, id="adds a recipient"),
    pytest.param({b"E": [(b"h", field(b"X", b"a\nBcc: b")), (b"c", b"")]}, id="breaks the header"),
    pytest.param({b"E": [(b"h", field(b"X", b"a"))] * 1200}, id="too many fields"),
    pytest.param({b"E": [(b"b", b"x" * 65535)] * 40}, id="too large a body"),
    pytest.param({b"E": [(b"b", b"x" * 2_000_000)]}, id="too large a packet"),
]


@pytest.mark.parametrize("answers", BROKEN)
@pytest.mark.parametrize(("failure", "reply"), [("later", "451 4.7.1 a content filter does not"), ("accept", "250 ")])
async def test_a_broken_filter_costs_no_message(
    start: Start, answers: dict[bytes, list[Packet] | None], failure: str, reply: str
) -> None:
    with FakeMilter(answers) as filter_:
        world = await start(
            milters=at(filter_), milter_timeout=0.5, milter_failure=failure, max_message_size=1024 * 1024
        )
        assert (await deliver(world)).startswith(reply)
    if failure == "accept":
        _, raw = stored(world)
        assert raw.endswith(MESSAGE_SENT)


async def test_a_filter_that_is_not_there_is_waited_for(start: Start, tmp_path: Path) -> None:
    world = await start(milters=(Listen("", 0, tmp_path / "none"),))
    assert (await deliver(world)).startswith("451 4.7.1 a content filter does not answer")


async def test_a_strangers_words_cannot_add_to_a_packet(start: Start) -> None:
    with FakeMilter() as filter_:
        world = await start(milters=at(filter_))
        async with await world.client() as client:
            sender = "MAIL FROM:<someone@remote.test> BODY=BINARYMIME"
            await client.say("EHLO client.test", sender, "RCPT TO:<alice@here.test>")
            client.send(b"BDAT 22 LAST\r\nSubject: a\0b\r\n\r\nbody\r\n")
            assert (await client.reply())[0].startswith("250 ")
    assert all(data.count(b"\0") == 2 for data in filter_.data(b"L"))


async def test_a_filter_that_reads_nothing_is_hung_up_on(start: Start) -> None:
    hung_up = asyncio.Event()

    async def read_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nothing_but_the_body = negotiation(steps=0x2EF | 0xFF000)[1]
        writer.write(struct.pack("!I", 13) + b"O" + nothing_but_the_body)
        await hung_up.wait()
        writer.transport.abort()

    async with await asyncio.start_server(read_nothing, "127.0.0.1", 0) as filter_:
        port = filter_.sockets[0].getsockname()[1]
        world = await start(milters=(Listen("127.0.0.1", port),), milter_timeout=0.5)
        async with await world.client() as client:
            await client.say("EHLO client.test", "MAIL FROM:<someone@remote.test>", "RCPT TO:<alice@here.test>")
            reply = await client.send_message(LARGE)
        assert reply.startswith("451 4.7.1 a content filter does not answer")
        assert connections_to(port) == 0
        hung_up.set()
