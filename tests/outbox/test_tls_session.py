"""What a connection has to prove, measured on real handshakes."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from onifast_outbox.smtp.client import SmtpClient
from onifast_outbox.smtp.session import Access, Hop, HopFailed, Security
from onifast_outbox.smtp.wire import Timeouts
from onifast_outbox.tls_policy.certificates import CertificateVerifier
from onifast_outbox.tls_policy.requirement import OPPORTUNISTIC, Insist, Requirement, ResultType, TlsLevel
from onifast_outbox.tls_policy.tlsa import Tlsa

from fakes.certificates import Authority, Certificate
from fakes.smtp_server import ScriptedSmtpServer

HOST = "mx.remote.test"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The only one that is trusted."""
    return Authority(tmp_path)


def record(certificate: Certificate, usage: int, selector: int, matching_type: int, place: int = 0) -> Tlsa:
    """The TLSA record for a certificate of the chain that the server shows."""
    chosen = x509.load_pem_x509_certificates(certificate.chain.read_bytes())[place]
    data = (
        chosen.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if selector
        else chosen.public_bytes(Encoding.DER)
    )
    matched = {0: data, 1: hashlib.sha256(data).digest(), 2: hashlib.sha512(data).digest()}
    return Tlsa(usage, selector, matching_type, matched[matching_type])


def dane(*records: Tlsa, domain: str = "") -> Requirement:
    return Requirement(Insist.DANE, TlsLevel.DANE, (HOST,), records, "the TLSA records ask for it", domain)


async def connect(
    certificate: Certificate | None, requirement: Requirement, security: Security = Security.STARTTLS
) -> SmtpClient:
    """A session with a server of that certificate, past its TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    authority = certificate.authority if certificate else None
    access = Access("mail.host.test", security, context, requirement, CertificateVerifier(authority))
    with ScriptedSmtpServer(tls=certificate.server_context() if certificate else None) as server:
        client = await SmtpClient.open(Hop(HOST, server.host, server.port), access, Timeouts())
        await client.quit()
        await asyncio.sleep(0)  # lets the socket close before the server waits for that
        return client


async def refused(certificate: Certificate | None, requirement: Requirement) -> HopFailed:
    with pytest.raises(HopFailed) as failure:
        await connect(certificate, requirement)
    return failure.value


@pytest.mark.parametrize(
    ("names", "expired", "level", "trouble"),
    [
        ((HOST,), False, TlsLevel.VERIFIED, None),
        (("*.remote.test",), False, TlsLevel.VERIFIED, None),
        (("other.test",), False, TlsLevel.ENCRYPTED, ResultType.HOST_MISMATCH),
        ((HOST,), True, TlsLevel.ENCRYPTED, ResultType.EXPIRED),
    ],
)
async def test_where_nothing_is_asked_the_certificate_is_judged_all_the_same(
    authority: Authority, names: tuple[str, ...], expired: bool, level: TlsLevel, trouble: ResultType | None
) -> None:
    client = await connect(authority.issue(*names, expired=expired), OPPORTUNISTIC, Security.OPPORTUNISTIC)
    assert client.assurance.level is level
    assert client.trail.tls_level == level.value
    assert (client.assurance.trouble.kind if client.assurance.trouble else None) is trouble


async def test_an_authority_that_is_not_trusted_gives_encryption_alone(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other").issue(HOST)
    certificate = Certificate(stranger.chain, stranger.key, authority.issue(HOST).authority)
    client = await connect(certificate, OPPORTUNISTIC, Security.OPPORTUNISTIC)
    assert client.assurance.level is TlsLevel.ENCRYPTED
    assert client.assurance.trouble is not None
    assert client.assurance.trouble.kind is ResultType.NOT_TRUSTED


async def test_no_starttls_is_the_lowest_level() -> None:
    client = await connect(None, OPPORTUNISTIC, Security.OPPORTUNISTIC)
    assert client.assurance.level is TlsLevel.NONE
    assert client.assurance.trouble is not None
    assert client.assurance.trouble.kind is ResultType.STARTTLS_NOT_SUPPORTED


@pytest.mark.parametrize("matching_type", [0, 1, 2])
@pytest.mark.parametrize("selector", [0, 1])
async def test_dane_ee_asks_for_neither_name_nor_dates(authority: Authority, selector: int, matching_type: int) -> None:
    certificate = authority.issue("unrelated.test", expired=True)
    client = await connect(certificate, dane(record(certificate, 3, selector, matching_type)))
    assert client.assurance.level is TlsLevel.DANE


@pytest.mark.parametrize("matching_type", [0, 1, 2])
@pytest.mark.parametrize("selector", [0, 1])
async def test_dane_ta_leads_to_the_named_authority(authority: Authority, selector: int, matching_type: int) -> None:
    certificate = authority.issue(HOST)
    client = await connect(certificate, dane(record(certificate, 2, selector, matching_type, place=1)))
    assert client.assurance.level is TlsLevel.DANE


async def test_dane_ta_knows_an_authority_that_the_server_does_not_show(authority: Authority) -> None:
    certificate = authority.issue(HOST)
    whole = record(certificate, 2, 0, 0, place=1)
    alone = certificate.chain.read_text().partition("-----END CERTIFICATE-----\n")
    certificate.chain.write_text(alone[0] + alone[1])
    assert (await connect(certificate, dane(whole))).assurance.level is TlsLevel.DANE


async def test_dane_ta_takes_the_name_of_the_recipients_domain_too(authority: Authority) -> None:
    certificate = authority.issue("remote.test")
    client = await connect(certificate, dane(record(certificate, 2, 0, 1, place=1), domain="remote.test"))
    assert (client.assurance.level, client.assurance.is_shareable) == (TlsLevel.DANE, False)


async def test_a_certificate_that_is_good_for_the_host_serves_every_domain(authority: Authority) -> None:
    certificate = authority.issue(HOST, "remote.test")
    client = await connect(certificate, dane(record(certificate, 2, 0, 1, place=1), domain="remote.test"))
    assert client.assurance.is_shareable


@pytest.mark.parametrize(
    ("name", "expired", "kind"),
    [("other.test", False, ResultType.HOST_MISMATCH), (HOST, True, ResultType.EXPIRED)],
)
async def test_dane_ta_asks_for_name_and_dates(
    authority: Authority, name: str, expired: bool, kind: ResultType
) -> None:
    certificate = authority.issue(name, expired=expired)
    failure = await refused(certificate, dane(record(certificate, 2, 0, 1, place=1)))
    assert failure.trouble is not None
    assert failure.trouble.kind is kind


async def test_dane_ta_is_not_fulfilled_by_the_servers_own_certificate(authority: Authority) -> None:
    certificate = authority.issue(HOST)
    failure = await refused(certificate, dane(record(certificate, 2, 0, 1)))
    assert "no TLSA record matches" in str(failure)


async def test_one_record_that_matches_is_enough(authority: Authority) -> None:
    certificate = authority.issue(HOST)
    client = await connect(certificate, dane(Tlsa(3, 1, 1, bytes(32)), record(certificate, 3, 1, 1)))
    assert client.assurance.level is TlsLevel.DANE


async def test_a_certificate_that_no_record_names_is_refused(authority: Authority) -> None:
    failure = await refused(authority.issue(HOST), dane(Tlsa(3, 1, 1, bytes(32))))
    assert failure.outcome.reply.enhanced == "4.7.5"
    assert "no TLSA record matches the server's certificates, and the TLSA records ask for it" in str(failure)


async def test_without_starttls_what_is_insisted_on_cannot_be_had() -> None:
    failure = await refused(None, dane(Tlsa(3, 1, 1, bytes(32))))
    assert failure.outcome.reply.enhanced == "4.7.4"
    assert "does not offer STARTTLS, and the TLSA records ask for it" in str(failure)
