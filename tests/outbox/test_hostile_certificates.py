"""Whatever a server shows as a certificate is judged: it never is an error of ours."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from itertools import islice

import pytest
from onifast_outbox.tls_policy.certificates import CertificateRefused, CertificateVerifier
from onifast_outbox.tls_policy.policy import TlsPolicy
from onifast_outbox.tls_policy.requirement import OPPORTUNISTIC, Assurance, Insist, Requirement, TlsLevel
from onifast_outbox.tls_policy.results import of_session
from onifast_outbox.tls_policy.tlsa import DANE_EE, DANE_TA, Tlsa, usable

from fakes.certificates import Authority, Certificate

HOST = "mx.remote.test"
NONE_OF_THESE = Requirement(
    Insist.DANE, TlsLevel.DANE, (HOST,), (Tlsa(DANE_TA, 0, 1, bytes(32)), Tlsa(DANE_EE, 1, 2, bytes(64)))
)


def chain_of(certificate: Certificate) -> list[bytes]:
    parts = certificate.chain.read_text().split("-----END CERTIFICATE-----\n")[:-1]
    return [ssl.PEM_cert_to_DER_cert(f"{part}-----END CERTIFICATE-----\n") for part in parts]


def damaged(der: bytes) -> Iterator[bytes]:
    """The certificate with each of its bytes changed, and cut off there."""
    for place in range(len(der)):
        for change in (0x01, 0x80, 0xFF):
            yield der[:place] + bytes([der[place] ^ change]) + der[place + 1 :]
        yield der[:place]


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A good certificate."""
    return Authority(tmp_path_factory.mktemp("authority")).issue(HOST)


@pytest.mark.parametrize("share", range(4))
def test_no_damage_to_a_certificate_is_more_than_trouble(issued: Certificate, share: int) -> None:
    judge, (own, authority) = CertificateVerifier(issued.authority), chain_of(issued)
    for der in islice(damaged(own), share, None, 4):
        assurance = judge.assure(OPPORTUNISTIC, HOST, [der, authority])
        assert assurance.level is TlsLevel.VERIFIED or assurance.trouble is not None
        with pytest.raises(CertificateRefused):
            judge.assure(NONE_OF_THESE, HOST, [der, authority])


def test_an_authority_of_a_version_that_nobody_knows_is_passed_over(issued: Certificate) -> None:
    own, authority = chain_of(issued)
    version = authority.index(bytes.fromhex("a003020102")) + 4
    odd = authority[:version] + b"\x07" + authority[version + 1 :]
    assert CertificateVerifier(issued.authority).assure(OPPORTUNISTIC, HOST, [own, odd]).level is TlsLevel.VERIFIED


def test_of_thousands_of_records_and_certificates_few_are_looked_at(issued: Certificate) -> None:
    own, authority = chain_of(issued)
    records = usable(Tlsa(DANE_TA, 0, 1, number.to_bytes(32)) for number in range(5000))
    requirement = Requirement(Insist.DANE, TlsLevel.DANE, (HOST,), records)
    assert len(records) == 100
    with pytest.raises(CertificateRefused):
        CertificateVerifier(issued.authority).assure(requirement, HOST, [own, *[authority] * 5000])
    session = of_session(
        TlsPolicy("remote.test"), requirement, host=HOST, mx_ip="", sending_ip="", had=Assurance(TlsLevel.DANE)
    )
    assert len(session[0].policy.string) == 50
