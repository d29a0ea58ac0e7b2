"""Command lines taken apart."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from onifast_shared.values.address import Address
from onifast_smtpd.protocol.command import Bare, Path, parse_line, parse_mail, parse_rcpt
from onifast_smtpd.protocol.parameters import MailOptions, mail_options
from onifast_smtpd.protocol.replies import Refused


@given(st.binary(max_size=200))
@example(b"MAIL FROM:<\xff>")
def test_any_octets_are_a_command_or_a_syntax_error(line: bytes) -> None:
    try:
        command = parse_line(line)
    except Refused as refusal:
        assert refusal.reply.code == 500
    else:
        assert command.verb.isascii()


@given(st.text(max_size=100))
@example("FROM:<" + '"\\' * 40 + ">")
def test_any_argument_of_mail_is_understood_or_refused(text: str) -> None:
    try:
        parse_mail(text)
    except Refused as refusal:
        assert refusal.reply.code == 501


@pytest.mark.parametrize(
    ("argument", "path"),
    [
        ("FROM:<>", None),
        ("from: <a@b.test>", Address("a", "b.test")),
        ("FROM:<A@B.Test>", Address("A", "b.test")),
        ("FROM:<webmaster>", Bare("webmaster")),
        ('FROM:<"a b">', Bare("a b")),
        ('FROM:<"a>b"@c.test>', Address("a>b", "c.test")),
        ("FROM:<@one.test,@two.test:a@b.test>", Address("a", "b.test")),
        ("FROM:<a@[127.0.0.1]>", Address("a", "[127.0.0.1]")),
        ("FROM:<a@[ipv6:::1]>", Address("a", "[IPv6:::1]")),
        ("FROM:<a@bücher.test>", Address("a", "xn--bcher-kva.test")),
        ("FROM:a@b.test", Address("a", "b.test")),
        ("FROM: a@b.test SIZE=5", Address("a", "b.test")),
        ('FROM:"a b"@c.test', Address("a b", "c.test")),
        ("FROM:webmaster", Bare("webmaster")),
        ("FROM:@one.test:a@b.test", Address("a", "b.test")),
        ("FROM:< a@b.test >", Address("a", "b.test")),
        ("FROM:<a@b.test.>", Address("a", "b.test")),
        ("FROM:<a..b@c_d.test>", Address("a..b", "c_d.test")),
    ],
)
def test_paths(argument: str, path: Path) -> None:
    assert parse_mail(argument)[0] == path


@pytest.mark.parametrize(
    "argument", ["", "TO", "TO:", "TO: ", "TO:a@b.test>", "TO:<a@b.test", "TO:<a@b.test>x", "FROM:<a@b.test>"]
)
def test_a_recipient_that_is_no_path_is_a_syntax_error(argument: str) -> None:
    with pytest.raises(Refused, match=r"^501 5\.5\.4 syntax: RCPT"):
        parse_rcpt(argument)


def test_parameters_follow_a_path_without_brackets() -> None:
    assert parse_rcpt("TO:a@b.test NOTIFY=NEVER")[1] == {"NOTIFY": "NEVER"}


@pytest.mark.parametrize(
    "argument", ["FROM:a@b.test", "FROM: <a@b.test>", "FROM:<a@b.test.>", "FROM:<a..b@c.test>", "FROM:<a@b_c.test>"]
)
def test_strictness_takes_the_grammar_alone(argument: str) -> None:
    with pytest.raises(Refused, match=r"^501 "):
        parse_mail(argument, strict=True)
    assert parse_mail("FROM:<a@b.test>", strict=True)[0] == Address("a", "b.test")


def test_parameters_of_mail() -> None:
    parameters = parse_mail("FROM:<a@b.test> SIZE=12 body=8bitMIME smtputf8 AUTH=<>")[1]
    assert mail_options(parameters) == MailOptions(12, "8BITMIME", True)


@pytest.mark.parametrize("parameter", ["SIZE=100", "BODY=8BITMIME", "SMTPUTF8", "requiretls", "RET=HDRS ENVID=1"])
def test_a_parameter_without_a_path_is_no_path_without_brackets(parameter: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_mail(f"FROM: {parameter}")
    assert refused.value.reply.code == 501


def test_a_path_without_brackets_may_hold_an_equals_sign() -> None:
    assert parse_mail("FROM:SRS0=x=y=a.test=b@c.test SIZE=1") == (Address("SRS0=x=y=a.test=b", "c.test"), {"SIZE": "1"})
