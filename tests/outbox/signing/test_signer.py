"""DKIM signatures: what is signed with which key, and what happens to a key that cannot be used."""

from __future__ import annotations

import subprocess
import time
from dataclasses import replace
from pathlib import Path

import dkim
import pytest
from onifast_outbox.signing.signer import Signer
from onifast_shared.db.database import Database
from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.dkim.keys import DkimKeyError, dns_record
from onifast_shared.machine.config import Settings
from onifast_shared.queue.store import Submission
from outbox.helpers import MESSAGE, Outbox

from fakes.dns import DnsServer
from fakes.smtp_server import ScriptedSmtpServer
from peers.dkim import verify

OURS = Submission("alice@here.test", "script")
"""What a script of the panel's queues."""


def openssl(settings: Settings, *arguments: str, file: str = dkim_keys.RSA_FILE, domain: str = "here.test") -> Path:
    """A key as an administrator makes one."""
    path = settings.certs_dir / domain / file
    path.parent.mkdir(exist_ok=True)
    subprocess.run(["openssl", *arguments, "-out", path], check=True, capture_output=True)
    return path


def publish(settings: Settings, dns: DnsServer, domain: str = "here.test") -> None:
    """The domain's keys in the DNS."""
    for key in dkim_keys.load(settings.certs_dir, domain, settings.dkim_selector):
        record = dns_record(key)
        dns.set(record.name, "TXT", record.value)


def verified(raw: bytes, dns: DnsServer, index: int = 0) -> bool:
    """Whether dkimpy's verifier, which computes by itself, finds a signature good."""

    def look_up(name: bytes, timeout: float = 5) -> bytes:
        answers = [record for key, records in dns._records.items() for record in records
                   if key.name.to_text() == name.decode() and key.rdtype.name == "TXT"]  # fmt: skip
        return b"".join(answers[0].strings)  # type: ignore[attr-defined]

    try:
        return bool(dkim.DKIM(raw).verify(index, dnsfunc=look_up))
    except dkim.ValidationError:
        return False


@pytest.mark.parametrize("form", ["-traditional", "-verbose"], ids=["PKCS#1", "PKCS#8"])
def test_a_key_of_openssl_signs_whatever_its_form(
    settings: Settings, database: Database, dns: DnsServer, form: str
) -> None:
    openssl(settings, "genrsa", form)
    publish(settings, dns)
    signed = Signer(settings, database).sign(MESSAGE, OURS)
    assert verified(signed.fields + MESSAGE, dns)


def test_the_signature_covers_what_must_not_be_added_or_changed(
    settings: Settings, database: Database, dns: DnsServer
) -> None:
    dkim_keys.generate(settings.certs_dir, "here.test")
    publish(settings, dns)
    signed = Signer(settings, database).sign(MESSAGE, OURS).fields + MESSAGE
    assert verified(signed, dns)
    assert verified(b"Received: from a by b\r\nX-Spam: no\r\n" + signed, dns)
    for name in (b"From", b"Subject", b"To", b"Cc", b"Date", b"Reply-To", b"Content-Type"):
        assert not verified(name + b": added\r\n" + signed, dns), name
    assert not verified(signed.replace(b"Hello Bob", b"Hello Eve"), dns)


def test_white_space_may_change_on_the_way(settings: Settings, database: Database, dns: DnsServer) -> None:
    dkim_keys.generate(settings.certs_dir, "here.test")
    publish(settings, dns)
    signed = Signer(settings, database).sign(MESSAGE, OURS).fields + MESSAGE
    assert verified(signed.replace(b"Subject: Hello", b"subject:   Hello ") + b"\r\n\r\n", dns)


@pytest.mark.parametrize("body", [b" " * 500_000 + b"x\r\n", b"\t \r\n x  y \r\n" * 20_000])
def test_white_space_without_end_is_signed_in_linear_time(
    settings: Settings, database: Database, dns: DnsServer, body: bytes
) -> None:
    dkim_keys.generate(settings.certs_dir, "here.test")
    publish(settings, dns)
    started = time.process_time()
    signed = Signer(settings, database).sign(MESSAGE + body, OURS).fields + MESSAGE + body
    assert time.process_time() - started < 2
    assert verified(signed, dns)


BODIES = (
    b"", b"\r\n", b"\r\n\r\n\r\n", b"no line end", b"blanks at the end \t", b" \t\r\n\r\n", b"a\r\n\r\n \r\n\t\r\n",
    b" two  \t words \r\n.\r\n..\r\n", b"\r\nfirst line empty\r\n", "näch\r\n".encode(), b"x" * 3000 + b"\r\n",
)  # fmt: skip
HEADS = (
    b"From: alice@here.test\r\n",
    b"from:alice@here.test\r\nSubject:\r\nTO:\r\n\tb@remote.test ,\r\n  c@remote.test\t \r\n",
    b"Subject: one\r\nSubject: two\r\nsubject: three\r\nFrom: alice@here.test\r\nList-Id: <l>\r\nList-Id: <m>\r\n",
    b"X-Odd!#$%&'*+^_`{|}~: y\r\nFrom: \xc3\xa4 <alice@here.test>\r\nSubject: a\x0b\x0cb : c; d=e\r\n",
    b"From: alice@here.test\r\nTo: " + b",\r\n ".join(b"r%d@remote.test" % n for n in range(50)) + b"\r\n",
)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("head", HEADS)
def test_dkimpy_finds_the_signature_of_odd_messages_good(
    settings: Settings, database: Database, dns: DnsServer, head: bytes, body: bytes
) -> None:
    openssl(settings, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
    publish(settings, dns)
    raw = head + b"\r\n" + body
    fields = Signer(settings, database).sign(raw, OURS).fields
    assert max(map(len, fields.split(b"\r\n"))) < 100
    # What is sent ends with a line end.
    assert verified(fields + raw + (b"" if raw.endswith(b"\r\n") else b"\r\n"), dns)


def test_a_line_without_a_colon_costs_no_more_than_its_length(settings: Settings, database: Database) -> None:
    dkim_keys.generate(settings.certs_dir, "here.test")
    raw = b"From: alice@here.test\r\n" + b"x" * 2_000_000 + b"\r\n\r\nbody\r\n"
    started = time.process_time()
    assert "malformed" in Signer(settings, database).sign(raw, OURS).problem
    assert time.process_time() - started < 2


def test_an_ed25519_key_adds_a_second_signature(settings: Settings, database: Database, dns: DnsServer) -> None:
    dkim_keys.generate(settings.certs_dir, "here.test")
    openssl(settings, "genpkey", "-algorithm", "ED25519", file=dkim_keys.ED25519_FILE)
    publish(settings, dns)
    signed = Signer(settings, database).sign(MESSAGE, OURS)
    assert signed.fields.count(b"DKIM-Signature:") == 2
    assert verified(signed.fields + MESSAGE, dns, 0)
    assert verified(signed.fields + MESSAGE, dns, 1)


def test_the_library_itself_stays_as_it_is(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    dkim_keys.generate(settings.certs_dir, "here.test")

    def fail(*_: object) -> None:
        raise AssertionError("RSA was computed in Python")

    monkeypatch.setattr(dkim, "RSASSA_PKCS1_v1_5_sign", fail)
    assert (
        Signer(settings, database)
        .sign(MESSAGE, OURS)
        .fields.startswith(b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;")
    )


@pytest.mark.parametrize(
    "raw",
    [b"", b"\r\n", b"Subject: no author\r\n\r\nx", b"From: a@[127.0.0.1]\r\n\r\nx", b"From: bob@keyless.test\r\n\r\nx"],
)
def test_a_message_of_no_domain_with_a_key_is_not_signed(settings: Settings, database: Database, raw: bytes) -> None:
    dkim_keys.generate(settings.certs_dir, "here.test")
    assert Signer(settings, database).sign(raw, OURS).fields == b""


@pytest.mark.parametrize("head", [b"From alice Mon\r\n", b"B\xc3\xa4d: x\r\n", b"no colon\r\n", b"X :y\r\n"])
def test_a_malformed_header_goes_unsigned_and_says_why(settings: Settings, database: Database, head: bytes) -> None:
    dkim_keys.generate(settings.certs_dir, "here.test")
    raw = b"From: alice@here.test\r\n" + head + b"Subject: x\r\n\r\nbody\r\n"
    signed = Signer(settings, database).sign(raw, OURS)
    assert signed.fields.startswith(b"DKIM-Signature") or "malformed" in signed.problem


@pytest.mark.parametrize("content", [b"not a key", b"", b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA"])
def test_a_bad_key_is_an_error_that_names_the_file(settings: Settings, database: Database, content: bytes) -> None:
    path = dkim_keys.generate(settings.certs_dir, "here.test").path
    path.write_bytes(content)
    with pytest.raises(DkimKeyError, match=r"here\.test/dkim_private\.pem"):
        Signer(settings, database).sign(MESSAGE, OURS)


def test_a_setting_lets_mail_with_a_bad_key_go_unsigned(settings: Settings, database: Database) -> None:
    dkim_keys.generate(settings.certs_dir, "here.test").path.write_bytes(b"not a key")
    signed = Signer(replace(settings, dkim_bad_key="unsigned"), database).sign(MESSAGE, OURS)
    assert (signed.fields, signed.domain) == (b"", "here.test")
    assert "dkim_private.pem" in signed.problem


async def test_mail_with_a_bad_key_waits_and_goes_out_signed_once_the_key_is_mended(outbox: Outbox) -> None:
    path = dkim_keys.generate(outbox.settings.certs_dir, "here.test").path
    good = path.read_bytes()
    path.write_bytes(b"not a key")
    with ScriptedSmtpServer(host="127.0.0.25", port=outbox.settings.outbound_port) as peer:
        await outbox.submit("bob@remote.test", "carol@here.test")
        await outbox.round()
        assert outbox.states() == {"bob@remote.test": "deferred", "carol@here.test": "sent"}
        assert str(path) in outbox.error("bob@remote.test")
        path.write_bytes(good)
        outbox.sql("UPDATE outbox SET next_attempt_ts = 0 WHERE status = 'deferred'")
        await outbox.round()
        (message,) = peer.messages
    assert message.data.startswith(b"DKIM-Signature: ")


@pytest.mark.peers
def test_opendkim_finds_the_signature_good(settings: Settings, database: Database, dns: DnsServer) -> None:
    dkim_keys.generate(settings.certs_dir, "here.test")
    publish(settings, dns)
    (signature,) = verify(Signer(settings, database).sign(MESSAGE, OURS).fields + MESSAGE, dns.address)
    assert (signature.result, signature.domain, signature.selector) == ("pass", "here.test", "mail")


def test_signing_takes_a_millisecond_or_so(settings: Settings, database: Database) -> None:
    dkim_keys.generate(settings.certs_dir, "here.test")
    signer = Signer(settings, database)
    signer.sign(MESSAGE, OURS)  # reads the key

    def seconds() -> float:
        began = time.perf_counter()
        signer.sign(MESSAGE, OURS)
        return time.perf_counter() - began

    # The best of many, for the machine may be busy. dkimpy's own RSA takes six milliseconds, checking a key 65.
    assert min(seconds() for _ in range(50)) < 0.005
