"""A message in two: its header section with its fields, and its body."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.message.headers import fields, fold, split_head
from onifast_shared.message.sections import HeaderField, HeaderSection, RawMessage

HEAD = b"Received: a\r\n\tb\r\nsubject : s\r\nTo: you@remote.test\r\nSubject: t\r\n"
MESSAGE = RawMessage.of(HEAD + b"\r\nbody\r\n")


def without_subjects(field: HeaderField) -> bytes | None:
    return b"" if field.key == "subject" else None


def test_fields_are_found_by_their_names_in_lower_case_and_keep_their_octets() -> None:
    head = HeaderSection(HEAD)
    assert [field.key for field in head.fields] == ["received", "subject", "to", "subject"]
    assert [field.name for field in head.fields] == ["Received", "subject", "To", "Subject"]
    assert head.values("subject") == [b" s", b" t"] and head.values("received") == [b" a\r\n\tb"]
    assert head.has("to") and not head.has("cc")
    assert b"".join(field.octets for field in head.fields) == HEAD


def test_what_changes_nothing_gives_the_same_value() -> None:
    head = HeaderSection(HEAD)
    assert head.changed(lambda _: None) is head
    assert head.with_below(b"") is head
    assert head.renewed(HEAD[:]) is head
    assert MESSAGE.with_head(MESSAGE.head) is MESSAGE
    assert MESSAGE.renewed(MESSAGE.octets) is MESSAGE


def test_a_changed_header_knows_its_fields() -> None:
    changed = HeaderSection(HEAD).changed(lambda field: fold("To", "me@here.test") if field.key == "to" else None)
    assert changed.octets == HEAD.replace(b"you@remote.test", b"me@here.test")
    assert changed.fields == HeaderSection(changed.octets).fields
    assert HeaderSection(HEAD).changed(without_subjects).octets == b"Received: a\r\n\tb\r\nTo: you@remote.test\r\n"
    assert HeaderSection(b"Subject: s").changed(without_subjects).octets == b""
    assert HeaderSection(b"no Subject: s\nSubject: s\n").changed(without_subjects).octets == b"no Subject: s\n"


@pytest.mark.parametrize("head", [b"", b"A: 1\r\n", b"A: 1"], ids=["none", "whole", "open"])
def test_fields_below_begin_a_line(head: bytes) -> None:
    below = HeaderSection(head).with_below(b"B: 2\r\nC: 3\r\n")
    assert below.octets == head.removesuffix(b"\r\n") + (b"\r\n" if head else b"") + b"B: 2\r\nC: 3\r\n"
    assert [*below.values("b"), *below.values("c")] == [b" 2", b" 3"]


@pytest.mark.parametrize(
    ("octets", "body", "is_divided"),
    [
        (b"A: 1\r\n\r\nx\r\n", b"x\r\n", True),
        (b"A: 1\r\nno field\r\n\r\nx", b"no field\r\n\r\nx", False),
        (b"\r\nx", b"x", True),
        (b"A: 1\r\n", b"", True),
        (b"A: 1", b"", True),
        (b" x\r\n\r\ny", b" x\r\n\r\ny", False),
    ],
)
def test_the_body_begins_behind_the_empty_line(octets: bytes, body: bytes, is_divided: bool) -> None:
    message = RawMessage.of(octets)
    assert (bytes(message.body), message.is_divided) == (body, is_divided)
    assert message.with_head(message.head).octets == message.head.octets + b"\r\n" + body
    other = HeaderSection(b"B: 2\r\n")
    assert message.with_head(other).octets == b"B: 2\r\n\r\n" + body and message.with_head(other).head is other


@given(st.lists(st.sampled_from([b"A", b":", b" ", b"\t", b"\r\n", b"\n", b"\r", b"x", b"\xfc", b"\0", b"From "])))
def test_any_octets_are_taken_apart_as_by_the_plain_functions(pieces: list[bytes]) -> None:
    octets = b"".join(pieces)
    for head in (octets, split_head(octets)[0]):
        section = HeaderSection(head)
        found = [field for field in section.fields if field.key]
        assert [(field.name, field.value) for field in found] == list(fields(head))
        assert b"".join(field.octets for field in section.fields) == head
    message = RawMessage.of(octets)
    assert (message.head.octets, bytes(message.body)) == split_head(octets)
