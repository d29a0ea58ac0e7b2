"""DNS look-ups against a real server on loopback: answers, the three kinds of failure, and the cache."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import dns.resolver as library
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.machine.config import Settings
from onifast_shared.machine.dns import MX, NoData, NoSuchDomain, Resolver, Temporary, dns_name, resolver

from fakes.dns import DnsServer, Failure, ZoneData

ZONE: ZoneData = {
    "a.test": {"MX": ["20 mx2.a.test.", "10 MX1.a.test."], "TXT": ["v=spf1 -all", "x" * 600]},
    "mx1.a.test": {"A": ["192.0.2.1", "192.0.2.2"], "AAAA": "2001:db8::1"},
    "null.test": {"MX": "0 ."},
    "xn--bcher-kva.test": {"A": "192.0.2.9"},
    "alias.test": {"CNAME": "mx1.a.test."},
}


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer(ZONE) as running:
        yield running


@pytest.fixture
def look_up(settings: Settings, server: DnsServer) -> Resolver:
    return resolver(replace(settings, dns_servers=((server.host, server.port),), dns_timeout=2.0))


async def test_mail_exchangers_come_in_order_of_preference(look_up: Resolver) -> None:
    assert await look_up.mx("a.test") == [MX(10, "mx1.a.test"), MX(20, "mx2.a.test")]


async def test_the_null_mx_has_no_host(look_up: Resolver) -> None:
    assert await look_up.mx("null.test") == [MX(0, "")]


async def test_addresses_and_texts_are_found(look_up: Resolver) -> None:
    assert sorted(await look_up.a("mx1.a.test")) == ["192.0.2.1", "192.0.2.2"]
    assert await look_up.aaaa("mx1.a.test") == ["2001:db8::1"]
    assert sorted(await look_up.txt("a.test")) == [b"v=spf1 -all", b"x" * 600]
    assert sorted(await look_up.a("alias.test")) == ["192.0.2.1", "192.0.2.2"]
    assert await look_up.a("xn--bcher-kva.test") == ["192.0.2.9"]


async def test_a_name_that_does_not_exist_is_told_from_one_without_records(look_up: Resolver) -> None:
    with pytest.raises(NoSuchDomain, match=r"none\.test"):
        await look_up.mx("none.test")
    with pytest.raises(NoData, match=r"mx1\.a\.test has no MX"):
        await look_up.mx("mx1.a.test")


@pytest.mark.parametrize("name", ["a..test", "x" * 64 + ".test", ".".join(["x" * 60] * 6), "\ud800.test", ""])
async def test_what_cannot_be_a_name_does_not_exist(look_up: Resolver, name: str) -> None:
    with pytest.raises((NoSuchDomain, NoData)):
        await look_up.mx(name)


@pytest.mark.parametrize("failure", [Failure.SERVFAIL, Failure.REFUSED])
async def test_a_server_that_fails_is_a_temporary_failure(
    look_up: Resolver, server: DnsServer, failure: Failure
) -> None:
    server.fail("a.test", failure)
    with pytest.raises(Temporary):
        await look_up.mx("a.test")
    server.fail("a.test", None)
    assert await look_up.mx("a.test")


async def test_a_silent_server_is_given_up_after_the_timeout(settings: Settings, server: DnsServer) -> None:
    server.fail("a.test", Failure.SILENT)
    impatient = resolver(replace(settings, dns_servers=((server.host, server.port),), dns_timeout=0.3))
    started = time.monotonic()
    with pytest.raises(Temporary):
        await impatient.mx("a.test")
    assert time.monotonic() - started < 2


async def test_a_truncated_answer_is_asked_for_again_over_tcp(look_up: Resolver, server: DnsServer) -> None:
    server.fail("a.test", Failure.TRUNCATED)
    assert await look_up.mx("a.test")
    assert [query.transport for query in server.queries] == ["udp", "tcp"]


async def test_the_next_server_is_asked_when_the_first_is_dead(settings: Settings, server: DnsServer) -> None:
    with DnsServer() as dead:
        dead_port = dead.port
    both = resolver(replace(settings, dns_servers=(("127.0.0.1", dead_port), (server.host, server.port))))
    assert await both.mx("null.test")


async def test_an_answer_is_remembered_for_both_kinds_of_caller(look_up: Resolver, server: DnsServer) -> None:
    await look_up.mx("a.test")
    await look_up.mx("a.test")
    look_up.sync.resolve("a.test.", "MX")
    assert server.asked("a.test", "MX") == 1


def test_the_blocking_resolver_asks_the_configured_servers(look_up: Resolver, server: DnsServer) -> None:
    assert len(look_up.sync.resolve("mx1.a.test.", "A")) == 2
    with pytest.raises(library.NXDOMAIN):
        look_up.sync.resolve("none.test.", "A")
    assert server.asked("mx1.a.test", "A") == 1


def test_without_setting_the_systems_servers_are_used(settings: Settings) -> None:
    assert resolver(settings).sync.nameservers == resolver(settings).raw.nameservers != []


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("Sel._domainkey.a.test", (b"Sel", b"_domainkey", b"a", b"test", b"")),
        ("a.test.", (b"a", b"test", b"")),
        ("\\9.a", (b"\\9", b"a", b"")),
        ("\\065.a", (b"\\065", b"a", b"")),
        ("a b*.test", (b"a b*", b"test", b"")),
        ("_dmarc.BÜCHER.test", (b"_dmarc", b"xn--bcher-kva", b"test", b"")),
        ("例。test", (b"xn--fsq", b"test", b"")),
        ("x" * 63 + ".a", (b"x" * 63, b"a", b"")),
        (".".join(["x" * 63] * 3 + ["x" * 61]), (*[b"x" * 63] * 3, b"x" * 61, b"")),
    ],
)
def test_a_name_is_made_of_what_stands_between_the_dots(text: str, labels: tuple[bytes, ...]) -> None:
    name = dns_name(text)
    assert name is not None
    assert name.labels == labels


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        ".a",
        "a..b",
        "a.。b",
        "x" * 64,
        "x" * 64 + ".a",
        ".".join(["x" * 63] * 3 + ["x" * 62]),
        "x" * 100_000,
        "a." * 100_000,
        "ü" * 64 + ".a",
        "ü" * 100_000,
        "a\0.b",
        "a\tb",
        "a\x7f.b",
        "\N{COMBINING ACUTE ACCENT}a.b",
        "a\N{ZERO WIDTH JOINER}.b",
        "xn--ü.b",
        "\N{SNOWMAN}\N{VARIATION SELECTOR-16}-.b",
        "\ud800.b",
        "_ü.b",
    ],
)
def test_what_cannot_be_a_name_is_none(text: str) -> None:
    assert dns_name(text) is None


@given(st.text(max_size=300))
def test_no_text_makes_a_name_fail(text: str) -> None:
    name = dns_name(text)
    assert name is None or (name.is_absolute() and len(name.to_wire() or b"") <= 255)


async def test_an_alias_that_makes_too_long_a_name_leads_nowhere(look_up: Resolver, server: DnsServer) -> None:
    server.fail("long.test", Failure.YXDOMAIN)
    with pytest.raises(NoSuchDomain):
        await look_up.a("long.test")


def test_a_good_answer_is_remembered_and_an_error_is_none(look_up: Resolver, server: DnsServer) -> None:
    server.fail("broken.test", Failure.SERVFAIL)
    with pytest.raises(library.NoNameservers):
        look_up.sync.resolve("broken.test", "TXT")
    assert look_up.answered == float("-inf")
    with pytest.raises(library.NXDOMAIN):
        look_up.sync.resolve("none.test", "TXT")
    answered = look_up.answered
    assert answered <= time.monotonic()
    with pytest.raises(library.NXDOMAIN):
        look_up.sync.resolve("none.test", "TXT")
    assert look_up.answered == answered


@pytest.mark.parametrize("failure", [None, Failure.SERVFAIL, Failure.REFUSED])
def test_a_server_that_says_anything_is_there(look_up: Resolver, server: DnsServer, failure: Failure | None) -> None:
    server.fail(".", failure)
    assert look_up.is_there(5.0)


def test_a_server_that_says_nothing_is_not(look_up: Resolver, server: DnsServer) -> None:
    server.silent = True
    assert not look_up.is_there(0.1)
