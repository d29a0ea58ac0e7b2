"""Header bytes: splitting, decoding, folding, and changing a message without touching the rest of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.message.headers import (
    decode_words,
    encode_text,
    fields,
    fold,
    has_bare_line_ends,
    head_within,
    normalise_newlines,
    prepend,
    remove_headers,
    split_head,
    survey,
    unfold,
    values_of,
    without_mbox_lines,
)

MESSAGE = b"A: 1\r\nB: 2\r\n\t3\r\nA: 4\r\n\r\nbody\r\n\r\nmore\r\n"


def test_a_message_is_divided_at_its_first_empty_line() -> None:
    assert split_head(MESSAGE) == (b"A: 1\r\nB: 2\r\n\t3\r\nA: 4\r\n", b"body\r\n\r\nmore\r\n")
    assert split_head(b"A: 1\n\nb") == (b"A: 1\n", b"b")


def test_a_message_may_lack_a_body_or_a_header() -> None:
    assert split_head(b"A: 1\r\n") == (b"A: 1\r\n", b"")
    assert split_head(b"A: 1") == (b"A: 1", b"")
    assert split_head(b"\r\nbody") == (b"", b"body")
    assert split_head(b"") == (b"", b"")


def test_a_line_that_is_no_field_begins_the_body() -> None:
    assert split_head(b"A: 1\r\nnonsense\r\nB: 2\r\n\r\nx") == (b"A: 1\r\n", b"nonsense\r\nB: 2\r\n\r\nx")


@given(st.text("a: \r\n\t", max_size=60).map(str.encode), st.integers(0, 60))
def test_a_header_within_a_limit_is_that_of_the_whole_message(raw: bytes, limit: int) -> None:
    head = split_head(raw)[0]
    if (found := head_within(raw, limit)) is not None:
        assert found == head
    if len(head) > limit:
        assert found is None


def test_a_header_is_found_whatever_its_length_and_that_of_the_bodys_lines() -> None:
    assert head_within(b"A: 1\r\n\r\n" + b"x" * 1000, 100) == b"A: 1\r\n"
    assert head_within(b"A: 1\r\nx x\r\n" + b"x" * 1000, 100) == b"A: 1\r\n"
    assert head_within(b"A: 1\r\n", 6) == b"A: 1\r\n"
    assert head_within(b"A: 1\r\n" * 10, 59) is None
    assert head_within(b"A: 1\r\n" + b"x" * 100 + b": 1\r\n", 59) is None


def test_a_field_begins_a_line() -> None:
    assert list(fields(b" From: x\r\nA: 1 From: y\r\n")) == [("A", b" 1 From: y")]


def test_a_mailbox_files_from_line_is_passed_over() -> None:
    assert dict(fields(split_head(b"From ann Mon Jan 1\nA: 1\n\nb")[0])) == {"A": b" 1"}


@given(st.binary(max_size=200) | st.text("a: \r\n\t", max_size=60).map(str.encode))
def test_dividing_a_message_loses_no_byte(raw: bytes) -> None:
    head, body = split_head(raw)
    assert raw in (head + body, head + b"\n" + body, head + b"\r\n" + body)


def test_fields_keep_order_and_folds() -> None:
    assert list(fields(split_head(MESSAGE)[0])) == [("A", b" 1"), ("B", b" 2\r\n\t3"), ("A", b" 4")]


def test_unfolding_takes_utf8_and_latin1() -> None:
    assert unfold(b" a\r\n b\xc3\xbc ") == "a bü"
    assert unfold(b"b\xfc") == "bü"


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?ISO-8859-1?Q?a_b=E4?= c", "a bä c"),
        ("=?utf-8?b?R3LDvMOfZQ==?=", "Grüße"),
        ("=?utf-8?b?R3LDvMOfZQ?=", "Grüße"),
        ("=?utf-8?q?a?= =?utf-8?q?b?= c =?utf-8?q?d?=", "ab c d"),
        ("=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "ü"),
        ("=?utf-8*de?q?=C3=BC?=", "ü"),
        ("=?iso-2022-jp?b?GyRCRnxLXBsoQg==?=", "日本"),
        ("=?gb2312?b?1tA=?=", "中"),
        ("=?klingon?q?abc?=", "abc"),
        ("=?idna?q?abc?= =?punycode?q?abc?=", "abcabc"),
        ("=?utf-8?q?hello world?=", "hello world"),
        ("=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        ("=?utf-8?q?abc", "=?utf-8?q?abc"),
        ("=?utf-8?b?!!!?=", ""),
    ],
)
def test_encoded_words_are_decoded_where_they_can_be(text: str, decoded: str) -> None:
    assert decode_words(text) == decoded


@given(st.text(max_size=60) | st.text("=?utf-8qb_AZ ", max_size=60))
def test_decoding_never_raises(text: str) -> None:
    decode_words(text).encode()


@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=120))
def test_text_survives_a_header(text: str) -> None:
    folded = fold("Subject", encode_text(text))
    assert folded.isascii()
    assert decode_words(unfold(folded.partition(b":")[2])) == text


@given(st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=90), max_size=8).map(" ".join))
def test_folding_keeps_the_value_and_the_length_of_lines(value: str) -> None:
    folded = fold("X", value)
    lines = folded.split(b"\r\n")
    assert lines.pop() == b""
    assert all(line.strip() and len(line) <= 998 for line in lines)
    assert unfold(folded[2:]) == value.strip(" ")


@pytest.mark.parametrize("value", ["a\r\nB: c", "a\nb", "a\rb", "a\0b"])
def test_a_value_cannot_bring_in_another_field(value: str) -> None:
    with pytest.raises(ValueError, match="X"):
        fold("X", value)


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "ü"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        fold(name, "x")


def test_a_word_too_long_for_a_line_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        fold("References", "<" + "a" * 1000 + ">")


@pytest.mark.parametrize("blank", [b" ", b"\t"])
def test_a_message_that_begins_with_white_space_has_no_header_and_goes_on_with_no_other_field(blank: bytes) -> None:
    raw = blank + b"; dmarc=pass\r\nFrom: a@b.test\r\n\r\nx\r\n"
    assert split_head(raw) == (b"", raw)
    assert split_head(prepend(raw, fold("Received", "x"))) == (b"Received: x\r\n", raw)


def test_headers_are_put_on_top() -> None:
    assert prepend(MESSAGE, fold("Received", "x")).startswith(b"Received: x\r\nA: 1\r\n")
    with pytest.raises(ValueError, match="CRLF"):
        prepend(MESSAGE, b"Received: x")


def test_only_the_chosen_headers_are_removed() -> None:
    kept = remove_headers(MESSAGE, lambda name, value: name == "b" or value == "4")
    assert kept == b"A: 1\r\n\r\nbody\r\n\r\nmore\r\n"
    assert remove_headers(MESSAGE, lambda name, value: False) == MESSAGE


def test_what_looks_like_a_header_in_the_body_stays() -> None:
    assert remove_headers(b"A: 1\r\n\r\nBcc: x\r\n", lambda name, value: name == "bcc") == b"A: 1\r\n\r\nBcc: x\r\n"


@pytest.mark.parametrize("raw", [b"a\r\nb\r\n", b"a\nb\n", b"a\rb\r", b"a\r\nb\n", b"a\nb\r\n", b"a\rb\n"])
def test_every_kind_of_line_end_becomes_crlf(raw: bytes) -> None:
    assert normalise_newlines(raw) == b"a\r\nb\r\n"


@given(st.text("a\r\n.\0\xff", max_size=20).map(lambda text: text.encode("latin-1")), st.integers(-3, 3))
def test_a_bare_line_end_is_a_cr_or_lf_outside_of_a_pair(octets: bytes, shift: int) -> None:
    left = octets.replace(b"\r\n", b"")
    is_bare = b"\r" in left or b"\n" in left
    assert survey(octets) == (is_bare, octets.isascii())
    # Neither does it matter where a large message is cut to be looked at.
    large = b"x" * (256 * 1024 + shift - len(octets) // 2) + octets
    assert survey(large) == (is_bare, large.isascii())


def test_a_cr_and_an_lf_apart_are_no_pair() -> None:
    assert has_bare_line_ends(b"a\r.\nb\r\n")
    assert has_bare_line_ends(b"a\r \nb")


@given(st.text("a\r\n.", max_size=20).map(str.encode))
def test_normalised_messages_have_no_bare_cr_or_lf(raw: bytes) -> None:
    once = normalise_newlines(raw)
    assert normalise_newlines(once) == once
    rest = once.replace(b"\r\n", b"")
    assert b"\r" not in rest
    assert b"\n" not in rest


@pytest.mark.parametrize("gap", [" " * 2000, "\t" * 2000, " \t" * 500 + "x" * 400])
def test_a_subject_with_a_wide_gap_can_be_folded(gap: str) -> None:
    folded = fold("Subject", encode_text(f"a{gap}b"))
    assert max(map(len, folded.split(b"\r\n"))) <= 998
    assert decode_words(unfold(folded.removeprefix(b"Subject:"))) == f"a{gap}b"


@pytest.mark.parametrize(
    ("head", "clean"),
    [
        (b"From ann@x.test Mon Jan  1 10:00:00 2026\r\nA: 1\r\n", b"A: 1\r\n"),
        (b">From ann@x.test Mon Jan  1 10:00:00 2026\r\nA: 1\r\n", b"A: 1\r\n"),
        (b"A: 1\r\n>>From ann\r\nB: 2\r\n", b"A: 1\r\nB: 2\r\n"),
        (b"From ann\nFrom ben\n\tfolded\nA: 1\n", b"A: 1\n"),
        (b"From ann\r\n", b""),
        (b"From : ann@x.test\r\nA: 1\r\n", b"From : ann@x.test\r\nA: 1\r\n"),
        (b"A: 1\r\n From ann\r\n", b"A: 1\r\n From ann\r\n"),
        (b"X: From ann\r\n", b"X: From ann\r\n"),
    ],
)
def test_lines_of_a_mailbox_file_end_no_header_and_can_be_dropped(head: bytes, clean: bytes) -> None:
    end = b"\n" if b"\r" not in head else b"\r\n"
    raw = head + end + b"From here on text." + end
    assert split_head(raw) == (head, b"From here on text." + end)
    assert without_mbox_lines(raw, head) == (clean + end + b"From here on text." + end, clean)


@pytest.mark.parametrize("head", [b"", b"Subject: x\r\n"])
def test_a_text_that_begins_like_a_mailbox_file_is_a_text(head: bytes) -> None:
    raw = head + b"From now on, this is a text.\r\nAnd it goes on.\r\n"
    assert split_head(raw) == (head, raw.removeprefix(head))
    assert without_mbox_lines(raw, head) == (raw, head)


def test_the_fields_of_one_name_are_found_whatever_their_case_and_folds() -> None:
    head = b"From: a\r\n b\r\nFrom-X: no\r\nX: From: no\r\n\tFrom: no\r\nFROM : c\r\nfrom"
    assert values_of(head, "From") == [value for name, value in fields(head) if name.lower() == "from"]
    assert values_of(head, "from") == [b" a\r\n b", b" c"]
