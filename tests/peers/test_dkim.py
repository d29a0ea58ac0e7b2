"""OpenDKIM as verifier, of what dkimpy signed."""

import base64
from collections.abc import Iterator

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from fakes.dns import DnsServer
from peers.dkim import Signature, verify

pytestmark = pytest.mark.peers

MESSAGE = (
    b"From: Sender <sender@example.test>\r\nTo: recipient@remote.test\r\nSubject: signed\r\n"
    b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n\r\nfirst line\r\nsecond line\r\n"
)


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def dns(rsa_key: rsa.RSAPrivateKey) -> Iterator[DnsServer]:
    public = rsa_key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with DnsServer({"mail._domainkey.example.test": {"TXT": f"v=DKIM1; k=rsa; p={in_base64(public)}"}}) as server:
        yield server


@pytest.fixture
def signed(rsa_key: rsa.RSAPrivateKey) -> bytes:
    pem = rsa_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    signature: bytes = dkim.sign(MESSAGE, b"mail", b"example.test", pem, canonicalize=(b"relaxed", b"relaxed"))
    return signature + MESSAGE


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_a_good_signature_passes(signed: bytes, dns: DnsServer) -> None:
    assert verify(signed, dns.address) == [Signature("pass", "example.test", "mail", "rsa-sha256")]
    assert dns.asked("mail._domainkey.example.test", "TXT") == 1


def test_line_ends_of_a_unix_mailbox_are_fine(signed: bytes, dns: DnsServer) -> None:
    [signature] = verify(signed.replace(b"\r\n", b"\n"), dns.address)
    assert signature.result == "pass"


@pytest.mark.parametrize("change", [(b"first line", b"First line"), (b"Subject: signed", b"Subject: resigned")])
def test_a_changed_message_fails(signed: bytes, dns: DnsServer, change: tuple[bytes, bytes]) -> None:
    [signature] = verify(signed.replace(*change), dns.address)
    assert signature.result == "fail"
    assert "verification failed" in signature.reason or "bad" in signature.reason


def test_a_signature_whose_key_is_not_in_the_dns_fails(signed: bytes, dns: DnsServer) -> None:
    dns.remove("mail._domainkey.example.test")
    [signature] = verify(signed, dns.address)
    assert (signature.result, signature.reason) == ("fail", "key not found in DNS")


def test_a_message_without_signature_has_none(dns: DnsServer) -> None:
    assert verify(MESSAGE, dns.address) == []


def test_each_of_two_signatures_has_its_result(signed: bytes, dns: DnsServer) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    dns.set(
        "ed._domainkey.example.test", "TXT", f"v=DKIM1; k=ed25519; p={in_base64(key.public_key().public_bytes_raw())}"
    )
    second: bytes = dkim.sign(
        signed,
        b"ed",
        b"example.test",
        in_base64(key.private_bytes_raw()).encode(),
        signature_algorithm=b"ed25519-sha256",
    )
    signatures = {signature.algorithm: signature for signature in verify(second + signed, dns.address)}
    assert signatures["rsa-sha256"].result == "pass"
    assert signatures["ed25519-sha256"].result == "pass"
