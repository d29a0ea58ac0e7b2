"""The end of a message, however it is cut into packets."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_smtpd.protocol.data import Collector

# Octets that matter here, so that terminators and near misses are frequent.
OCTETS = st.lists(st.sampled_from([b"\r\n", b".", b"\r\n.", b"\r", b"\n", b"x", b"..", b"\r\n.\r"]), max_size=30).map(
    b"".join
)


def collect(stream: bytes, cuts: list[int], limit: int = 10_000) -> tuple[Collector, bytes]:
    """Feeds the stream in pieces; the collector, and what it left over."""
    collector = Collector(limit)
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    rest = b""
    for begin, end in pairwise(places):
        piece = stream[begin:end]
        rest += piece if collector.done else collector.feed(piece)
    return collector, rest


@given(OCTETS, OCTETS, st.lists(st.integers(0, 80), max_size=8))
def test_a_message_ends_at_the_first_crlf_dot_crlf_wherever_it_is_cut(
    before: bytes, after: bytes, cuts: list[int]
) -> None:
    stream = before + b"\r\n.\r\n" + after
    collector, rest = collect(stream, cuts)
    end = (b"\r\n" + stream).index(b"\r\n.\r\n")
    assert collector.done
    assert rest == stream[end + 3 :]
    lines = (b"\r\n" + stream)[: end + 2].split(b"\r\n")
    assert collector.message() == b"\r\n".join(line.removeprefix(b".") for line in lines)[2:]


@given(OCTETS, st.lists(st.integers(0, 80), max_size=8))
def test_nothing_else_ends_a_message(stream: bytes, cuts: list[int]) -> None:
    collector, rest = collect(stream, cuts)
    assert collector.done == (b"\r\n.\r\n" in b"\r\n" + stream)
    assert collector.done or rest == b""


@pytest.mark.parametrize("size", [50, 51, 52])
def test_a_message_is_kept_up_to_the_limit(size: int) -> None:
    collector, _ = collect(b"x" * (size - 2) + b"\r\n.\r\n", list(range(60)), limit=51)
    assert collector.too_large == (size > 51)


def test_a_message_over_the_limit_takes_no_memory_and_is_read_to_its_end() -> None:
    collector = Collector(1000)
    for _ in range(1000):
        assert collector.feed(b"x" * 1000) == b""
        assert collector.kept < 2010
    assert collector.feed(b"\r\n.\r\nQUIT\r\n") == b"QUIT\r\n"
    assert collector.done
    assert collector.too_large
