"""Signatures of every kind of key over every kind of message, verified by OpenDKIM and by dkimpy's `dkimverify`."""

from __future__ import annotations

import subprocess
import sys

import pytest
from onifast_outbox.preparing import Preparer
from onifast_outbox.signing import Signer, signed_headers
from onifast_shared.config import Settings
from onifast_shared.db.database import Database
from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.message.headers import split_head
from onifast_shared.message.parsing import summary
from onifast_shared.queue.store import Claim, QueueRow, Submission

from fakes.dns import DnsServer
from peers.dkim import verify

HEAD = (
    b"From: Alice <alice@here.test>\r\nTo: bob@remote.test\r\nSubject: Hello\r\nMessage-ID: <1@here.test>\r\n"
    b"Date: Sat, 01 Nov 2025 10:00:00 +0000\r\nList-Unsubscribe: <https://here.test/u>\r\n"
)
MESSAGES = {
    "plain": HEAD + b"\r\nHello Bob,\r\n.\r\n.hidden\r\n",
    "an empty body": HEAD + b"\r\n",
    "no body": HEAD,
    "blank lines at the end": HEAD + b"\r\nHello\r\n" + b"\r\n" * 50,
    "only blank lines": HEAD + b"\r\n" + b" \t\r\n\r\n" * 20,
    "no end of line": HEAD + b"\r\nHello",
    "long lines": HEAD + b"X-Long: " + b"x " * 480 + b"\r\n\r\n" + b"y" * 998 + b"\r\n" + b"z " * 499 + b"\r\n",
    "8 bits": HEAD + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + "Grüße, 日本\r\n".encode(),
    "latin-1 in the header": HEAD.replace(b"Hello", b"Gr\xfc\xdfe") + b"\r\nHello\r\n",
    "SMTPUTF8": HEAD.replace(b"Alice", "Алиса".encode()).replace(b"bob@", "боб@".encode()) + b"\r\nHello\r\n",
    "bare line feeds": HEAD.replace(b"\r\n", b"\n") + b"\nHello\nBob\n",
    "a folded header": HEAD.replace(b"Hello", b"Hello\r\n\tand\r\n  more") + b"\r\nHello\r\n",
    "fields more than once": HEAD + b"Cc: a@b.test\r\nX-A: 1\r\nX-A: 2\r\nComments: 1\r\nComments: 2\r\n\r\nHello\r\n",
}

# `dkimverify`, as its package installs it, asking the DNS server of this test.
DKIMVERIFY = """\
import sys
import dns.resolver
from dkim.dkimverify import main
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers, resolver.port = [sys.argv[1]], int(sys.argv[2])
dns.resolver.default_resolver = resolver
del sys.argv[1:3]
main()
"""


def openssl(settings: Settings, file: str, command: str, *arguments: str) -> None:
    path = settings.certs_dir / "here.test" / file
    path.parent.mkdir(exist_ok=True)
    subprocess.run(["openssl", command, "-out", path, *arguments], check=True, capture_output=True)


@pytest.fixture(params=["PKCS#1", "PKCS#8"])
def keys(request: pytest.FixtureRequest, settings: Settings, dns: DnsServer) -> str:
    """An RSA key of openssl in either form, and an Ed25519 key; both published."""
    if request.param == "PKCS#1":
        openssl(settings, dkim_keys.RSA_FILE, "genrsa", "-traditional", "2048")
    else:
        openssl(settings, dkim_keys.RSA_FILE, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
    marker = (settings.certs_dir / "here.test" / dkim_keys.RSA_FILE).read_text()
    assert ("BEGIN RSA PRIVATE KEY" in marker) is (request.param == "PKCS#1")
    openssl(settings, dkim_keys.ED25519_FILE, "genpkey", "-algorithm", "ED25519")
    for key in dkim_keys.load(settings.certs_dir, "here.test", "mail"):
        record = dkim_keys.dns_record(key)
        dns.set(record.name, "TXT", record.value)
    return str(request.param)


async def sent(settings: Settings, database: Database, raw: bytes) -> bytes:
    """The message as a server gets it."""
    what = Submission("alice@here.test", "script")
    claim = Claim("token", 1, what, (QueueRow(1, "bob@remote.test", 0, 0, None, None),))
    content = await Preparer(Signer(settings, database)).prepare(claim, raw)
    return content.data.replace(b"\r\n..", b"\r\n.")


def dkimverify(raw: bytes, dns: DnsServer, index: int) -> str:
    command = [sys.executable, "-c", DKIMVERIFY, dns.host, str(dns.port), "--index", str(index)]
    return subprocess.run(command, input=raw, capture_output=True, check=False).stdout.decode().strip()


@pytest.mark.peers
async def test_opendkim_and_dkimverify_find_every_signature_good(
    settings: Settings, database: Database, dns: DnsServer, keys: str
) -> None:
    found = {}
    for name, raw in MESSAGES.items():
        message = await sent(settings, database, raw)
        by_opendkim = {signature.algorithm: signature.result for signature in verify(message, dns.address)}
        found[name] = by_opendkim["rsa-sha256"], by_opendkim.get("ed25519-sha256")
    assert {name: rsa for name, (rsa, _) in found.items()} == dict.fromkeys(MESSAGES, "pass")
    # Debian's OpenDKIM may know no Ed25519; then it says so, and never that a signature is wrong.
    assert not {ed for _, ed in found.values()} & {"fail"}
    for name in ("plain", "8 bits"):
        message = await sent(settings, database, MESSAGES[name])
        assert [dkimverify(message, dns, index) for index in (0, 1)] == ["signature ok"] * 2, name


@pytest.mark.peers
async def test_both_notice_what_was_changed_or_added(
    settings: Settings, database: Database, dns: DnsServer, keys: str
) -> None:
    message = await sent(settings, database, MESSAGES["plain"])
    for changed in (
        message.replace(b"Hello Bob", b"Hello Eve"),
        b"From: Eve <eve@here.test>\r\n" + message,
        b"Reply-To: eve@here.test\r\n" + message,
        message.replace(b"Subject: Hello", b"Subject: Hullo"),
    ):
        assert all(signature.result != "pass" for signature in verify(changed, dns.address))
        assert dkimverify(changed, dns, 0) != "signature ok"


def test_each_field_that_matters_is_signed_once_more_than_it_occurs() -> None:
    names = signed_headers(summary(split_head(MESSAGES["fields more than once"])[0]))
    expected = {"from": 2, "to": 2, "subject": 2, "date": 2, "cc": 2, "reply-to": 1, "list-unsubscribe": 1}
    assert {name: names.count(name) for name in expected} == expected
