"""Whose mail goes over a connection that DANE made good for one domain."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from fakes.certificates import Authority, Certificate
from fakes.smtp_server import ScriptedSmtpServer

from .helpers import Outbox

HOST = "mx.remote.test"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """One that gives anybody a certificate for their own domain, and that the exchanger's TLSA record names."""
    return Authority(tmp_path)


def sign_zones(outbox: Outbox, certificate: Certificate) -> None:
    """Two domains have the exchanger, as a validating resolver tells."""
    issuer = x509.load_pem_x509_certificates(certificate.chain.read_bytes())[1]
    digest = hashlib.sha256(issuer.public_bytes(Encoding.DER)).hexdigest()
    outbox.dns.validates = True
    outbox.dns.set("also.test", "MX", f"10 {HOST}")
    outbox.dns.set(f"_{outbox.settings.outbound_port}._tcp.{HOST}", "TLSA", f"2 0 1 {digest}")
    outbox.reassemble()


@pytest.mark.parametrize(
    ("names", "states", "connections"),
    [
        ((HOST,), ["sent", "sent"], 1),
        (("remote.test",), ["sent", "deferred"], 2),
    ],
    ids=["the host's", "one domain's"],
)
async def test_a_certificate_for_one_domain_lets_no_other_domains_mail_pass(
    outbox: Outbox, authority: Authority, names: tuple[str, ...], states: list[str], connections: int
) -> None:
    certificate = authority.issue(*names)
    sign_zones(outbox, certificate)
    context = certificate.server_context()
    with ScriptedSmtpServer(host="127.0.0.25", port=outbox.settings.outbound_port, tls=context) as peer:
        for recipient in ("bob@remote.test", "bob@also.test"):
            await outbox.submit(recipient)
            await outbox.round()
        await outbox.program.connections.close()
        assert len(peer.sessions) == connections
    assert list(outbox.states().values()) == states
