"""White space for DKIM (RFC 6376 section 3.4): what takes linear time gives what it should."""

from __future__ import annotations

import re

import pytest
from dkim import RelaxedCanonicalization, canonicalization
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.dkim import white_space
from onifast_shared.dkim.white_space import (
    canonicalize_headers,
    close_names,
    compress_whitespace,
    select_headers,
    shorten_blanks,
    strip_trailing_whitespace,
)

TEXT = st.lists(st.sampled_from([b" ", b"  ", b"\t", b"a", b"\r\n", b"\r", b"\n"])).map(b"".join)


@given(TEXT)
def test_white_space_goes_from_line_ends_as_with_dkimpy(text: bytes) -> None:
    assert strip_trailing_whitespace(text) == re.sub(rb"[\t ]+\r\n", b"\r\n", text)


@given(TEXT)
def test_runs_of_white_space_become_one_space_as_with_dkimpy(text: bytes) -> None:
    assert compress_whitespace(text) == re.sub(rb"[\t ]+", b" ", text)


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        (b" a\r\n", b"a"),
        (b"\ta \t b\r\n\tc \r\n", b"a b c"),
        (b"\r\n", b""),
        (b" \r\n \r\n", b""),
        (b"\x0ba \x0c\r\n", b"\x0ba \x0c"),
        (b" a\xa0\x85 \r\n", b"a\xa0\x85"),
    ],
)
def test_a_fields_relaxed_form_loses_blanks_and_tabs_alone(value: bytes, canonical: bytes) -> None:
    assert canonicalize_headers([(b"X-Name", value)]) == [(b"x-name", canonical + b"\r\n")]


def test_blanks_go_from_between_names_and_colons_alone() -> None:
    head = b"From : a : b\r\nTo\t \t: x\r\n not : this\r\nnor this : one\r\nX-Y : z\r\n"
    assert close_names(head) == b"From: a : b\r\nTo: x\r\n not : this\r\nnor this : one\r\nX-Y: z\r\n"


def test_dkimpy_looks_for_its_functions_where_ours_are_put() -> None:
    white_space.put_in_place()
    assert RelaxedCanonicalization is canonicalization.Relaxed
    body = b"a \t b \r\n" * (white_space.PIECE // 4) + b"\x0b \r\n\r\n"
    assert RelaxedCanonicalization.canonicalize_body(body) == b"a b\r\n" * (white_space.PIECE // 4) + b"\x0b\r\n"
    assert {"strip_trailing_whitespace", "compress_whitespace"} <= {
        *RelaxedCanonicalization.canonicalize_body.__code__.co_names
    }
    assert RelaxedCanonicalization.canonicalize_headers is white_space.canonicalize_headers


@pytest.mark.parametrize("blank", [b" " * 100, b"\t" * 5000, b"\r\n " * 60, b"\n\t" * 60, b" " * 90 + b"\r\n " * 9])
def test_very_long_white_space_in_a_field_becomes_one_space(blank: bytes) -> None:
    assert shorten_blanks(b"A: x" + blank + b"y\r\nB: z\r\n") == b"A: x y\r\nB: z\r\n"
    assert shorten_blanks(b"A: x" + b" " * 200 + b"\r\nB: z\r\n") == b"A: x \r\nB: z\r\n"


def test_other_white_space_stays() -> None:
    head = b"A: x" + b" " * 99 + b"y\r\n z\r\n\tz\r\nB:\r\n" * 50
    assert shorten_blanks(head) == head


FIELDS = st.lists(st.tuples(st.sampled_from([b"A", b"a", b"B", b"c"]), st.binary(max_size=2)))


@given(FIELDS, st.lists(st.sampled_from([b"a", b"b", b"c", b"d"])))
def test_fields_are_chosen_from_below(fields: list[tuple[bytes, bytes]], names: list[bytes]) -> None:
    rest, chosen = list(fields), []
    for name in names:
        places = [place for place, field in enumerate(rest) if field[0].lower() == name]
        chosen += [rest.pop(places[-1])] if places else []
    assert select_headers(fields, names) == chosen
