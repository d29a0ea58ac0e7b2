"""DMARC's records in the tree of DNS names: which covers a domain, and which domains are one organisation's."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from onifast_shared.machine.config import Settings
from onifast_shared.machine.dns import Resolver
from onifast_shared.values.suffixes import suffixes
from onifast_smtpd.authentication.dmarc import UnusableRecord
from onifast_smtpd.authentication.dmarc_tree import discover, organizational, path, walk
from onifast_smtpd.authentication.lookup import DnsTrouble, Lookups

from fakes.dns import DnsServer, Failure

Records = dict[str, str | tuple[str, ...]]


@pytest.fixture
def lookups(settings: Settings, dns: DnsServer) -> Lookups:
    resolver = Resolver(replace(settings, dns_servers=((dns.host, dns.port),), dns_timeout=5.0))
    return Lookups(resolver.sync, 5.0, time.monotonic() + 60)


def publish(dns: DnsServer, records: Records) -> None:
    for domain, tags in records.items():
        texts = [tags] if isinstance(tags, str) else tags
        dns.set(f"_dmarc.{domain}", "TXT", *(f"v=DMARC1; {text}" for text in texts))


def found(lookups: Lookups, domain: str) -> tuple[str, str] | None:
    """Where the record stands that covers a domain, and its policy for it."""
    covering = discover(lookups, suffixes(), domain)
    return (covering.record.domain, covering.policy) if covering else None


def test_a_long_name_costs_eight_questions() -> None:
    """The example of RFC 9989 section 4.10."""
    assert path("a.b.c.d.e.f.g.h.i.j.mail.example.com") == [
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "g.h.i.j.mail.example.com",
        "h.i.j.mail.example.com",
        "i.j.mail.example.com",
        "j.mail.example.com",
        "mail.example.com",
        "example.com",
        "com",
    ]
    assert path("a.b.c.d.e.f.example.com")[1] == "b.c.d.e.f.example.com"
    assert [len(path("x." * count + "com")) for count in (0, 1, 6, 7, 8, 100)] == [1, 2, 7, 8, 8, 8]


@pytest.mark.parametrize(
    ("records", "domain", "organization"),
    [
        # The three examples of RFC 9989 section 4.10.2.
        ({"mail.bank.com": "p=none", "bank.com": "p=none"}, "a.mail.bank.com", "bank.com"),
        ({"mail.bank.com": "p=none; psd=n", "bank.com": "p=none"}, "a.mail.bank.com", "mail.bank.com"),
        ({"com": "p=none; psd=y"}, "a.mail.bank.com", "bank.com"),
        # What stands at the beginning of a walk
        ({}, "a.bank.com", "a.bank.com"),
        ({"bank.com": "p=none; psd=n"}, "bank.com", "bank.com"),
        ({"bank.com": "p=none; psd=y", "com": "p=none"}, "bank.com", "bank.com"),
        ({"bank.com": "p=none; psd=u"}, "bank.com", "bank.com"),
        # Who gives domains to customers, and says so
        ({"hoster.com": "p=none; psd=y"}, "mail.one.hoster.com", "one.hoster.com"),
        ({"hoster.com": "p=none; psd=y", "mail.one.hoster.com": "p=none"}, "mail.one.hoster.com", "one.hoster.com"),
        ({"one.hoster.com": "p=none"}, "mail.one.hoster.com", "one.hoster.com"),
        # Public suffixes that do not say so, and what stands above them
        ({"gov.uk": "p=reject"}, "mail.taxes.gov.uk", "taxes.gov.uk"),
        ({"gov.uk": "p=reject", "taxes.gov.uk": "p=none"}, "mail.taxes.gov.uk", "taxes.gov.uk"),
        ({"uk": "p=reject"}, "mail.bank.co.uk", "bank.co.uk"),
        ({"uk": "p=reject; psd=y"}, "mail.bank.co.uk", "bank.co.uk"),
        ({"com": "p=reject"}, "mail.bank.com", "bank.com"),
        ({"github.io": "p=reject"}, "me.github.io", "me.github.io"),
        ({"github.io": "p=reject; psd=n"}, "me.github.io", "github.io"),
        ({"gov.uk": "p=reject"}, "gov.uk", "gov.uk"),
        # What does not count
        ({"mail.bank.com": ("p=none", "p=none"), "bank.com": "p=none"}, "mail.bank.com", "bank.com"),
        ({"mail.bank.com": ("p=none; psd=n", "p=none"), "bank.com": "p=none"}, "mail.bank.com", "bank.com"),
        ({"mail.bank.com": "p=all; psd=n", "bank.com": "p=none"}, "mail.bank.com", "bank.com"),
    ],
)
def test_the_organisation_of_a_domain(
    lookups: Lookups, dns: DnsServer, records: Records, domain: str, organization: str
) -> None:
    publish(dns, records)
    assert organizational(suffixes(), walk(lookups, suffixes(), domain)) == organization


ALL = "p=none; sp=quarantine; np=reject"


@pytest.mark.parametrize(
    ("records", "domain", "covering"),
    [
        ({}, "bank.com", None),
        ({"bank.com": ALL}, "bank.com", ("bank.com", "none")),
        ({"bank.com": ALL}, "news.bank.com", ("bank.com", "quarantine")),
        ({"bank.com": ALL}, "made.up.bank.com", ("bank.com", "reject")),
        ({"bank.com": "p=none; np=reject"}, "news.bank.com", ("bank.com", "none")),
        ({"bank.com": "sp=reject; rua=mailto:r@bank.com"}, "news.bank.com", ("bank.com", "reject")),
        ({"bank.com": "p=reject", "news.bank.com": "p=none"}, "news.bank.com", ("news.bank.com", "none")),
        ({"bank.com": "p=reject", "b.bank.com": "p=none"}, "a.b.bank.com", ("bank.com", "reject")),
        ({"bank.com": "p=reject", "b.bank.com": "p=none; psd=n"}, "a.b.bank.com", ("b.bank.com", "none")),
        ({"b.bank.com": "p=reject"}, "a.b.bank.com", ("b.bank.com", "reject")),
        # Registries, and who gives domains to customers
        ({"gov.uk": ALL}, "made.up.gov.uk", ("gov.uk", "reject")),
        ({"gov.uk": ALL}, "taxes.gov.uk", ("gov.uk", "quarantine")),
        ({"gov.uk": ALL, "taxes.gov.uk": "p=none"}, "mail.taxes.gov.uk", ("taxes.gov.uk", "none")),
        ({"com": ALL + "; psd=y"}, "made-up.com", ("com", "reject")),
        ({"hoster.com": ALL + "; psd=y"}, "nobody.hoster.com", ("hoster.com", "reject")),
        ({"hoster.com": ALL + "; psd=y", "one.hoster.com": "p=none"}, "x.one.hoster.com", ("one.hoster.com", "none")),
        ({"uk": ALL, "co.uk": "p=reject; psd=y"}, "made-up.co.uk", ("co.uk", "reject")),
        # What stands in the middle and does not count is passed over
        ({"bank.com": "p=reject", "b.bank.com": ("p=none", "p=none")}, "a.b.bank.com", ("bank.com", "reject")),
        ({"bank.com": "p=reject", "b.bank.com": "p=all"}, "a.b.bank.com", ("bank.com", "reject")),
        ({"bank.com": "p=reject", "com": ("p=none", "p=none")}, "news.bank.com", ("bank.com", "reject")),
    ],
)
def test_the_record_that_covers_a_domain(
    lookups: Lookups, dns: DnsServer, records: Records, domain: str, covering: tuple[str, str] | None
) -> None:
    for name in ("bank.com", "news.bank.com", "a.b.bank.com", "taxes.gov.uk"):
        dns.set(name, "TXT", "exists, though it takes no mail")
    publish(dns, records)
    assert found(lookups, domain) == covering


@pytest.mark.parametrize(
    ("records", "domain", "problem"),
    [
        (
            {"news.bank.com": ("p=none", "p=reject"), "bank.com": "p=reject"},
            "news.bank.com",
            "news.bank.com has several",
        ),
        ({"news.bank.com": "p=all", "bank.com": "p=reject"}, "news.bank.com", "news.bank.com has a DMARC record that"),
        (
            {"news.bank.com": "p=none; sp=x", "bank.com": "p=reject"},
            "news.bank.com",
            "news.bank.com has a DMARC record",
        ),
        ({"bank.com": ("p=none", "p=reject"), "com": "p=reject; psd=y"}, "news.bank.com", "bank.com has several"),
        ({"bank.com": "p=all", "com": "p=reject; psd=y"}, "news.bank.com", "bank.com has a DMARC record that cannot"),
    ],
)
def test_a_domain_or_organisation_without_one_usable_record_ends_the_search(
    lookups: Lookups, dns: DnsServer, records: Records, domain: str, problem: str
) -> None:
    publish(dns, records)
    with pytest.raises(UnusableRecord, match=problem):
        found(lookups, domain)


@pytest.mark.parametrize("failing", ["news.bank.com", "bank.com"])
def test_trouble_where_a_record_may_stand_is_trouble(lookups: Lookups, dns: DnsServer, failing: str) -> None:
    publish(dns, {"bank.com": "p=reject"})
    dns.fail(f"_dmarc.{failing}", Failure.SERVFAIL)
    with pytest.raises(DnsTrouble):
        found(lookups, "news.bank.com")


def test_trouble_above_a_domain_with_a_record_leaves_the_record(lookups: Lookups, dns: DnsServer) -> None:
    publish(dns, {"news.bank.com": "p=reject"})
    dns.fail("_dmarc.bank.com", Failure.SERVFAIL)
    covering = discover(lookups, suffixes(), "news.bank.com")
    assert covering
    assert (covering.policy, covering.organization) == ("reject", "bank.com")


def test_trouble_with_a_registry_is_passed_over(lookups: Lookups, dns: DnsServer) -> None:
    publish(dns, {"bank.com": "p=reject"})
    dns.fail("_dmarc.com", Failure.SERVFAIL)
    assert found(lookups, "news.bank.com") == ("bank.com", "reject")
