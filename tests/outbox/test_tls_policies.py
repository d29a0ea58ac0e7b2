"""Which policy counts at which host, and whose word on DNSSEC does."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from onifast_outbox.program import assemble
from onifast_outbox.tls_policy import policies
from onifast_outbox.tls_policy.certificates import CertificateVerifier, load_authorities
from onifast_outbox.tls_policy.contexts import Contexts
from onifast_outbox.tls_policy.policies import TlsPolicies
from onifast_outbox.tls_policy.requirement import (
    OPPORTUNISTIC,
    HostBarred,
    Insist,
    Requirement,
    ResultType,
    TlsLevel,
)
from onifast_outbox.tls_policy.secure_dns import SecureDns
from onifast_outbox.tls_policy.tlsa import Tlsa, usable
from onifast_shared.db.database import Database
from onifast_shared.machine import dns as shared_dns
from onifast_shared.machine.config import ConfigError, Settings
from onifast_shared.tls import sts_policies

from fakes.certificates import Authority
from fakes.dns import DnsServer, Failure

HOST = "mx.remote.test"
TLSA = f"_25._tcp.{HOST}"
DIGEST = "ab" * 32


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    """A validating resolver, as far as one can see: remote.test has one mail exchanger."""
    zone = {"remote.test": {"MX": f"10 {HOST}"}, HOST: {"A": "127.0.0.25"}}
    with DnsServer(zone) as server:
        server.validates = True
        yield server


@pytest.fixture
def asking(settings: Settings, dns: DnsServer) -> Settings:
    return replace(settings, dns_servers=((dns.host, dns.port),), dns_timeout=5.0)


@pytest.fixture
def found(asking: Settings, database: Database) -> TlsPolicies:
    return assembled(asking, database)


def assembled(settings: Settings, database: Database) -> TlsPolicies:
    resolver = shared_dns.resolver(settings)
    return policies.assemble(settings, database, resolver, Contexts.of(settings))


def keep_sts(database: Database, mode: str, mx: str = HOST) -> None:
    """remote.test has published an MTA-STS policy that is kept here."""
    body = f"version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 86400\n".encode()
    now = 4_000_000_000
    database.write(lambda tx: sts_policies.put(tx, "remote.test", "1", mode, body, max_age=86400, now=now))


async def required(found: TlsPolicies, certificate: TlsLevel | None = None, *, waived: bool = False) -> Requirement:
    policy = await found.of("remote.test")
    return await found.requirement(replace(policy, waived=waived), HOST, certificate)


async def test_without_policies_nothing_is_asked(found: TlsPolicies) -> None:
    assert await required(found) is OPPORTUNISTIC


async def test_tlsa_records_are_asked_for_where_mx_and_addresses_are_proved(found: TlsPolicies, dns: DnsServer) -> None:
    dns.set(TLSA, "TLSA", f"3 1 1 {DIGEST}")
    requirement = await required(found)
    assert (requirement.insist, requirement.level) == (Insist.DANE, TlsLevel.DANE)
    assert (requirement.names, requirement.domain) == ((HOST,), "remote.test")
    assert requirement.tlsa == (Tlsa(3, 1, 1, bytes.fromhex(DIGEST)),)


async def test_dane_goes_before_mta_sts(found: TlsPolicies, dns: DnsServer, database: Database) -> None:
    dns.set(TLSA, "TLSA", f"3 1 1 {DIGEST}")
    keep_sts(database, "enforce", "other.test")
    assert (await required(found)).insist is Insist.DANE


async def test_records_that_cannot_be_used_leave_it_to_mta_sts(
    found: TlsPolicies, dns: DnsServer, database: Database
) -> None:
    dns.set(TLSA, "TLSA", f"1 1 1 {DIGEST}")
    keep_sts(database, "enforce")
    requirement = await required(found)
    assert (requirement.insist, requirement.level) == (Insist.CERTIFICATE, TlsLevel.MTA_STS)


async def test_records_that_cannot_be_used_demand_encryption(found: TlsPolicies, dns: DnsServer) -> None:
    dns.set(TLSA, "TLSA", f"0 0 1 {DIGEST}", "3 1 9 abcd")
    assert (await required(found)).insist is Insist.ENCRYPTION


async def test_whole_keys_and_certificates_that_are_none_demand_encryption(found: TlsPolicies, dns: DnsServer) -> None:
    dns.set(TLSA, "TLSA", "3 1 0 abcdef", "2 0 0 3000")
    assert (await required(found)).insist is Insist.ENCRYPTION


SHORT = "\\# 23 030101" + "ab" * 20  # says SHA-256, and has the octets of SHA-1
STUMP = "\\# 2 0301"


async def test_malformed_records_are_unusable_and_the_others_count(
    asking: Settings, database: Database, dns: DnsServer
) -> None:
    found = assembled(replace(asking, dns_timeout=2.0), database)
    dns.set(TLSA, "TLSA", SHORT, f"3 1 1 {DIGEST}", STUMP)
    requirement = await required(found)
    assert (requirement.insist, requirement.tlsa) == (Insist.DANE, (Tlsa(3, 1, 1, bytes.fromhex(DIGEST)),))


@pytest.mark.parametrize("records", [(SHORT,), (STUMP,), (SHORT, f"0 0 1 {DIGEST}")])
async def test_where_all_are_malformed_encryption_is_demanded(
    asking: Settings, database: Database, dns: DnsServer, records: tuple[str, ...]
) -> None:
    dns.set(TLSA, "TLSA", *records)
    assert (await required(assembled(replace(asking, dns_timeout=2.0), database))).insist is Insist.ENCRYPTION


async def test_malformed_records_that_are_not_proved_ask_nothing(
    asking: Settings, database: Database, dns: DnsServer
) -> None:
    dns.set(TLSA, "TLSA", SHORT)
    assert await required(assembled(replace(asking, dnssec="off"), database)) is OPPORTUNISTIC


async def test_a_failing_look_up_bars_the_host_even_where_mta_sts_would_be_content(
    found: TlsPolicies, dns: DnsServer, database: Database
) -> None:
    dns.fail(TLSA, Failure.SERVFAIL)
    keep_sts(database, "enforce")
    with pytest.raises(HostBarred) as barred:
        await required(found)
    assert barred.value.trouble.kind is ResultType.DNSSEC_INVALID


@pytest.mark.parametrize("mode", ["testing", "none"])
async def test_only_enforcing_asks(found: TlsPolicies, database: Database, mode: str) -> None:
    keep_sts(database, mode, "other.test")
    assert await required(found) is OPPORTUNISTIC


async def test_who_waives_is_asked_nothing(found: TlsPolicies, dns: DnsServer, database: Database) -> None:
    dns.fail(TLSA, Failure.SERVFAIL)
    keep_sts(database, "enforce", "other.test")
    assert await required(found, waived=True) is OPPORTUNISTIC


async def test_requiretls_asks_for_a_certificate(found: TlsPolicies) -> None:
    assert await required(found, TlsLevel.REQUIRETLS) == Requirement(Insist.CERTIFICATE, TlsLevel.REQUIRETLS)


async def test_requiretls_is_content_with_tlsa_records(found: TlsPolicies, dns: DnsServer) -> None:
    dns.set(TLSA, "TLSA", f"3 1 1 {DIGEST}")
    assert (await required(found, TlsLevel.REQUIRETLS)).insist is Insist.DANE


async def test_a_host_that_the_proved_answer_does_not_name_is_not_used(found: TlsPolicies) -> None:
    policy = await found.of("remote.test")
    with pytest.raises(HostBarred, match=r"is not among the mail servers that the DNS of remote\.test proves"):
        await found.requirement(policy, "stranger.test", None)


@pytest.mark.parametrize(("name", "kind"), [("remote.test", "MX"), (HOST, "A")])
async def test_what_fails_now_is_no_way_around_the_records(
    found: TlsPolicies, dns: DnsServer, name: str, kind: str
) -> None:
    dns.set(TLSA, "TLSA", f"3 1 1 {DIGEST}")
    dns.fail(name, Failure.SERVFAIL, kind)
    with pytest.raises(HostBarred):
        await required(found)
    dns.fail(name, None, kind)
    assert (await required(found)).insist is Insist.DANE


async def test_an_address_family_that_fails_bars_nobody_without_dnssec(
    asking: Settings, database: Database, dns: DnsServer
) -> None:
    dns.validates = False
    dns.fail(HOST, Failure.SERVFAIL, "AAAA")
    found = assembled(asking, database)
    assert await required(found) is OPPORTUNISTIC


async def test_domains_share_connections_only_if_they_ask_the_same(
    found: TlsPolicies, dns: DnsServer, database: Database
) -> None:
    dns.set("also.test", "MX", f"10 {HOST}")
    dns.set("enforcing.test", "MX", f"10 {HOST}")
    body = f"version: STSv1\nmode: enforce\nmx: {HOST}\nmax_age: 86400\n".encode()
    database.write(
        lambda tx: sts_policies.put(tx, "enforcing.test", "1", "enforce", body, max_age=86400, now=4_000_000_000)
    )
    keys = [(await found.of(domain)).key for domain in ("remote.test", "also.test", "enforcing.test")]
    assert keys[0] == keys[1]
    assert keys[2] not in keys[:2]


@pytest.mark.parametrize(
    ("servers", "setting", "believed"),
    [
        ((("127.0.0.1", 53),), "auto", True),
        ((("::1", 53), ("127.0.0.53", 53)), "auto", True),
        ((("127.0.0.1", 53), ("192.0.2.1", 53)), "auto", False),
        ((("192.0.2.1", 53),), "auto", False),
        ((("192.0.2.1", 53),), "trust", True),
        ((("127.0.0.1", 53),), "off", False),
    ],
)
def test_whose_word_on_dnssec_counts(
    settings: Settings, servers: tuple[tuple[str, int], ...], setting: str, believed: bool
) -> None:
    resolver = shared_dns.resolver(replace(settings, dns_servers=servers))
    assert SecureDns(resolver, setting).believed is believed


async def test_an_answer_that_was_not_validated_proves_nothing(
    asking: Settings, database: Database, dns: DnsServer
) -> None:
    dns.validates = False
    dns.set(TLSA, "TLSA", f"3 1 1 {DIGEST}")
    found = assembled(asking, database)
    assert await required(found) is OPPORTUNISTIC
    assert dns.asked(TLSA, "TLSA") == 0


def test_of_digests_the_strongest_counts() -> None:
    key = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    weak, strong, whole = Tlsa(3, 1, 1, bytes(32)), Tlsa(3, 1, 2, bytes(64)), Tlsa(3, 1, 0, key)
    other = Tlsa(2, 1, 1, bytes(32))
    assert usable([weak, strong, whole, other]) == (strong, whole, other)


@pytest.mark.parametrize(
    "record",
    [
        Tlsa(0, 0, 1, bytes(32)),
        Tlsa(1, 1, 1, bytes(32)),
        Tlsa(4, 1, 1, bytes(32)),
        Tlsa(3, 2, 1, bytes(32)),
        Tlsa(3, 1, 3, bytes(32)),
        Tlsa(3, 1, 1, bytes(31)),
        Tlsa(3, 1, 2, bytes(32)),
        Tlsa(3, 1, 0, b""),
        Tlsa(3, 1, 0, b"no key"),
        Tlsa(3, 0, 0, b"no certificate"),
        Tlsa(2, 0, 0, bytes(700)),
    ],
)
def test_records_that_say_nothing_that_is_known_are_not_used(record: Tlsa) -> None:
    assert usable([record]) == ()


def test_authorities_come_from_the_file_or_the_system(tmp_path: Path) -> None:
    authority = Authority(tmp_path).issue("a.test").authority
    (ours,) = load_authorities(authority)
    assert hashlib.sha256(ours.public_bytes(Encoding.PEM)).digest() == hashlib.sha256(authority.read_bytes()).digest()
    assert all(isinstance(each, x509.Certificate) for each in load_authorities(None))


@pytest.mark.parametrize("content", [None, b"no certificates"])
def test_a_file_of_authorities_that_is_none_stops_the_program(tmp_path: Path, content: bytes | None) -> None:
    if content:
        (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(ConfigError, match=r"^setting outbound_tls_ca: .*ca\.pem is not a file of certificates"):
        CertificateVerifier(tmp_path / "ca.pem").prepare()


async def test_a_program_reads_the_authorities_once_for_all_its_connections(
    asking: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[ssl.SSLContext] = []
    make = ssl.create_default_context

    def counted(cafile: Path | None = None) -> ssl.SSLContext:
        made.append(make(cafile=cafile))
        return made[-1]

    monkeypatch.setattr(ssl, "create_default_context", counted)
    program = assemble(asking, database)
    assert len(made) == 1
    await program.connections.close()


def test_a_certificate_names_its_server_in_subject_alt_name_or_nowhere(settings: Settings) -> None:
    assert not Contexts.of(settings).verifying.hostname_checks_common_name
