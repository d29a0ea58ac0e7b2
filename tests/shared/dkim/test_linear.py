"""White space for DKIM (RFC 6376 section 3.4): what takes linear time gives what dkimpy's patterns give."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.dkim.linear import compress_whitespace, strip_trailing_whitespace

TEXT = st.lists(st.sampled_from([b" ", b"  ", b"\t", b"a", b"\r\n", b"\r", b"\n"])).map(b"".join)


@given(TEXT)
def test_white_space_goes_from_line_ends_as_with_dkimpy(text: bytes) -> None:
    assert strip_trailing_whitespace(text) == re.sub(rb"[\t ]+\r\n", b"\r\n", text)


@given(TEXT)
def test_runs_of_white_space_become_one_space_as_with_dkimpy(text: bytes) -> None:
    assert compress_whitespace(text) == re.sub(rb"[\t ]+", b" ", text)
