"""Where mail for a foreign domain goes, by what the DNS says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from onifast_outbox.delivering.routing import MailExchangers, Unroutable, by_preference, is_ourselves, relay_route
from onifast_outbox.smtp.session import Hop, Security
from onifast_shared.machine import dns as shared_dns
from onifast_shared.machine.config import Listen, Settings
from onifast_shared.machine.dns import MX
from onifast_shared.machine.log import Secret
from onifast_shared.transport.relay import Relay, RelayTls
from onifast_shared.values.reply import Deferred, Failed

from fakes.dns import DnsServer, Failure


@pytest.fixture
def exchangers(outbox_settings: Settings) -> MailExchangers:
    """Look-ups by the test's own DNS server; this host is mail.host.test."""
    return MailExchangers(shared_dns.resolver(outbox_settings), 25, "mail.host.test")


async def refusal(exchangers: MailExchangers, domain: str) -> Deferred | Failed:
    """What the domain's mail comes to, which no server takes."""
    with pytest.raises(Unroutable) as caught:
        await exchangers.route(domain)
    return caught.value.outcome


async def test_exchangers_come_in_order_of_preference(dns: DnsServer, exchangers: MailExchangers) -> None:
    dns.set("a.test", "MX", "20 second.a.test", "30 third.a.test", "10 first.a.test")
    route = await exchangers.route("a.test")
    assert route.hosts == ("first.a.test", "second.a.test", "third.a.test")
    assert (route.port, route.security, route.verify) == (25, Security.OPPORTUNISTIC, False)


def test_equal_preferences_share_the_load() -> None:
    records = [MX(10, f"mx{number}.a.test") for number in range(4)]
    assert len({by_preference(records)[0] for _ in range(200)}) == 4


async def test_a_domain_without_mx_is_its_own_exchanger(dns: DnsServer, exchangers: MailExchangers) -> None:
    dns.set("plain.test", "A", "127.0.0.7")
    assert (await exchangers.route("plain.test")).hosts == ("plain.test",)


async def test_an_address_literal_needs_no_dns(dns: DnsServer, exchangers: MailExchangers) -> None:
    assert (await exchangers.route("[127.0.0.9]")).hosts == ("127.0.0.9",)
    assert (await exchangers.route("[IPv6:::1]")).hosts == ("::1",)
    assert await exchangers.addresses("::1") == ["::1"]
    assert dns.queries == []


async def test_a_null_mx_fails_for_good(dns: DnsServer, exchangers: MailExchangers) -> None:
    dns.set("never.test", "MX", "0 .")
    outcome = await refusal(exchangers, "never.test")
    assert isinstance(outcome, Failed)
    assert outcome.reply.enhanced == "5.1.10"


async def test_a_domain_that_does_not_exist_fails_for_good(exchangers: MailExchangers) -> None:
    outcome = await refusal(exchangers, "nowhere.test")
    assert isinstance(outcome, Failed)
    assert outcome.reply.enhanced == "5.1.2"


@pytest.mark.parametrize("failure", [Failure.SERVFAIL, Failure.REFUSED, Failure.SILENT])
async def test_dns_trouble_defers(dns: DnsServer, outbox_settings: Settings, failure: Failure) -> None:
    dns.fail("remote.test", failure)
    hasty = replace(outbox_settings, dns_timeout=0.5)
    exchangers = MailExchangers(shared_dns.resolver(hasty), 25, "mail.host.test")
    outcome = await refusal(exchangers, "remote.test")
    assert isinstance(outcome, Deferred)
    assert outcome.reply.enhanced == "4.4.3"


async def test_only_exchangers_better_than_ourselves_are_tried(dns: DnsServer, exchangers: MailExchangers) -> None:
    dns.set("backup.test", "MX", "10 mx.backup.test", "20 mail.host.test", "30 worse.backup.test")
    assert (await exchangers.route("backup.test")).hosts == ("mx.backup.test",)


async def test_a_domain_that_points_here_but_is_not_set_up_fails(dns: DnsServer, exchangers: MailExchangers) -> None:
    dns.set("lost.test", "MX", "10 mail.host.test")
    outcome = await refusal(exchangers, "lost.test")
    assert isinstance(outcome, Failed)
    assert outcome.reply.enhanced == "5.4.6"


async def test_of_a_zone_that_names_exchangers_without_end_a_hundred_are_known(
    dns: DnsServer, exchangers: MailExchangers
) -> None:
    # How many of them an attempt comes to is bounded too: test_peer_failures.
    dns.set("many.test", "MX", *(f"{number} mx{number}.many.test" for number in range(120)))
    assert (await exchangers.route("many.test")).hosts == tuple(f"mx{number}.many.test" for number in range(100))


async def test_addresses_are_ipv6_first_and_follow_aliases(dns: DnsServer, exchangers: MailExchangers) -> None:
    dns.set("both.test", "A", "127.0.0.7")
    dns.set("both.test", "AAAA", "::1")
    dns.set("alias.test", "CNAME", "both.test.")
    assert await exchangers.addresses("alias.test") == ["::1", "127.0.0.7"]


async def test_one_family_is_enough_where_the_other_cannot_be_looked_up(
    dns: DnsServer, exchangers: MailExchangers
) -> None:
    dns.fail("mx.remote.test", Failure.SERVFAIL, "AAAA")
    assert await exchangers.addresses("mx.remote.test") == ["127.0.0.25"]


async def test_a_host_whose_address_cannot_be_looked_up_defers(dns: DnsServer, exchangers: MailExchangers) -> None:
    dns.fail("mx.remote.test", Failure.SERVFAIL)
    with pytest.raises(Unroutable) as caught:
        await exchangers.addresses("mx.remote.test")
    assert isinstance(caught.value.outcome, Deferred)


def test_our_own_listeners_are_ourselves() -> None:
    listens = [Listen("127.0.0.1", 2525), Listen("::", 25), Listen("0.0.0.0", 25)]
    assert is_ourselves(Hop("mx", "127.0.0.1", 2525), listens)
    assert is_ourselves(Hop("mx", "127.0.0.5", 25), listens)
    assert is_ourselves(Hop("mx", "::1", 25), listens)
    assert not is_ourselves(Hop("mx", "127.0.0.2", 2525), listens)
    assert not is_ourselves(Hop("mx", "192.0.2.1", 25), listens)


@pytest.mark.parametrize(
    ("host", "security", "verified"),
    [
        ("smtp.relay.test", "starttls", True),
        ("smtp.relay.test", "tls", True),
        ("192.0.2.1", "starttls", True),
        ("smtp.relay.test", "none", False),
        ("127.0.0.1", "starttls", False),
        ("::1", "tls", False),
        ("localhost", "starttls", False),
    ],
)
def test_a_relays_certificate_is_verified_unless_it_is_named_as_this_machine(
    host: str, security: RelayTls, verified: bool
) -> None:
    route = relay_route(Relay(host, 587, "user", Secret("secret"), security))
    assert route.verify is verified
    assert "secret" not in repr(route)
