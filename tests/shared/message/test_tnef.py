"""winmail.dat, made here by the book, whole and broken: its files are found, and nothing raises or takes long."""

from __future__ import annotations

import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.message import tnef
from onifast_shared.message.parsing import parse
from specimens import (
    PNG,
    coded,
    marked,
    message,
    multipart,
    text,
    tnef_attribute,
    tnef_file,
    tnef_rtf,
    tnef_stream,
    unicode_property,
)

HTML = tnef_attribute(1, 0x9003, struct.pack("<I", 1) + struct.pack("<HHII", 0x102, 0x1013, 1, 8) + b"<p>Hi</p"[:8])
FILES = [("a long näme.txt", b"content"), ("pic.png", PNG)]
STREAM = tnef_stream(tnef_file("A LONG~1.TXT", b"content", "a long näme.txt"), tnef_file("pic.png", PNG))


def test_packed_files_are_listed_by_their_long_names() -> None:
    packed = tnef.read(STREAM)
    assert packed is not None
    assert [(file.name, file.content) for file in packed.files] == FILES


def test_a_winmail_dat_gives_way_to_what_is_in_it() -> None:
    parsed = parse(message(multipart("mixed", text("Hi"), coded("application/ms-tnef; name=winmail.dat", STREAM))))
    assert parsed.text == "Hi"
    assert [(item.filename, item.size) for item in parsed.attachments] == [
        ("a long näme.txt", 7),
        ("pic.png", len(PNG)),
    ]


def test_the_packed_text_is_read_where_there_is_no_other() -> None:
    stream = coded("application/ms-tnef", tnef_stream(HTML))
    assert parse(message(stream)).html == "<p>Hi</p"[:8]
    assert parse(message(multipart("mixed", text(" \r\n"), stream))).html == "<p>Hi</p"[:8]
    assert parse(message(multipart("mixed", marked("<p>Other</p>"), stream))).html == "<p>Other</p>"


def test_a_text_in_rtf_is_read_where_there_is_no_other() -> None:
    source = rb"{\rtf1\ansi Gr\'fc\'dfe\par}"
    stream = tnef_stream(tnef_rtf(source))
    assert parse(message(coded("application/ms-tnef", stream))).text == "Grüße\n"


def test_a_message_within_a_winmail_dat_is_opened_with_its_files() -> None:
    inner = tnef_stream(tnef_rtf(rb"{\rtf1 Inside\par}"), tnef_file("photo.png", PNG))
    octets = b"\0" * 16 + inner
    value = struct.pack("<IHHII", 1, 0xD, 0x3701, 1, len(octets)) + octets + b"\0" * (-len(octets) % 4)
    stand_in = b"This attachment is a MAPI 1.0 embedded message and is not supported by this mail system."
    packed = tnef.read(tnef_stream(tnef_file("Letter", stand_in), tnef_attribute(2, 0x9005, value)))
    assert packed is not None
    assert [(file.name, file.content) for file in packed.files] == [("Letter.txt", b"Inside\n"), ("photo.png", PNG)]


def test_messages_within_messages_end() -> None:
    stream = STREAM
    for _ in range(200):
        stream = tnef_stream(tnef_file("inner.dat", stream))
    packed = tnef.read(stream)
    assert packed is not None
    assert [file.name for file in packed.files] == ["inner.dat"]


def test_what_is_no_winmail_dat_stays_as_it_is() -> None:
    parsed = parse(message(coded("application/ms-tnef; name=winmail.dat", b"something else")))
    assert [(item.filename, item.data) for item in parsed.attachments] == [("winmail.dat", b"something else")]


@pytest.mark.parametrize("size", range(0, len(STREAM), 7))
def test_a_stream_that_is_cut_off_is_read_as_far_as_it_goes(size: int) -> None:
    packed = tnef.read(STREAM[:size])
    assert packed is None or len(packed.files) <= 2


@given(st.binary(max_size=200), st.integers(0, len(STREAM)))
def test_no_octets_make_it_raise(octets: bytes, place: int) -> None:
    tnef.read(STREAM[:place] + octets + STREAM[place + len(octets) :])
    tnef.read(tnef_stream(tnef_attribute(2, 0x9002, b""), tnef_attribute(2, 0x9005, octets)))


@pytest.mark.parametrize(
    "stream",
    [
        tnef_stream(tnef_attribute(2, 0x9002, b"")) * 80_000,
        tnef_stream(*[tnef_attribute(2, 0x9002, b"")] * 80_000),
        tnef_stream(tnef_attribute(2, 0x9002, b""), *[unicode_property(0x3707, "x" * 400)] * 2000),
        tnef_stream(tnef_attribute(1, 0x9003, struct.pack("<IHHI", 2**32 - 1, 0x101E, 0x1000, 2**31) + b"\0" * 10**6)),
        tnef_stream(tnef_attribute(1, 0x9003, struct.pack("<IHH", 9, 2, 0x8000) + b"\xff" * 10**6)),
    ],
    ids=["streams", "files", "names", "values", "named"],
)
def test_hostile_streams_cost_little(stream: bytes) -> None:
    started = time.process_time()
    packed = tnef.read(stream)
    assert packed is not None
    assert len(packed.files) <= 200
    assert time.process_time() - started < 2
