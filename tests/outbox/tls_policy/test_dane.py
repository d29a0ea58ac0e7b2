"""DANE (RFC 7672) against real DNSSEC: zones that Knot DNS signs, validated by Unbound."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from onifast_shared.accepting import accept
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.queue.store import QueuedRecipient, Submission
from outbox.helpers import MESSAGE, Outbox, start

from fakes.certificates import Authority, Certificate
from fakes.dns import DnsServer
from fakes.smtp_server import ScriptedSmtpServer
from peers.dnssec import Dnssec
from peers.ports import free_port

pytestmark = pytest.mark.peers

WRONG = "00" * 32


@dataclass(frozen=True)
class World:
    """Zones, and the certificate of every mail server in them; they all listen on one port of 127.0.0.25."""

    dns: Dnssec
    certificate: Certificate
    port: int


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Each name in signed.test is a domain that has its exchanger, TLSA records and all, in the zone."""
    certificate = Authority(tmp_path_factory.mktemp("authority")).issue("mx-authority.signed.test")
    port = free_port("127.0.0.25")
    key, issuer = _digests(certificate)
    records = {
        "good": [f"3 1 1 {key}"],
        "one-of-two": [f"3 1 1 {WRONG}", f"3 1 1 {key}"],
        "authority": [f"2 0 1 {issuer}"],
        "other-name": [f"2 0 1 {issuer}"],
        "wrong": [f"3 1 1 {WRONG}"],
        "unusable": [f"0 0 1 {WRONG}", f"1 1 1 {key}", "3 1 9 00"],
        "none": [],
    }
    signed = "\n".join(_domain(name, port, tlsa) for name, tlsa in records.items())
    signed += "\naway MX 10 mx.plain.test.\nalias MX 10 mx-alias\nmx-alias CNAME mx-good\nitself A 127.0.0.25\n"
    signed += f"_{port}._tcp.itself TLSA 3 1 1 {WRONG}"
    plain = f"@ MX 10 mx\nmx A 127.0.0.25\n_{port}._tcp.mx TLSA 3 1 1 {WRONG}"
    forged = f"@ MX 10 mx\nmx A 127.0.0.25\n_{port}._tcp.mx TLSA 3 1 1 {key}"
    changes = [(key, WRONG)]
    with Dnssec(
        {"signed.test": signed}, unsigned={"plain.test": plain}, forged={"forged.test": (forged, changes)}
    ) as dns:
        yield World(dns, certificate, port)


def _digests(certificate: Certificate) -> tuple[str, str]:
    own, issuer = x509.load_pem_x509_certificates(certificate.chain.read_bytes())
    key = own.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key).hexdigest(), hashlib.sha256(issuer.public_bytes(Encoding.DER)).hexdigest()


def _domain(name: str, port: int, tlsa: list[str]) -> str:
    lines = [f"{name} MX 10 mx-{name}", f"mx-{name} A 127.0.0.25"]
    return "\n".join(lines + [f"_{port}._tcp.mx-{name} TLSA {record}" for record in tlsa])


@pytest.fixture
async def sender(settings: Settings, database: Database, world: World, dns: DnsServer) -> Outbox:
    """A deliverer that asks Unbound."""
    chosen = replace(
        settings,
        dns_servers=((world.dns.host, world.dns.port),),
        dns_timeout=20.0,
        outbound_port=world.port,
        file_copies=False,
    )
    return start(chosen, database, dns)


async def deliver(sender: Outbox, world: World, domain: str, *, tls: bool = True, requiretls: bool = False) -> str:
    """One message to the domain: what became of it, and the level of its connection or the error."""
    extensions = ("8BITMIME", "REQUIRETLS")
    context = world.certificate.server_context() if tls else None
    with ScriptedSmtpServer(host="127.0.0.25", port=world.port, tls=context, extensions=extensions):
        submission = Submission(sender="alice@here.test", origin="smtp", requiretls=requiretls)
        await accept.asubmit(sender.db, MESSAGE, submission, [QueuedRecipient(f"bob@{domain}")])
        await sender.round()
        await sender.program.connections.close()
    (status,) = sender.sql("SELECT status FROM outbox")
    if status != "sent":
        return f"{status}: {sender.error(f'bob@{domain}')}"
    return sender.sql("SELECT tls_level FROM delivery_attempts WHERE outcome = 'delivered'")[0]


@pytest.mark.parametrize(
    ("domain", "level"),
    [
        ("good.signed.test", "dane"),
        ("one-of-two.signed.test", "dane"),
        ("authority.signed.test", "dane"),
        ("alias.signed.test", "dane"),
        ("unusable.signed.test", "encrypted"),
        ("none.signed.test", "encrypted"),
        ("away.signed.test", "encrypted"),
        ("plain.test", "encrypted"),
    ],
)
async def test_what_the_zone_proves_is_what_counts(sender: Outbox, world: World, domain: str, level: str) -> None:
    assert await deliver(sender, world, domain) == level


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        ("wrong.signed.test", "no TLSA record matches the server's certificates"),
        ("itself.signed.test", "no TLSA record matches the server's certificates"),
        ("other-name.signed.test", "the certificate is not good for the name mx-other-name.signed.test"),
        ("forged.test", "cannot be had, or are forged (DNSSEC)"),
    ],
)
async def test_what_does_not_match_waits(sender: Outbox, world: World, domain: str, words: str) -> None:
    became = await deliver(sender, world, domain)
    assert became.startswith("deferred: 451 4.7.5")
    assert words in became


@pytest.mark.parametrize("domain", ["good.signed.test", "unusable.signed.test"])
async def test_nothing_goes_in_clear_text_where_there_are_records(sender: Outbox, world: World, domain: str) -> None:
    became = await deliver(sender, world, domain, tls=False)
    assert became.startswith("deferred: 451 4.7.4")
    assert "does not offer STARTTLS, and the TLSA records of" in became


@pytest.mark.parametrize("domain", ["none.signed.test", "away.signed.test", "plain.test"])
async def test_elsewhere_clear_text_will_do(sender: Outbox, world: World, domain: str) -> None:
    assert await deliver(sender, world, domain, tls=False) == "none"


async def test_records_prove_enough_for_requiretls(sender: Outbox, world: World) -> None:
    assert await deliver(sender, world, "good.signed.test", requiretls=True) == "dane"


async def test_requiretls_is_not_had_without_them(sender: Outbox, world: World) -> None:
    assert (await deliver(sender, world, "none.signed.test", requiretls=True)).startswith("deferred: 451 4.7.5")


@pytest.mark.parametrize(
    ("domain", "results"),
    [
        ("good.signed.test", ["tlsa||mx-good.signed.test"]),
        ("wrong.signed.test", ["tlsa|validation-failure|mx-wrong.signed.test"]),
        ("other-name.signed.test", ["tlsa|certificate-host-mismatch|mx-other-name.signed.test"]),
        ("unusable.signed.test", ["tlsa|tlsa-invalid|mx-unusable.signed.test"]),
        ("forged.test", ["tlsa|dnssec-invalid|mx.forged.test"]),
        ("plain.test", ["no-policy-found||mx.plain.test"]),
    ],
)
async def test_a_report_will_say_so(sender: Outbox, world: World, domain: str, results: list[str]) -> None:
    await deliver(sender, world, domain)
    await sender.program.policies.flush()
    assert sender.sql("SELECT policy_type, result, mx_host FROM tls_results") == results


async def test_a_resolver_that_is_not_believed_makes_no_dane(sender: Outbox, world: World) -> None:
    sender.reassemble(dnssec="off")
    assert await deliver(sender, world, "wrong.signed.test") == "encrypted"
