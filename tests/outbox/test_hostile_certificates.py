"""Whatever a server shows as a certificate is judged: it never is an error of ours."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from itertools import islice

import pytest
from onifast_outbox.tls_policy.certificates import CertificateRefused, Judge
from onifast_outbox.tls_policy.requirement import OPPORTUNISTIC, Insist, Requirement, TlsLevel
from onifast_outbox.tls_policy.tlsa import DANE_EE, DANE_TA, Tlsa

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
    judge, (own, authority) = Judge(issued.authority), chain_of(issued)
    for der in islice(damaged(own), share, None, 4):
        assurance = judge.assure(OPPORTUNISTIC, HOST, [der, authority])
        assert assurance.level is TlsLevel.VERIFIED or assurance.trouble is not None
        with pytest.raises(CertificateRefused):
            judge.assure(NONE_OF_THESE, HOST, [der, authority])


def test_an_authority_of_a_version_that_nobody_knows_is_passed_over(issued: Certificate) -> None:
    own, authority = chain_of(issued)
    version = authority.index(bytes.fromhex("a003020102")) + 4
    odd = authority[:version] + b"\x07" + authority[version + 1 :]
    assert Judge(issued.authority).assure(OPPORTUNISTIC, HOST, [own, odd]).level is TlsLevel.VERIFIED
