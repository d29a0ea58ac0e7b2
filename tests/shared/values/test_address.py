"""Addresses: RFC 5321 mailboxes, internationalised ones, lists, and hostile texts."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.values.address import (
    Address,
    AddressError,
    display_domain,
    parse_domain,
    split_list,
    strip_source_route,
)

ANY_TEXT = st.text(max_size=80)
LOCALS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=14)
LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
DOMAINS = st.lists(LABELS, min_size=1, max_size=4).map(".".join) | st.ip_addresses(v=4).map("[{}]".format)
SPECIALS = st.text(st.sampled_from('a@",;:<>()[]\\ .=?'), max_size=60)


@given(LOCALS, DOMAINS)
def test_writing_an_address_and_parsing_it_gives_the_same_address(local: str, domain: str) -> None:
    address = Address(local, domain)
    if not local:
        return
    assert Address.parse(str(address)) == address


@given(ANY_TEXT | SPECIALS)
def test_any_text_is_an_address_that_survives_or_an_address_error(text: str) -> None:
    try:
        address = Address.parse(text)
    except AddressError as error:
        assert "\n" not in str(error)
        return
    assert Address.parse(str(address)) == address
    assert Address.parse(address.display).domain == address.domain


@pytest.mark.parametrize(
    ("text", "local", "domain"),
    [
        ("ann@example.org", "ann", "example.org"),
        ("Ann.B+tag@EXAMPLE.Org", "Ann.B+tag", "example.org"),
        ("!#$%&'*+-/=?^_`{|}~@a.b", "!#$%&'*+-/=?^_`{|}~", "a.b"),
        ('"a b"@example.org', "a b", "example.org"),
        ('"a@b"@example.org', "a@b", "example.org"),
        (r'"a\"b\\c"@example.org', 'a"b\\c', "example.org"),
        (r'"\a"@example.org', "a", "example.org"),
        ("root@localhost", "root", "localhost"),
        ("a@[127.0.0.1]", "a", "[127.0.0.1]"),
        ("a@[ipv6:2001:DB8:0:0::1]", "a", "[IPv6:2001:db8::1]"),
        ("a@bücher.example", "a", "xn--bcher-kva.example"),
        ("a@BÜCHER.example", "a", "xn--bcher-kva.example"),
        ("用户@例子.广告", "用户", "xn--fsqu00a.xn--4rr70v"),
        ("a@1.2.example", "a", "1.2.example"),
    ],
)
def test_valid_mailboxes(text: str, local: str, domain: str) -> None:
    assert Address.parse(text) == Address(local, domain)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no @"),
        ("ann", "no @"),
        ("@example.org", "no local part"),
        ("ann@", "no domain"),
        ("a b@example.org", "needs quotes"),
        ("<ann@example.org>", "needs quotes"),
        ('"a"b"@example.org', "malformed"),
        ('"a\\"@example.org', "malformed"),
        ("ann@example..org", "not a valid host name"),
        ("ann@.example.org", "not a valid host name"),
        ("ann@example.org..", "not a valid host name"),
        ("ann@.", "not a valid host name"),
        ("ann@../../etc", "not a valid host name"),
        ("ann@exa/mple.org", "not a valid host name"),
        ("ann@exa%mple.org", "not a valid host name"),
        ("ann@ example.org", "not a valid host name"),
        ("ann@[127.0.0.256]", "literal is malformed"),
        ("ann@[IPv6:::1%eth0]", "literal is malformed"),
        ("ann@[127.0.0.1", "literal is malformed"),
        ("ann@[tag:x]", "literal is malformed"),
        ("ann@ex\u2028ample.org", "control character"),
        ("ann\0@example.org", "control character"),
        ("ann@example.org\r\nRCPT TO:<x@y>", "control character"),
        ("\ud800@example.org", "control character"),
        ("a@ü\u0308\u0301-.example", "internationalised"),
        ("a@❤ü\u0308\u0301-.example", "internationalised"),
        ("a@❤/x.example", "not a valid host name"),
        ("a" * 250 + "@example.org", "254 octets"),
        ('"a"."b@example.org', "malformed"),
        ('"a"b@example.org', "malformed"),
        ("a@" + "b" * 64 + ".org", "63 octets"),
        ("a@" + ".".join(["b" * 60] * 5), "255 octets"),
        ("a" * 60 + "@" + ".".join(["b" * 60] * 4), "254 octets"),
        ("a" * 5000 + "@example.org", "too long"),
    ],
)
def test_what_is_no_mailbox_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(AddressError, match=reason):
        Address.parse(text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a..b@docomo.test", '"a..b"@docomo.test'),
        (".a@docomo.test", '".a"@docomo.test'),
        ("a.@docomo.test", '"a."@docomo.test'),
        ("..@docomo.test", '".."@docomo.test'),
        ('"a..b"@docomo.test', '"a..b"@docomo.test'),
        ('"a b".c@example.org', '"a b.c"@example.org'),
        ('a."b".c@example.org', "a.b.c@example.org"),
        ("ann@example.org.", "ann@example.org"),
        ("ann@BÜCHER.example.", "ann@xn--bcher-kva.example"),
        ("ann@exa_mple.org", "ann@exa_mple.org"),
        ("ann@_x.bücher.example", "ann@_x.xn--bcher-kva.example"),
        ("ann@-example-.org", "ann@-example-.org"),
        ("ann@i❤.example", "ann@xn--i-7iq.example"),
        ("ann@☃.bücher.example", "ann@xn--n3h.xn--bcher-kva.example"),
        ("b-" + "v" * 90 + "=x.test@list.test", "b-" + "v" * 90 + "=x.test@list.test"),
    ],
)
def test_addresses_that_exist_beside_the_grammar_are_written_by_it(text: str, written: str) -> None:
    address = Address.parse(text)
    assert str(address) == written
    assert Address.parse(written) == address


@pytest.mark.parametrize(
    "text",
    [
        "a..b@docomo.test",
        ".a@docomo.test",
        '"a".b@example.org',
        "ann@example.org.",
        "ann@exa_mple.org",
        "ann@-example.org",
        "a" * 65 + "@example.org",
        "é" * 33 + "@example.org",
    ],
)
def test_the_grammar_alone_can_be_asked_for(text: str) -> None:
    with pytest.raises(AddressError):
        Address.parse_strictly(text)


@pytest.mark.parametrize(
    "text", ["ann@example.org", '"a..b"@docomo.test', "a@[127.0.0.1]", "a@bücher.example", "a" * 64 + "@example.org"]
)
def test_what_the_grammar_has_is_taken_strictly(text: str) -> None:
    assert Address.parse_strictly(text) == Address.parse(text)


def test_a_dot_makes_another_address() -> None:
    texts = ["a@x.test", ".a@x.test", "a.@x.test", "..a@x.test", "a..b@x.test", "a.b@x.test"]
    assert len({Address.parse(text).key for text in texts}) == len(texts)
    assert Address.parse(".a@x.test.").key == Address.parse('".A"@X.test').key


def test_the_limits_themselves_are_allowed() -> None:
    assert len(Address.parse("a" * 242 + "@example.org").local) == 242


def test_the_key_ignores_case_and_the_way_accents_were_typed() -> None:
    assert Address.parse("Ann@Example.org").key == Address.parse("aNN@example.ORG").key
    assert Address.parse("Jose\u0301@a.b").key == Address.parse("JOS\u00c9@a.b").key


def test_people_see_an_internationalised_domain_in_its_script() -> None:
    assert Address.parse("a@xn--bcher-kva.example").display == "a@bücher.example"
    assert display_domain("xn--999999.example") == "xn--999999.example"


def test_only_a_local_part_needs_smtputf8() -> None:
    assert Address.parse("é@example.org").needs_smtputf8
    assert not Address.parse("a@bücher.example").needs_smtputf8


def test_literals_are_known_as_such() -> None:
    assert Address.parse("a@[127.0.0.1]").is_literal
    assert parse_domain("[IPV6:::FFFF:1.2.3.4]") in ("[IPv6:::ffff:1.2.3.4]", "[IPv6:::ffff:102:304]")


def test_a_source_route_is_stripped() -> None:
    assert strip_source_route("@a.example,@b.example:ann@c.example") == "ann@c.example"
    assert strip_source_route("ann@c.example") == "ann@c.example"


def test_a_malformed_source_route_is_refused() -> None:
    with pytest.raises(AddressError):
        strip_source_route("@a.example,b:ann@c.example")


def test_a_list_takes_names_comments_groups_and_quotes() -> None:
    text = 'a@x, B <b@y>, "C, D" <c@z> (hi), Team: e@v, F <f@w>;, g@u (G (x)), k@[IPv6:::1]; "q r"@t'
    assert split_list(text) == [
        ("", "a@x"),
        ("B", "b@y"),
        ("C, D", "c@z"),
        ("", "e@v"),
        ("F", "f@w"),
        ("G (x)", "g@u"),
        ("", "k@[IPv6:::1]"),
        ("", '"q r"@t'),
    ]


def test_a_list_without_addresses_is_empty() -> None:
    assert split_list("") == split_list(" , ;") == split_list("undisclosed-recipients:;") == []


def test_a_route_in_a_list_is_dropped() -> None:
    ((name, address),) = split_list("A <@r.example:a@x>")
    assert (name, Address.parse(address)) == ("A", Address("a", "x"))


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("A <a@x> B <b@y>", [("A B", "a@x"), ("", "b@y")]),
        ("a@x: b@y;", [("", "a@x"), ("", "b@y")]),
        ("<a@x>: b@y;", [("", "a@x"), ("", "b@y")]),
        ("A <home> <a@x>", [("A", "a@x")]),
    ],
)
def test_two_addresses_that_nothing_divides_are_both_in_a_list(text: str, entries: list[tuple[str, str]]) -> None:
    assert split_list(text) == entries


@given(ANY_TEXT | SPECIALS)
def test_splitting_a_list_never_raises(text: str) -> None:
    for name, address in split_list(text):
        assert isinstance(name, str)
        assert address == address.strip()


@pytest.mark.parametrize("unit", ["<", "(", '"', "\\", ",", "a@b,", "(a)", "[", '"\\'])
def test_a_hostile_list_takes_linear_time(unit: str) -> None:
    started = time.process_time()
    split_list(unit * (300_000 // len(unit)))
    assert time.process_time() - started < 5
