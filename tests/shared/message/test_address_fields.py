"""Address fields: split while encoded, and written so that the same mailboxes are read from them."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from onifast_shared.message import address_fields
from onifast_shared.message.address_fields import AddressEntry
from onifast_shared.message.compose import Draft, build, mailbox
from onifast_shared.message.headers import encode_text, encode_words, fields, fold
from onifast_shared.message.parsing import summary
from onifast_shared.values.address import MAX_LIST, Address

NAMES = st.text(st.sampled_from("aé0 ,;:<>()[]\"\\@.=?_-'\u202e\U0001f600"), max_size=40) | st.text(max_size=40)
ADDRESSES = st.sampled_from([
    "a@x.test", "a.b+c@xn--bcher-kva.test", '"a,b"@x.test', '"a\\"b@c"@x.test', "jörg@x.test", "a@[192.0.2.1]",
    "=?utf-8?q?a?=@x.test", "..a@x.test", "a@[IPv6:2001:db8::1]", "i@xn--i-7iq.test",
])  # fmt: skip
LISTS = st.lists(st.tuples(NAMES, ADDRESSES), max_size=6)


def of(value: str) -> list[tuple[str, str]]:
    """(name, address) of each entry of a field, "" for what is no address."""
    return [(each.name, str(each.address or "")) for each in address_fields.read([value.encode()])]


def addresses(mailboxes: list[AddressEntry]) -> list[str]:
    return [str(each.address) for each in mailboxes if each.address]


@given(LISTS)
@example([('"', "a@x.test"), ("x@evil.test,", "a@x.test"), ("<x@evil.test>", "a@x.test"), ("\\", "a@x.test")])
def test_a_list_that_is_written_into_a_header_is_read_as_the_same_list(entries: list[tuple[str, str]]) -> None:
    mailboxes = [AddressEntry.of(Address.parse(address), name) for name, address in entries]
    head = fold("To", ", ".join(mailbox(each.name, each.address) for each in mailboxes if each.address))
    found = summary(head).mailboxes("to")
    assert addresses(found) == [str(Address.parse(address)) for _, address in entries]
    assert [each.name for each in found] == [each.name for each in mailboxes]


@given(LISTS)
def test_a_message_that_is_written_to_a_list_names_the_same_mailboxes(entries: list[tuple[str, str]]) -> None:
    mailboxes = [AddressEntry.of(Address.parse(address), name) for name, address in entries]
    typed = address_fields.shown(mailboxes)
    raw = build(Draft("me@x.test", [typed] if typed else [], text="x"), "mail.host.test")
    found = summary(raw).mailboxes("to")
    assert [(each.name, each.address) for each in found] == [(each.name, each.address) for each in mailboxes]


@given(LISTS)
def test_a_list_as_people_see_and_edit_it_is_read_as_the_same_list(entries: list[tuple[str, str]]) -> None:
    mailboxes = [AddressEntry.of(Address.parse(address), name) for name, address in entries]
    for text in (", ".join(each.shown for each in mailboxes), address_fields.written(mailboxes)):
        found = address_fields.typed(text)
        assert [(each.name, each.address) for each in found] == [(each.name, each.address) for each in mailboxes]


@given(st.lists(NAMES, min_size=1, max_size=4), st.booleans(), st.booleans())
def test_no_name_ever_yields_an_address(names: list[str], quoted: bool, lonely: bool) -> None:
    words = ["".join(encode_words(f"x@evil.test,<y@evil.test>{name}")) for name in names]
    entries = [f'"{word}"' if quoted else word for word in words]
    value = ", ".join(entry if lonely else f"{entry} <a@x.test>" for entry in entries).encode()
    expected = [] if lonely else ["a@x.test"] * len(names)
    assert addresses(address_fields.read([value])) == expected
    assert addresses(address_fields.typed(address_fields.text_of(value))) == expected
    found = summary(b"To: " + value + b"\r\n")
    assert addresses(address_fields.typed(found.to)) == expected
    assert addresses(address_fields.typed(dict(found.headers)["To"])) == expected


@given(st.text(st.sampled_from('a@x.te,;:<>()[]"\\ =?q_'), max_size=60))
def test_text_made_of_any_field_has_no_address_that_the_field_has_not(value: str) -> None:
    octets = value.encode()
    assert addresses(address_fields.typed(address_fields.text_of(octets))) == addresses(address_fields.read([octets]))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=?iso-8859-1?Q?M=FCller=2C_J=F6rg?= <jm@x.test>", [("Müller, Jörg", "jm@x.test")]),
        ('"=?utf-8?Q?Doe=2C_John?=" <j@x.test>', [("Doe, John", "j@x.test")]),
        ("=?utf-8?Q?x=40evil=2Etest=2C?= <boss@x.test>", [("x@evil.test,", "boss@x.test")]),
        ("=?utf-8?Q?Bank_=3Csupport=40bank=2Etest=3E?= <x@evil.test>", [("Bank <support@bank.test>", "x@evil.test")]),
        ("=?utf-8?Q?Doe, x@evil.test, <y@evil.test>?= <j@x.test>", [("Doe, x@evil.test, <y@evil.test>", "j@x.test")]),
        ('=?utf-8?Q?"Doe, John"?= <j@x.test>', [('"Doe, John"', "j@x.test")]),
        ("=?utf-8?Q?a=40evil.test?=", [("", "")]),
        ('"Doe, John <j@x.test>, ann@x.test', [("Doe, John", "j@x.test"), ("", "ann@x.test")]),
        ('"Doe, j@evil.test', [("", "")]),
        ("Doe, John <j@x.test>", [("Doe, John", "j@x.test")]),
        ("Doe, Dr., John <j@x.test>, root, a@x.test", [("Doe, Dr., John", "j@x.test"), ("", ""), ("", "a@x.test")]),
        ("root, <a@x.test>", [("", ""), ("", "a@x.test")]),
        ("Ann <<a@x.test>>, B <mailto:b@x.test>", [("Ann", "a@x.test"), ("B", "b@x.test")]),
        ("a@x.test; Bob <b@x.test>;", [("", "a@x.test"), ("Bob", "b@x.test")]),
        ("Team: Ann <a@x.test>, b@x.test;, c@x.test", [("Ann", "a@x.test"), ("", "b@x.test"), ("", "c@x.test")]),
        ("=?utf-8?Q?x=40evil.test=2C?=: a@x.test;", [("", "a@x.test")]),
        ("undisclosed-recipients:;", []),
        ("Ann <@relay.test,@other.test:a@x.test>", [("Ann", "a@x.test")]),
        ("a@x.test (Ann, at x@evil.test)", [("Ann, at x@evil.test", "a@x.test")]),
        ("Jörg <j@bücher.test>", [("Jörg", "j@xn--bcher-kva.test")]),
        ("jörg@x.test", [("", "jörg@x.test")]),
        ('"a \\"b\\", c@evil.test" <a@x.test>', [('a "b", c@evil.test', "a@x.test")]),
        ("'a@x.test' <a@x.test>", [("'a@x.test'", "a@x.test")]),
        ("=?utf-8?Q?a=0D=0ABcc:_x=40evil.test?= <a@x.test>", [("a Bcc: x@evil.test", "a@x.test")]),
    ],
)
def test_a_field_is_read_as_its_writer_meant_it(value: str, expected: list[tuple[str, str]]) -> None:
    assert of(value) == expected


def test_a_name_in_text_stands_in_quotes_where_it_holds_more_than_words() -> None:
    value = b"=?utf-8?Q?Doe=2C_John?= <j@x.test>, Ann B. <a@xn--bcher-kva.test>"
    assert address_fields.text_of(value) == '"Doe, John" <j@x.test>, Ann B. <a@xn--bcher-kva.test>'
    assert address_fields.read([value])[1].shown == "Ann B. <a@bücher.test>"
    assert address_fields.text_of(b"undisclosed-recipients:;") == "undisclosed-recipients:;"


def test_several_fields_of_one_name_are_one_list() -> None:
    assert summary(b"To: a@x.test\r\nCc: c@x.test\r\nTo: B <b@x.test>\r\n").to == "a@x.test, B <b@x.test>"


def test_hundreds_of_recipients_are_all_read() -> None:
    expected = [f"user{number}@remote{number}.test" for number in range(5000)]
    head = fold("To", ", ".join(f"{encode_text('Jörg, ' + each)} <{each}>" for each in expected[:3000]))
    assert addresses(summary(head).mailboxes("to")) == expected[:3000]


def test_an_address_that_is_cut_is_left_out() -> None:
    value = b"a@x.test, " + b"b@" + b"x" * MAX_LIST + b".test"
    assert addresses(address_fields.read([value])) == ["a@x.test"]
    hidden = b'"' + b"x <y@evil.test> " * (MAX_LIST // 16) + b'" <a@x.test>'
    assert addresses(address_fields.read([hidden])) == []


@pytest.mark.parametrize("unit", ['"', '"<', "=?", "=?utf-8?q?a?= ", "a@b,", '\\"<', ":", '"a"<b@c>,'])
def test_a_hostile_field_takes_linear_time(unit: str) -> None:
    value = (unit * (MAX_LIST // len(unit))).encode()
    started = time.process_time()
    address_fields.text_of(value)
    assert time.process_time() - started < 5


def test_fields_are_taken_as_the_header_has_them() -> None:
    ((_, value),) = fields(b"To: Ann\r\n <a@x.test>\r\n")
    assert addresses(address_fields.read([value])) == ["a@x.test"]


@pytest.mark.parametrize(
    ("value", "charset", "name"),
    [
        ("Иван Петров <a@x.test>".encode("koi8-r"), "koi8-r", "Иван Петров"),
        ("表示ソ <a@x.test>".encode("cp932"), "shift_jis", "表示ソ"),
    ],
    ids=["koi8-r", "shift_jis"],
)
def test_raw_names_are_in_the_messages_charset(value: bytes, charset: str, name: str) -> None:
    (entry,) = address_fields.read([value], charset)
    assert (entry.name, str(entry.address)) == (name, "a@x.test")


@pytest.mark.parametrize("charset", ["", "shift_jis", "iso-2022-jp", "hz", "utf-7", "koi8-r", "big5", "utf-16"])
@pytest.mark.parametrize(
    "value",
    [
        b'\x83" <a@x.test>, \x83" b@y.test',
        b"\x1b$B<a@x.test>\x1b(B <b@y.test>",
        b"~{<a@x.test>~} <b@y.test>",
        b"\xff\xfe<a@x.test>",
        b"+ADw-b@y.test+AD4- <a@x.test>",
        "\xff <x@b\u00fccher.test>".encode("latin-1"),
        b"\xff <x@b\xc3\xbccher.test>",
    ],
    ids=["quote", "jis", "hz", "mark", "utf-7", "latin-1", "mixed"],
)
def test_no_charset_changes_whose_address_it_is(value: bytes, charset: str) -> None:
    assert addresses(address_fields.read([value], charset)) == addresses(address_fields.read([value]))
