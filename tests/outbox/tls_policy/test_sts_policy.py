"""Reading what a domain publishes about MTA-STS."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_outbox.tls_policy.sts_policy import MAX_AGE, PolicyError, parse_policy, parse_record

POLICY = b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.test\r\nmx: *.example.net\r\nmax_age: 604800\r\n"


@pytest.mark.parametrize(
    ("records", "found"),
    [
        ([b"v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        ([b"v=STSv1;id=a"], "a"),
        ([b"v=STSv1 ; ext=1; id=abc ; "], "abc"),
        ([b"v=spf1 -all", b"v=STSv1; id=1;"], "1"),
        ([], None),
        ([b"v=STSv1; id=1;", b"v=STSv1; id=2;"], None),
        ([b"v=STSv1; id=;"], None),
        ([b"v=STSv1; id=not-alphanumeric;"], None),
        ([b"v=STSv1; id=123456789012345678901234567890123;"], None),
        ([b"v=STSv10; id=1;"], None),
        ([b"id=1; v=STSv1"], None),
        ([b"v=STSv1; id=\xff;"], None),
    ],
)
def test_a_record_announces_a_policy_by_its_id(records: list[bytes], found: str | None) -> None:
    assert parse_record(records) == found


def test_a_policy_is_read() -> None:
    policy = parse_policy(POLICY)
    assert (policy.mode, policy.mx, policy.max_age) == ("enforce", ("mail.example.test", "*.example.net"), 604800)
    assert policy.lines[0] == "version: STSv1"


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"\r\n", b"\n"), (b": ", b":"), (b"mode", b"x-unknown: 1\r\nmode"), (b"604800\r\n", b"604800"), (b": ", b" : ")],
)
def test_a_policy_may_be_written_in_other_ways(old: bytes, new: bytes) -> None:
    policy = parse_policy(POLICY.replace(old, new))
    assert (policy.mode, policy.mx, policy.max_age) == ("enforce", ("mail.example.test", "*.example.net"), 604800)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"STSv1", b"STSv2", "version"),
        (b"enforce", b"demand", "mode"),
        (b"604800", b"a week", "max_age"),
        (b"max_age: 604800\r\n", b"", "max_age"),
        (b"mail.example.test", b"mail_.*.test", "mx"),
        (b"mx: mail.example.test\r\nmx: *.example.net\r\n", b"", "no mx"),
        (b"mode: enforce", b"enforce", "no field"),
        (b"mode", b"\xff", "not text"),
    ],
)
def test_a_policy_that_breaks_the_standard_is_none(old: bytes, new: bytes, words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        parse_policy(POLICY.replace(old, new))


def test_the_mode_none_needs_no_exchangers() -> None:
    assert parse_policy(b"version: STSv1\nmode: none\nmax_age: 86400\n").mode == "none"


def test_no_policy_is_kept_for_more_than_a_year() -> None:
    assert parse_policy(POLICY.replace(b"604800", b"9999999999")).max_age == MAX_AGE


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("mail.example.test", True),
        ("MAIL.example.test.", True),
        ("other.example.test", False),
        ("a.example.net", True),
        ("a.b.example.net", False),
        ("example.net", False),
        ("notexample.net", False),
    ],
)
def test_a_star_stands_for_one_label(host: str, allowed: bool) -> None:
    assert parse_policy(POLICY).allows(host) is allowed


@pytest.mark.parametrize("blanks", [b" " * 60_000, b"\t " * 30_000, b"a " * 30_000])
def test_a_policy_made_of_blanks_is_read_in_no_time(blanks: bytes) -> None:
    """A pattern that trims them takes minutes, in which no other mail goes out."""
    assert parse_policy(POLICY + b"comment:x" + blanks + b"x\n").mode == "enforce"


@given(st.binary(max_size=300))
def test_whatever_comes_is_a_policy_or_refused(body: bytes) -> None:
    try:
        policy = parse_policy(body)
    except PolicyError:
        return
    assert policy.mx or policy.mode == "none"
