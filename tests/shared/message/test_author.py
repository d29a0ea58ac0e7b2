"""The From of a submission: one field with an address, completed from the envelope, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.message.author import MAX_FROM, FromError, complete_from
from onifast_shared.message.headers import unfold
from onifast_shared.message.parsing import summary
from onifast_shared.message.sections import HeaderSection
from onifast_shared.values.address import Address, split_list

SENDER = Address("info", "shop.test")
REST = b"Subject: s\r\nTo: you@remote.test\r\n"


def completed(*values: str) -> str:
    """The one From field that comes of these."""
    head = b"".join(f"From: {value}\r\n".encode() for value in values) + REST
    whole = complete_from(HeaderSection(head), SENDER)
    found = [unfold(field.value) for field in whole.fields if field.name == "From"]
    assert len(found) == 1 and whole.octets.endswith(REST)
    return found[0]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("My Site", "My Site <info@shop.test>"),
        ("Site", "Site <info@shop.test>"),
        ('"My Site"', "My Site <info@shop.test>"),
        ("My Site <>", "My Site <info@shop.test>"),
        ("<My Site>", "My Site <info@shop.test>"),
        ("My, Site", '"My, Site" <info@shop.test>'),
        ("(My Site)", '"(My Site)" <info@shop.test>'),
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "=?utf-8?b?R3LDvMOfZQ==?= <info@shop.test>"),
        ("=?utf-8?q?a=0D=0ABcc:_b=40c.test?=", '"a Bcc: b@c.test" <info@shop.test>'),
        ("", "info@shop.test"),
        (" ", "info@shop.test"),
        ("<>", "info@shop.test"),
        (",", '"," <info@shop.test>'),
        ("=?utf-8?q?a:_b?=", '"a: b" <info@shop.test>'),
        ("Friends:;", "Friends <info@shop.test>"),
        ("undisclosed-recipients: ;", "undisclosed-recipients <info@shop.test>"),
    ],
)
def test_what_has_no_address_is_a_name(value: str, expected: str) -> None:
    assert completed(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Miller, Ann <ann@shop.test>", '"Miller, Ann" <ann@shop.test>'),
        ("Ann <ann@shop.test>, Inc.", '"Ann, Inc." <ann@shop.test>'),
        ("Team: Ann <ann@shop.test>;", "Ann <ann@shop.test>"),
        ("Ann\x0b <ann@shop.test\x7f>", "Ann <ann@shop.test>"),
        ("Team: ann@shop.test;", "Team <ann@shop.test>"),
        ("Shop: Ann <ann@shop.test>", '"Shop: Ann" <ann@shop.test>'),
        ("Team: ann@shop.test, Bob <bob@shop.test>;", "ann@shop.test, Bob <bob@shop.test>"),
    ],
)
def test_a_name_that_should_have_been_quoted_and_a_group_are_mended(value: str, expected: str) -> None:
    assert completed(value) == expected


@pytest.mark.parametrize(
    "value",
    ["ann@shop.test", "Ann <ann@shop.test>", '"Miller: Ann" <ann@shop.test>', "ann@shop.test (Ann: (me), you)",
     "ann@shop.test,\r\n bob@shop.test", "Ann <ann@[IPv6:::1]>", "Jürgen <jürgen@shop.test>"],
)  # fmt: skip
def test_what_is_good_stays_octet_for_octet(value: str) -> None:
    head = HeaderSection(f"from : {value}\r\n".encode() + REST)
    assert complete_from(head, SENDER) is head


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["Ann <ann@shop.test>", "ann@shop.test"], "Ann <ann@shop.test>"),
        (["ann@shop.test", "ANN@shop.test"], "ann@shop.test"),
        (["My Site", "Ann <ann@shop.test>"], "Ann <ann@shop.test>"),
        (["", "ann@shop.test"], "ann@shop.test"),
        (["My Site", "Other"], "My Site <info@shop.test>"),
    ],
)
def test_two_fields_that_mean_one_author_become_one(values: list[str], expected: str) -> None:
    assert completed(*values) == expected


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (["ann@shop.test", "bob@shop.test"], "more than one From"),
        (["ann@shop.test", "ann@shop.test, bob@shop.test"], "more than one From"),
        (["ann@shop te.st"], "without a valid address"),
        (["Ann <ann@>"], "without a valid address"),
        (["ann@shop.test, bob@"], "without a valid address"),
        (["Ann, bob@shop.test, ann@shop.test"], "without a valid address"),
        (["x" * (MAX_FROM + 1)], "too long"),
    ],
)
def test_what_is_not_clear_is_refused(values: list[str], why: str) -> None:
    with pytest.raises(FromError, match=why):
        completed(*values)


def test_no_from_is_for_others_to_add() -> None:
    head = HeaderSection(REST)
    assert complete_from(head, SENDER) is head


@given(st.lists(st.text(alphabet='ab@.,;:<>()"\\ \t=?ü\0\x0b', max_size=30), max_size=3))
def test_whatever_comes_every_address_of_what_remains_is_one(values: list[str]) -> None:
    head = b"".join(f"From: {value}\r\n".encode() for value in values) + REST
    try:
        whole = complete_from(HeaderSection(head), SENDER)
    except FromError:
        return
    found = [unfold(value) for value in whole.values("from")]
    assert len(found) == min(len(values), 1)
    for value in found:
        assert split_list(value) and all(Address.parse(address) for _, address in split_list(value))
        assert summary(whole.octets).sender is not None
    assert complete_from(whole, SENDER) is whole
