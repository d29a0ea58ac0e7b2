"""Authentication-Results by RFC 8601: what stands in quotes or comments is never taken for a result."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.message.authentication_results import (
    MalformedResults,
    MethodResult,
    Results,
    arc_instance,
    parse,
    parse_arc,
)


def dmarc(*properties: tuple[str, str], result: str = "pass", reason: str = "") -> Results:
    return Results("mx.test", (MethodResult("dmarc", result, reason, properties),))


FROM = ("header.from", "bank.test")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("mx.test; dmarc=pass header.from=bank.test", dmarc(FROM)),
        ("mx.test 1; dmarc=pass header.from=bank.test", dmarc(FROM)),
        ("mx.test;dmarc=pass header.from=bank.test", dmarc(FROM)),
        ("\r\n\tMX.Test;\r\n\tDMARC=Pass\r\n\tHeader.From=bank.test", dmarc(FROM)),
        ("(a) mx.test (b) 1 (c); (d) dmarc (e) / 1 = (f) pass header (g) . from = (h) bank.test (i)", dmarc(FROM)),
        ('"mx.test"; dmarc=pass header.from="bank.test"', dmarc(FROM)),
        (
            'mx.test; dmarc=fail reason="; dmarc=pass" header.from=bank.test',
            dmarc(FROM, result="fail", reason="; dmarc=pass"),
        ),
        ("mx.test; dmarc=fail (; dmarc=pass header.from=x) header.from=bank.test", dmarc(FROM, result="fail")),
        (r"mx.test; dmarc=fail (a\) ; dmarc=pass (b)) header.from=bank.test", dmarc(FROM, result="fail")),
        ("mx.test; dmarc=pass action=none header.from=bank.test", dmarc(FROM)),
        ("mx.test; dmarc=pass header.from=bank.test;", dmarc(FROM)),
        ("mx.test; none", Results("mx.test")),
        ("mx.test", Results("mx.test")),
    ],
)
def test_a_field_is_taken_apart(value: str, found: Results) -> None:
    assert parse(value) == found


@pytest.mark.parametrize(
    "value",
    [
        r'mx.test; spf=pass smtp.mailfrom="\"; dmarc=pass header.from=bank.test\"@x"; dmarc=fail header.from=bank.test',
        'mx.test; spf=pass smtp.mailfrom="; dmarc=pass header.from=bank.test"@x; dmarc=fail header.from=bank.test',
        "mx.test; spf=pass (; dmarc=pass header.from=bank.test) smtp.mailfrom=x; dmarc=fail header.from=bank.test",
    ],
)
def test_a_result_in_quotes_or_in_a_comment_is_none(value: str) -> None:
    assert [(item.method, item.result) for item in parse(value).results] == [("spf", "pass"), ("dmarc", "fail")]


def test_a_value_is_all_that_is_written_together() -> None:
    [item] = parse('mx.test; spf=pass smtp.mailfrom="a; b"@x.test header.b=ab/+c== header.b=second').results
    assert item.values("smtp.mailfrom") == ["a; b@x.test"]
    assert item.values("header.b") == ["ab/+c==", "second"]
    assert item.values("header.from") == []


@pytest.mark.parametrize(
    "value",
    [
        "",
        "; dmarc=pass",
        "mx.test one; dmarc=pass",
        "mx.test 1 2; dmarc=pass",
        "mx=test; dmarc=pass",
        "mx.test; dmarc",
        "mx.test; dmarc=pass header.from",
        'mx.test; "dmarc"=pass',
        "mx.test; =pass",
        'mx.test; spf=pass smtp.mailfrom="x; dmarc=pass',
        r"mx.test; spf=pass smtp.mailfrom=\"x; dmarc=pass header.from=bank.test\"@y; dmarc=fail",
        "mx.test; spf=pass (x; dmarc=pass",
        "mx.test; spf=pass x); dmarc=pass",
        "mx.test; dmarc=pass\x0b",
        "mx.test; dmarc=pass " + "(" * 70_000,
    ],
)
def test_what_is_no_such_field_says_nothing(value: str) -> None:
    with pytest.raises(MalformedResults):
        parse(value)


@pytest.mark.parametrize("method", ["dmarc/2=pass", "dmarc=", "d_marc=pass", "dmarc=pa(x)ss", "dmarc=p@ss"])
def test_a_result_of_another_version_or_without_a_word_is_passed_over(method: str) -> None:
    with suppress(MalformedResults):
        assert ("dmarc", "pass") not in [(item.method, item.result) for item in parse(f"mx.test; {method}").results]


@pytest.mark.parametrize(
    "value", ["i=1; mx.test; none", " i=1 ;mx.test;none", "(c) i (c) = (c) 1 (c); mx.test; none", "I=1; mx.test; none"]
)
def test_an_arc_field_begins_with_its_number(value: str) -> None:
    assert (parse_arc(value).instance, parse_arc(value).authserv_id, arc_instance(value)) == (1, "mx.test", 1)


@pytest.mark.parametrize(
    "value", ["", "mx.test; i=1", "i=1", "i=x; mx.test", "i=-1; mx.test", "ii=1; mx.test", "i==1; a"]
)
def test_an_arc_field_without_a_number_is_none(value: str) -> None:
    with pytest.raises(MalformedResults):
        arc_instance(value)


@given(st.text(st.sampled_from('ab=;()"\\ \r\n.@/1é'), max_size=60))
def test_no_text_makes_the_parser_fail(text: str) -> None:
    for value in (text, f"mx.test; {text}", f"i=1; mx.test; {text}"):
        for read in (parse, parse_arc):
            with suppress(MalformedResults):
                read(value)


@pytest.mark.parametrize("piece", ["(", ")", '"', "\\", '\\"', "a=b ", ";", "(a)", "=", "a" * 10, " "])
def test_a_hostile_field_takes_time_in_proportion(piece: str) -> None:
    started = time.process_time()
    with suppress(MalformedResults):
        parse("mx.test; a=b " + piece * (60_000 // len(piece)))
    assert time.process_time() - started < 2
