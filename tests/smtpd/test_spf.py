"""SPF: asked at the right domain, with the right macros and limits; the public suite is in test_openspf.py."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from onifast_shared.machine.config import Settings
from onifast_shared.machine.dns import Resolver
from onifast_smtpd.authentication.lookup import Lookups
from onifast_smtpd.authentication.spf_check import check_spf

from fakes.dns import DnsServer

from .helpers import OUTSIDE, World

Check = Callable[..., str]
Start = Callable[..., Awaitable[World]]

FORGED = b"From: Boss <boss@bank.test>\r\nTo: alice@here.test\r\nSubject: pay\r\n\r\nNow.\r\n"
V6 = "2001:db8::1"


@pytest.fixture(autouse=True)
def zone(dns: DnsServer) -> None:
    """A domain that forbids the client to send for it, and a forger's that allows it."""
    dns.set("bank.test", "TXT", "v=spf1 ip4:192.0.2.1 -all")
    dns.set("_dmarc.bank.test", "TXT", "v=DMARC1; p=reject")
    dns.set("evil.test", "TXT", f"v=spf1 ip4:{OUTSIDE} ip6:{V6} -all")


@pytest.fixture
def check(settings: Settings, dns: DnsServer) -> Check:
    """The result for an envelope sender and a client."""
    resolver = Resolver(replace(settings, dns_servers=((dns.host, dns.port),), dns_timeout=5.0))

    def check(mail_from: str, ip: str = OUTSIDE, helo: str = "mail.evil.test") -> str:
        lookups = Lookups(resolver.sync, 5.0, time.monotonic() + 60)
        return check_spf(lookups, ip, mail_from, helo, "mx.here.test").result

    return check


QUOTED = [
    '"x@evil.test"@bank.test',
    '"x@evil.test@y"@bank.test',
    r'"x\"@evil.test"@bank.test',
    r'"\@evil.test"@bank.test',
    '"@evil.test"@bank.test',
    '"@evil.test "@bank.test',
]


@pytest.mark.parametrize("sender", QUOTED)
def test_the_domain_is_what_follows_the_last_at_sign(check: Check, sender: str) -> None:
    assert check(sender) == "fail"
    assert check(sender, "192.0.2.1") == "pass"


def test_a_name_in_ehlo_is_not_split(check: Check) -> None:
    assert check("", helo="evil.test") == "pass"
    assert check("", helo="x@evil.test") == "none"


@pytest.mark.parametrize("sender", ['"x@evil.test"@bank.test', r'"\@evil.test"@bank.test', '"@evil.test"@bank.test'])
async def test_a_quoted_local_part_does_not_lend_another_domains_pass(world: World, sender: str) -> None:
    async with await world.client() as client:
        reply = await client.deliver(sender, "alice@here.test", message=FORGED)
    assert reply.startswith("550 5.7.1 DMARC policy of bank.test asks to refuse this: SPF fail for bank.test"), reply


@pytest.mark.parametrize(
    ("sender", "domain_spec", "name"),
    [
        ('"a@b"@bank.test', "%{o}.o.test", "bank.test.o.test"),
        ('"a@b"@bank.test', "%{d2r}.d.test", "test.bank.d.test"),
        ("ann@bank.test", "%{l}.l.%{d}", "ann.l.bank.test"),
        ("ann.lee@bank.test", "%{lr}.l.test", "lee.ann.l.test"),
        ("ann+shop@bank.test", "%{L1r+}.l.test", "ann.l.test"),
        ("ann+shop@bank.test", "%{L}.l.test", "ann%2Bshop.l.test"),
        ("ann@bank.test", "%{s}.s.test", "ann@bank.test.s.test"),
        ('"a@b"@bank.test', "%{L}.l.test", "%22a%40b%22.l.test"),
        ('"a@b"@bank.test', "%{S}.s.test", "%22a%40b%22%40bank.test.s.test"),
        ("", "%{s}.s.test", "postmaster@bank.test.s.test"),
        ("", "%{l}.%{o}.test", "postmaster.bank.test.test"),
    ],
)
def test_macros_stand_for_the_parts_of_the_sender(
    check: Check, dns: DnsServer, sender: str, domain_spec: str, name: str
) -> None:
    dns.set("bank.test", "TXT", f"v=spf1 exists:{domain_spec} -all")
    dns.set(name, "A", "127.0.0.2")
    assert check(sender, helo="bank.test") == "pass"


def no_ipv6(dns: DnsServer, *hosts: str) -> None:
    for host in hosts:
        dns.set(host, "A", "192.0.2.7")


def test_an_ipv6_client_of_a_domain_whose_exchangers_have_ipv4_only(check: Check, dns: DnsServer) -> None:
    hosts = [f"mx{number}.bank.test" for number in range(4)]
    no_ipv6(dns, *hosts)
    dns.set("bank.test", "MX", *(f"10 {host}" for host in hosts))
    dns.set("bank.test", "TXT", f"v=spf1 mx ip6:{V6} -all")
    assert check("ann@bank.test", V6) == "pass"
    assert check("ann@bank.test", "2001:db8::2") == "fail"


@pytest.mark.parametrize(
    ("terms", "result"),
    [
        ("mx a ip6:2001:db8::1", "pass"),
        ("mx mx:other.test ip6:2001:db8::1", "pass"),
        ("a a:other.test ip6:2001:db8::1", "pass"),
        ("a a:other.test mx ip6:2001:db8::1", "permerror"),
        ("exists:no1.test exists:no2.test ip6:2001:db8::1", "pass"),
        ("exists:no1.test exists:no2.test exists:no3.test ip6:2001:db8::1", "permerror"),
        ("mx:no1.test mx:no2.test mx:no3.test ip6:2001:db8::1", "permerror"),
        ("include:more.test mx ip6:2001:db8::1", "permerror"),
        ("include:more.test ip6:2001:db8::1", "pass"),
        ("ptr a ip6:2001:db8::1", "pass"),
        ("ptr a mx ip6:2001:db8::1", "permerror"),
    ],
)
def test_a_third_term_that_finds_nothing_is_one_too_many(check: Check, dns: DnsServer, terms: str, result: str) -> None:
    """RFC 7208 section 4.6.4; a term counts once, however many look-ups it takes."""
    hosts = [f"mx{number}.bank.test" for number in range(4)]
    no_ipv6(dns, "bank.test", "other.test", *hosts)
    for domain in ("bank.test", "other.test"):
        dns.set(domain, "MX", *(f"10 {host}" for host in hosts))
    dns.set("more.test", "TXT", "v=spf1 a:other.test mx:other.test ?all")
    dns.set("bank.test", "TXT", f"v=spf1 {terms} -all")
    assert check("ann@bank.test", V6) == result


@pytest.mark.parametrize(
    "policy",
    [
        "v=spf1 a:" + "%{" * 30_000,
        "v=spf1 a/" + "1" * 5000 + " -all",
        "v=spf1 a:%{l" + "9" * 5000 + "}.test -all",
        "v=spf1 " + "a " * 3000 + "-all",
    ],
    ids=["macros", "a long prefix", "a long number", "many terms"],
)
def test_a_policy_without_end_is_none_that_can_be_read(check: Check, dns: DnsServer, policy: str) -> None:
    dns.set("bank.test", "TXT", policy)
    started = time.process_time()
    assert check("x@bank.test") == "permerror"
    assert time.process_time() - started < 1


def test_a_number_without_end_in_an_explanation_is_none(check: Check, dns: DnsServer) -> None:
    dns.set("bank.test", "TXT", "v=spf1 -all exp=why.bank.test")
    dns.set("why.bank.test", "TXT", "%{l" + "9" * 5000 + "}")
    assert check("x@bank.test") == "fail"
