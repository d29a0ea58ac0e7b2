"""Signatures of every kind of key over every kind of message, verified by OpenDKIM, Mail::DKIM and `dkimverify`."""

from __future__ import annotations

import subprocess
import sys

import dkim
import pytest
from onifast_outbox.delivering.plain_header import mend_header
from onifast_outbox.delivering.preparing import Preparer
from onifast_outbox.signing.signer import Signer, signed_headers
from onifast_shared.db.database import Database
from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.machine.config import Settings
from onifast_shared.message.headers import split_head
from onifast_shared.message.parsing import summary
from onifast_shared.queue.store import Claim, QueueRow, Submission

from fakes.dns import DnsServer
from peers.dkim import verify, verify_by_mail_dkim

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
    "a space before a colon": HEAD.replace(b"Subject:", b"Subject :").replace(b"To:", b"To\t \t:") + b"\r\nHello\r\n",
    "VT and FF in a header": HEAD.replace(b"Hello", b"a\x0bb \x0c c\r\n \x0b\r\n\td") + b"\r\nHello\r\n",
    "a header that begins with FF": HEAD.replace(b"Hello", b"\x0cHello").replace(b"Alice", b"\x0bAlice")
    + b"\r\nHello\r\n",
    "a header that ends with VT": HEAD.replace(b"Hello", b"Hello \x0b\x0c") + b"\r\nHello\r\n",
    "a header of FF alone": HEAD.replace(b"Hello", b"\x0c") + b"\r\nHello\r\n",
    "VT and FF in the text": HEAD + b"\r\n\x0cpage 1\r\na\x0bb \x0c c\r\nend \x0c \r\n \x0b\r\n\x0c\r\npage 2\x0c\r\n",
    "FF at the end": HEAD + b"\r\nHello\r\n\x0c\r\n\r\n",
    "FF at the end without a line end": HEAD + b"\r\nHello\r\n \t\x0c",
    "other controls": HEAD.replace(b"Hello", b"a\x01\x1c \x1f\x7f \x85 \xa0")
    + b"\r\na\x01\x1c\x1f \r\n\x7f\x85 \xa0\r\n",
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
    submission = Submission("alice@here.test", "script")
    claim = Claim("token", 1, submission, (QueueRow(1, "bob@remote.test", 0, 0, None, None),))
    content = await Preparer(Signer(settings, database)).prepare(claim, raw)
    return content.data.replace(b"\r\n..", b"\r\n.")


def dkimverify(raw: bytes, dns: DnsServer, index: int) -> str:
    command = [sys.executable, "-c", DKIMVERIFY, dns.host, str(dns.port), "--index", str(index)]
    return subprocess.run(command, input=raw, capture_output=True, check=False).stdout.decode().strip()


def by_dkimpy(settings: Settings, raw: bytes, index: int) -> str:
    keys = map(dkim_keys.dns_record, dkim_keys.load(settings.certs_dir, "here.test", "mail"))
    records = {f"{record.name}.": record.value.encode() for record in keys}
    verified = dkim.DKIM(raw).verify(index, dnsfunc=lambda name, **_: records[name.decode()])
    return "pass" if verified else "fail"


async def test_names_and_blanks_in_a_header_are_written_as_they_should_be(
    settings: Settings, database: Database
) -> None:
    head = b"From : a@here.test\r\nSubject\t :\x0bone\x0c\r\n \x0b\r\n two\r\nX-Odd:a : b\r\n"
    text = b"\r\nText : \x0b\x0c\r\n \x0c\r\n"
    assert await sent(settings, database, head + text) == (
        b"From: a@here.test\r\nSubject: one \r\n two\r\nX-Odd:a : b\r\n" + text
    )


@pytest.mark.parametrize(
    "raw",
    [HEAD + b"\r\nHello\r\n", HEAD + b"\r\nSubject : \x0b\r\n", HEAD, b"\r\nHi : \x0c\r\n", b"Hi : \x0c\r\n", b""],
)
def test_a_header_that_is_well_stays_as_it_is(raw: bytes) -> None:
    assert mend_header(raw, unless_signed=False) is raw or raw == b"Hi : \x0c\r\n"


def test_what_somebody_else_has_signed_stays_as_it_is() -> None:
    raw = b"DKIM-Signature: v=1; d=remote.test\r\nSubject : x\x0c\r\n\r\nHello\r\n"
    assert mend_header(raw, unless_signed=True) is raw
    assert mend_header(raw, unless_signed=False) != raw


@pytest.mark.peers
async def test_every_verifier_finds_every_signature_good(
    settings: Settings, database: Database, dns: DnsServer, keys: str
) -> None:
    found = {}
    for name, raw in MESSAGES.items():
        message = await sent(settings, database, raw)
        for verifier in (verify, verify_by_mail_dkim):
            results = {signature.algorithm: signature.result for signature in verifier(message, dns.address)}
            found[name, verifier.__name__] = results.get("rsa-sha256"), results.get("ed25519-sha256")
        found[name, "dkimpy"] = by_dkimpy(settings, message, 0), by_dkimpy(settings, message, 1)
    assert {case: rsa for case, (rsa, _) in found.items()} == dict.fromkeys(found, "pass")
    # Debian's OpenDKIM and Mail::DKIM may know no Ed25519; then they say so, and never that a signature is wrong.
    assert not {ed for _, ed in found.values()} & {"fail"}
    for name in ("plain", "8 bits", "a header that ends with VT", "VT and FF in the text"):
        message = await sent(settings, database, MESSAGES[name])
        assert [dkimverify(message, dns, index) for index in (0, 1)] == ["signature ok"] * 2, name


@pytest.mark.peers
async def test_all_notice_what_was_changed_or_added(
    settings: Settings, database: Database, dns: DnsServer, keys: str
) -> None:
    message = await sent(settings, database, MESSAGES["plain"])
    for changed in (
        message.replace(b"Hello Bob", b"Hello Eve"),
        b"From: Eve <eve@here.test>\r\n" + message,
        b"Reply-To: eve@here.test\r\n" + message,
        message.replace(b"Subject: Hello", b"Subject: Hullo"),
    ):
        for verifier in (verify, verify_by_mail_dkim):
            assert all(signature.result != "pass" for signature in verifier(changed, dns.address))
        assert dkimverify(changed, dns, 0) != "signature ok"


def test_each_field_that_matters_is_signed_once_more_than_it_occurs() -> None:
    names = signed_headers(summary(split_head(MESSAGES["fields more than once"])[0]))
    expected = {"from": 2, "to": 2, "subject": 2, "date": 2, "cc": 2, "reply-to": 1, "list-unsubscribe": 1}
    assert {name: names.count(name) for name in expected} == expected
