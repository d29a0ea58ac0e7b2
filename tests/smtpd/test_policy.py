"""Who may do what."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest
from onifast_shared.machine.config import Settings
from onifast_shared.values.address import Address
from onifast_smtpd import policy
from onifast_smtpd.clients.client import Client, Origin, Service, identify
from onifast_smtpd.protocol.command import Bare

BASE = Settings(hostname="mail.host.test", trusted_networks=(ip_network("10.1.0.0/16"), ip_network("2001:db8::/32")))


def client(address: str, service: Service = Service.MX) -> Client:
    return identify(service, (address, 40000), BASE)


LOCAL, TRUSTED, FOREIGN = client("127.0.0.1"), client("10.1.2.3"), client("192.0.2.1")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "::1%lo"])
def test_loopback_addresses_are_this_machine_mapped_ones_too(address: str) -> None:
    assert client(address).is_loopback


@pytest.mark.parametrize("address", ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "::2"])
def test_others_are_not(address: str) -> None:
    assert not client(address).is_loopback


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1"])
def test_trusted_networks(address: str) -> None:
    assert client(address).is_trusted


@pytest.mark.parametrize(
    ("setting", "who", "tls", "auth", "starttls"),
    [
        ("loopback", LOCAL, False, True, False),
        ("loopback", LOCAL, True, True, False),
        ("loopback", TRUSTED, False, False, True),
        ("loopback", FOREIGN, False, False, True),
        ("loopback", FOREIGN, True, True, False),
        ("never", LOCAL, False, False, True),
        ("never", LOCAL, True, True, False),
        ("never", FOREIGN, False, False, True),
        ("always", LOCAL, False, True, False),
        ("always", FOREIGN, False, True, True),
    ],
)
def test_what_is_offered(setting: str, who: Client, tls: bool, auth: bool, starttls: bool) -> None:
    settings = replace(BASE, allow_insecure_auth=setting, smtp_auth="always")
    assert policy.offers_auth(who, settings, tls=tls) == auth
    assert policy.offers_starttls(who, settings, tls=tls, certificate=True) == starttls
    assert not policy.offers_starttls(who, settings, tls=tls, certificate=False)
    refusal = policy.judge_auth(who, settings, tls=tls)
    assert (refusal is None) == auth
    assert auth or str(refusal).startswith("538 5.7.11")


@pytest.mark.parametrize(
    ("setting", "logs_in"),
    [("never", []), ("local", [LOCAL, TRUSTED]), ("always", [LOCAL, TRUSTED, FOREIGN])],
)
def test_who_may_log_in_on_port_25(setting: str, logs_in: list[Client]) -> None:
    settings = replace(BASE, smtp_auth=setting)
    assert [who for who in (LOCAL, TRUSTED, FOREIGN) if policy.offers_auth(who, settings, tls=True)] == logs_in
    for service in (Service.SUBMISSION, Service.SUBMISSIONS):
        assert policy.offers_auth(client("192.0.2.1", service), settings, tls=True)


@pytest.mark.parametrize(
    ("address", "service", "relays"),
    [
        ("127.0.0.1", Service.MX, True),
        ("10.1.2.3", Service.MX, True),
        ("192.0.2.1", Service.MX, False),
        ("127.0.0.1", Service.SUBMISSION, False),
        ("10.1.2.3", Service.SUBMISSIONS, False),
    ],
)
def test_who_relays_without_a_password(address: str, service: Service, relays: bool) -> None:
    assert Origin("s", client(address, service), "x", extended=True).may_relay == relays


@pytest.mark.parametrize(
    ("path", "who", "relaying", "address"),
    [
        (Bare("PostMaster"), FOREIGN, False, Address("PostMaster", "mail.host.test")),
        (Bare("root"), FOREIGN, False, None),
        (Bare("root"), LOCAL, True, Address("root", "mail.host.test")),
        (Bare("root"), TRUSTED, True, None),
        (Address("root", "localhost"), LOCAL, True, Address("root", "mail.host.test")),
        (Address("root", "localhost"), FOREIGN, False, Address("root", "localhost")),
        (Address("a", "b.test"), LOCAL, True, Address("a", "b.test")),
    ],
)
def test_recipients_are_qualified(path: Address | Bare, who: Client, relaying: bool, address: Address | None) -> None:
    assert policy.qualify_recipient(path, who, BASE, relaying=relaying) == address
