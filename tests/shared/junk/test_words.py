"""What a junk filter reads in a message: bounded, whatever the message, and the same each time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.junk import words
from onifast_shared.message.parsing import parse

HEAD = b"From: Ann <ann@a.test>\r\nReply-To: trap@b.test\r\nSubject: Great offer\r\nX-Mailer: Bulk 7.1\r\n"


def named(raw: bytes, text: str | None = None) -> list[str]:
    parsed = parse(raw)
    reading = words.read(parsed, parsed.text or "" if text is None else text, {"dmarc": "fail"})
    return [feature.word for feature in reading.features if feature.word]


def numbers(raw: bytes, **found: str) -> set[int]:
    parsed = parse(raw)
    return {feature.number for feature in words.read(parsed, parsed.text or "", found).features}


def test_words_addresses_and_links_are_named() -> None:
    found = named(HEAD + b"\r\nClick http://shop.evil.test/x now, 50% off for Ann's v1agra a an\r\n")
    assert found[:3] == ["ann@a.test", "a.test", "shop.evil.test"]
    assert {"great", "offer", "click", "now", "50%", "ann's", "v1agra"} <= set(found)
    assert not {"a", "an"} & set(found)


def test_scripts_without_spaces_give_pairs_of_characters() -> None:
    assert {"会議", "議の", "の資", "資料"} <= set(named(HEAD + "\r\n会議の資料\r\n".encode()))


@pytest.mark.parametrize(
    "other",
    [
        HEAD.replace(b"trap@b", b"trap@c"),
        HEAD.replace(b"Bulk", b"Mutt"),
        HEAD + b"List-Id: <x.a.test>\r\n",
        HEAD + b"Content-Type: text/html\r\n",
        HEAD.replace(b"Ann <", b"Bob <"),
    ],
)
def test_header_fields_count(other: bytes) -> None:
    assert numbers(HEAD + b"\r\nText\r\n") != numbers(other + b"\r\nText\r\n")


def test_what_was_found_about_the_sender_counts() -> None:
    raw = HEAD + b"\r\nText\r\n"
    assert len(numbers(raw, dmarc="fail") ^ numbers(raw, dmarc="pass")) == 2


def test_a_number_of_a_version_does_not_count() -> None:
    assert numbers(HEAD + b"\r\nText\r\n") == numbers(HEAD.replace(b"7.1", b"8.22") + b"\r\nText\r\n")


def test_a_message_of_distinct_words_gives_so_many_features_and_no_more() -> None:
    raw = HEAD + b"\r\n" + b" ".join(b"word%dx" % number for number in range(200_000)) + b"\r\n"
    assert len(numbers(raw)) == words.MOST


@pytest.mark.parametrize(
    "text", ["a" * 5_000_000, "a." * 2_000_000, "会" * 2_000_000, "-" * 5_000_000, "x y " * 999_999]
)
def test_hostile_texts_are_read_at_once(text: str) -> None:
    parsed = parse(HEAD + b"\r\n")
    assert len(words.read(parsed, text, {}).features) <= words.MOST


def test_a_very_long_list_of_addresses_is_passed_over() -> None:
    many = b", ".join(b"u%d@d%d.test" % (number, number) for number in range(3000))
    raw = HEAD.replace(b"trap@b.test", many) + b"\r\nText\r\n"
    assert numbers(raw) == numbers(HEAD.replace(b"Reply-To: trap@b.test\r\n", b"") + b"\r\nText\r\n")


def test_a_message_without_an_author_is_read() -> None:
    assert words.read(parse(b""), "", {}).author is None


@given(st.binary(max_size=400))
def test_any_bytes_are_read_alike_each_time(raw: bytes) -> None:
    assert numbers(raw) == numbers(raw)
    assert all(-(2**63) <= number < 2**63 for number in numbers(raw))
