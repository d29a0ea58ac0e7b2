"""The form of messages: header, lines and parts within bounds."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from smtpd.helpers import HERE, World

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.machine.config import Settings
from onifast_shared.message import mime
from onifast_shared.message.sections import HeaderSection, RawMessage
from onifast_smtpd.headers import structure

Start = Callable[..., Awaitable[World]]

SETTINGS = Settings(max_line_length=998, max_mime_depth=10, max_mime_parts=100, max_header_fields=50)


def nested(depth: int) -> bytes:
    """Multiparts in one another, with a text inside."""
    message = b"Content-Type: text/plain\r\n\r\nText.\r\n"
    for level in range(depth):
        head = b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n" % level
        message = head + b"--b%d\r\n" % level + message + b"\r\n--b%d--\r\n" % level
    return message


def parts(number: int) -> bytes:
    """One multipart of so many parts."""
    return b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * number + b"--b--\r\n"


@pytest.mark.parametrize(("length", "allowed"), [(997, True), (998, True), (999, False), (5000, False)])
@pytest.mark.parametrize("before", [b"", b"short\r\n", b"y" * 998 + b"\r\n"])
@pytest.mark.parametrize("after", [b"", b"short\r\n" * 500])
def test_a_line_is_no_longer_than_the_limit(before: bytes, length: int, after: bytes, allowed: bool) -> None:
    reply = structure.judge_lines(before + b"x" * length + b"\r\n" + after, SETTINGS)
    assert (reply is None) == allowed


@given(st.lists(st.integers(0, 1500), max_size=12))
def test_lines_are_judged_as_by_splitting(lengths: list[int]) -> None:
    raw = b"".join(b"x" * length + b"\r\n" for length in lengths)
    assert (structure.judge_lines(raw, SETTINGS) is None) == all(length <= 998 for length in lengths)


@pytest.mark.parametrize(("depth", "allowed"), [(1, True), (10, True), (11, False), (60, False)])
def test_parts_are_nested_no_deeper_than_the_limit(depth: int, allowed: bool) -> None:
    raw = nested(depth)
    assert structure.may_have_many_parts(RawMessage.of(raw), SETTINGS) or allowed
    assert (structure.judge_parts(raw, SETTINGS) is None) == allowed


@pytest.mark.parametrize(("number", "allowed"), [(1, True), (100, True), (101, False), (5000, False)])
def test_parts_are_no_more_than_the_limit(number: int, allowed: bool) -> None:
    raw = parts(number)
    assert structure.may_have_many_parts(RawMessage.of(raw), SETTINGS) or allowed
    assert (structure.judge_parts(raw, SETTINGS) is None) == allowed


def test_a_text_is_not_counted_however_many_of_its_lines_begin_with_hyphens() -> None:
    raw = b"Content-Type: text/plain\r\n\r\n" + b"-- \r\n" * 1000
    assert not structure.may_have_many_parts(RawMessage.of(raw), SETTINGS)


def test_a_message_is_measured() -> None:
    assert mime.measure(nested(3), 50, 1000) == mime.Structure(3, 3)
    assert mime.measure(b"Subject: x\r\n\r\nText\r\n", 50, 1000) == mime.Structure(0, 0)


def test_what_is_too_deep_is_not_looked_at_to_its_end() -> None:
    raw = nested(3000)
    began = time.process_time()
    assert mime.measure(raw, 10, 1000).depth == 11
    assert time.process_time() - began < 1


@given(st.binary(max_size=300))
def test_any_octets_can_be_judged(octets: bytes) -> None:
    raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + octets
    structure.judge_parts(raw, SETTINGS)
    structure.judge_lines(raw, SETTINGS)
    structure.judge_head(HeaderSection(octets), SETTINGS)


def test_folded_lines_are_one_field() -> None:
    head = b"Subject: a\r\n b\r\n\tc\r\n" * 50
    assert structure.judge_head(HeaderSection(head), SETTINGS) is None
    assert structure.judge_head(HeaderSection(head + b"Subject: one more\r\n"), SETTINGS) is not None


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        (b"X: " + b"y" * 20_000 + b"\r\n\r\nx\r\n", "552 5.3.4 header section exceeds 16384 octets"),
        (b"X: y\r\n" * 51 + b"\r\nx\r\n", "552 5.3.4 header section has more than 50 fields"),
        (b"X: y\r\n\r\n" + b"x" * 999 + b"\r\n", "554 5.6.0 message has a line of more than 998 octets"),
        (nested(11), "550 5.6.0 message has parts nested more than 10 deep"),
        (parts(101), "550 5.6.0 message has more than 100 parts"),
        (b"Received: x\r\n" * 51 + b"\r\nx\r\n", "554 5.4.6 too many hops"),
    ],
    ids=["header", "fields", "line", "depth", "parts", "hops"],
)
async def test_each_limit_has_its_reply(start: Start, message: bytes, reply: str) -> None:
    fields = 50 if b"X: y" in message else 1000
    limits = replace(SETTINGS, max_header_size=16384, max_header_fields=fields)
    names = ("max_header_size", "max_header_fields", "max_line_length", "max_mime_depth", "max_mime_parts")
    world = await start(**{name: getattr(limits, name) for name in names})
    async with await world.client() as client:
        assert (await client.deliver("a@remote.test", "alice@here.test", message=message)).startswith(reply)
        assert (await client.deliver("a@remote.test", "alice@here.test")).startswith("250 2.0.0")


async def test_local_programs_bare_line_ends_can_be_refused_too(start: Start) -> None:
    world = await start(bare_line_ends="refuse")
    async with await world.client(HERE) as client:
        reply = await client.deliver("a@remote.test", "you@remote.test", message=b"Subject: x\n\nText\n\r\n")
        assert reply.startswith("550 5.6.11 ")
