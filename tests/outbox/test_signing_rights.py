"""Whose mail a key signs: each way by which a message gets into the queue, and domains above the author's."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlite_shell
from onifast_outbox.signing.signer import Signed, Signer
from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import ForwardedMessage, ForwardedRecipient, IncomingMessage, LocalDelivery
from onifast_shared.db.database import Database
from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.machine.config import Settings
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address
from web.support import add_user

from fakes.smtp_server import ScriptedSmtpServer

from .helpers import Outbox, patience

Sign = Callable[..., Signed]


@pytest.fixture(autouse=True)
def keys(settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ann owns ann.test, Ben has an address there; both have keys, and so has the host."""
    monkeypatch.setattr(dkim_keys, "_NEW_RSA_BITS", 1024)
    for address, owner in (("ann@ann.test", "ann"), ("ben@ann.test", "ben"), ("ben@ben.test", "ben")):
        parsed = Address.parse(address)
        database.write(lambda tx, parsed=parsed, owner=owner: addresses.add(tx, parsed, owner))  # type: ignore[misc]
    for domain in ("ann.test", "ben.test", settings.hostname):
        dkim_keys.generate(settings.certs_dir, domain)
    for name in ("ann", "ben"):
        add_user(settings, name)
    add_user(settings, "chief", is_admin=True)


@pytest.fixture
def sign(settings: Settings, database: Database) -> Sign:
    """Signs a message with this From."""

    def make(author: str, *, origin: str = "smtp", **columns: str | None) -> Signed:
        raw = f"From: {author}\r\nSubject: x\r\n\r\nHello\r\n".encode()
        return Signer(settings, database).sign(raw, Submission(author, origin, **columns))  # type: ignore[arg-type]

    return make


OWN = [
    # who, From
    ({"submitted_by": "user:ann"}, "ann@ann.test"),
    ({"submitted_by": "user:ann"}, "anything@ann.test"),  # her domain
    ({"submitted_by": "user:ann"}, "ben@ann.test"),  # Ben's address, in her domain
    ({"submitted_by": "user:ben"}, "ben@ann.test"),  # their address, in her domain
    ({"submitted_by": "unix:ann", "owner": "ann"}, "ann@ann.test"),
    ({"submitted_by": "unix:ann"}, "ann@ann.test"),
    ({"submitted_by": "unix:root"}, "ben@ben.test"),
    ({"submitted_by": "user:chief"}, "ben@ben.test"),  # an administrator
    ({"submitted_by": "panel", "origin": "api"}, "ben@ben.test"),
    ({"origin": "script"}, "ben@ben.test"),
    ({"origin": "script", "owner": "ben"}, "ben@ben.test"),
    ({"origin": "bounce"}, "mailer-daemon@mail.host.test"),
    ({"submitted_by": "unix:www-data"}, "www-data@mail.host.test"),
    ({"submitted_by": "unix:ann"}, "ann@mail.host.test"),  # cron's mail
    ({"submitted_by": "127.0.0.1"}, "root@mail.host.test"),  # some program here
    ({"submitted_by": "::1"}, "postmaster@mail.host.test"),
    ({"origin": "forward", "submitted_by": "forward:ben@ben.test", "written_by": "user:ann"}, "ann@ann.test"),
    ({"origin": "forward", "submitted_by": "forward:ben@ben.test", "written_by": "panel"}, "ann@ann.test"),
]

FOREIGN = [
    ({"submitted_by": "user:ben"}, "ann@ann.test"),  # as `sender_ownership = warn` lets through
    ({"submitted_by": "user:ben"}, "nobody@ann.test"),
    ({"submitted_by": "user:nobody"}, "ann@ann.test"),
    ({"submitted_by": "user:ben", "owner": "ann"}, "ann@ann.test"),
    ({"submitted_by": "10.1.2.3"}, "ann@ann.test"),  # of `trusted_networks`
    ({"submitted_by": "10.1.2.3"}, "root@mail.host.test"),
    ({"submitted_by": "127.0.0.1"}, "ann@ann.test"),  # a program here, of nobody knows whom
    ({"submitted_by": "unix:ben", "owner": "ben"}, "ann@ann.test"),
    ({"submitted_by": "unix:nobody"}, "ann@ann.test"),
    ({"submitted_by": "unix:ben"}, "ann@mail.host.test"),
    ({"submitted_by": "user:ben"}, "root@mail.host.test"),
    ({"origin": "script", "owner": "ben"}, "ann@ann.test"),
    ({"origin": "forward", "submitted_by": "forward:ann@ann.test", "owner": "ann"}, "ann@ann.test"),
    (
        {"origin": "forward", "submitted_by": "forward:ann@ann.test", "owner": "ann", "written_by": "user:ben"},
        "ann@ann.test",
    ),
]


@pytest.mark.parametrize(("columns", "author"), OWN, ids=str)
def test_who_owns_the_address_or_its_domain_gets_a_signature(sign: Sign, columns: dict[str, str], author: str) -> None:
    signed = sign(author, **columns)
    assert signed.fields.startswith(b"DKIM-Signature"), signed
    assert f" d={author.partition('@')[2]};".encode() in signed.fields


@pytest.mark.parametrize(("columns", "author"), FOREIGN, ids=str)
def test_nobody_else_does_and_the_log_says_why(sign: Sign, columns: dict[str, str], author: str) -> None:
    signed = sign(author, **columns)
    assert signed.fields == b""
    assert author in signed.problem and author.partition("@")[2] in signed.problem


def test_a_user_that_runs_all_sites_signs_for_them_unless_the_setting_says_otherwise(
    settings: Settings, database: Database
) -> None:
    raw = b"From: ann@ann.test\r\nSubject: x\r\n\r\nHello\r\n"
    submission = Submission("ann@ann.test", "smtp", submitted_by="unix:www-data")
    assert Signer(settings, database).sign(raw, submission).fields
    apart = replace(settings, dkim_shared_users=())
    assert not Signer(apart, database).sign(raw, submission).fields


def test_a_user_file_that_cannot_be_read_makes_no_administrator(sign: Sign, settings: Settings) -> None:
    (settings.users_dir / "chief.json").write_text("no JSON")
    assert sign("ben@ben.test", submitted_by="user:chief").fields == b""


# Rows as they come to be


@pytest.fixture
def patient(outbox: Outbox) -> Outbox:
    """The deliverer, on a machine that may be busy."""
    outbox.reassemble(**patience(60.0), connect_timeout=60.0, dns_timeout=60.0)
    return outbox


async def test_a_scripts_row_with_somebody_elses_name_on_it_goes_out_unsigned(
    patient: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    for owner in ("NULL", "'ann'", "'ben'"):
        sqlite_shell.run(
            patient.db.path,
            "INSERT INTO outbox (sender, recipient, subject, body, owner)"
            f" VALUES ('ann@ann.test', 'bob@remote.test', 'as {owner.strip(chr(39))}', 'x', {owner});",
        )
    with (
        ScriptedSmtpServer(host="127.0.0.25", port=patient.settings.outbound_port) as peer,
        caplog.at_level(logging.WARNING),
    ):
        await patient.deliver_all()
        signed = {bytes(name): message.data.startswith(b"DKIM-Signature") for message in peer.messages
                  for name in (b"NULL", b"ann", b"ben") if b"as " + name in message.data}  # fmt: skip
    assert signed == {b"NULL": True, b"ann": True, b"ben": False}
    assert "unsigned" in caplog.text and "domain=ann.test" in caplog.text


async def test_what_began_here_and_is_forwarded_keeps_its_writers_signature(patient: Outbox) -> None:
    sqlite_shell.run(
        patient.db.path,
        "INSERT INTO mail_forwards (address, target, owner) VALUES ('ben@ben.test', 'bob@remote.test', 'ben');",
    )
    submission = Submission("ann@ann.test", "smtp", owner="ann", submitted_by="user:ann")
    raw = b"From: ann@ann.test\r\nSubject: x\r\n\r\nHello\r\n"
    await accept.asubmit(patient.db, raw, submission, [QueuedRecipient("ben@ben.test")])
    with ScriptedSmtpServer(host="127.0.0.25", port=patient.settings.outbound_port) as peer:
        await patient.deliver_all()
        (message,) = peer.messages
    assert message.data.startswith(b"DKIM-Signature: ") and b" d=ann.test;" in message.data


async def test_what_comes_from_elsewhere_and_is_forwarded_is_never_signed_as_its_author(patient: Outbox) -> None:
    passing = ForwardedRecipient(QueuedRecipient("bob@remote.test"), Address.parse("ann@ann.test"), "ann")
    onward = ForwardedMessage([passing], patient.settings, Submission("", "forward"))
    deliveries: list[LocalDelivery] = []
    raw = b"From: ann@ann.test\r\nSubject: forged\r\n\r\nHello\r\n"  # without our Authentication-Results
    await accept.deliver(patient.db, raw, IncomingMessage("ann@ann.test", deliveries, onward=onward))
    with ScriptedSmtpServer(host="127.0.0.25", port=patient.settings.outbound_port) as peer:
        await patient.deliver_all()
        (message,) = peer.messages
    assert b"DKIM-Signature" not in message.data


# Domains above the author's


@pytest.fixture
def parents(settings: Settings, database: Database) -> Sign:
    """Signs where parents may."""

    def make(author: str, submitted_by: str | None = "user:ann") -> Signed:
        raw = f"From: {author}\r\nSubject: x\r\n\r\nHello\r\n".encode()
        signer = Signer(replace(settings, dkim_parent_keys=True), database)
        return signer.sign(raw, Submission(author, "smtp", submitted_by=submitted_by))

    return make


def own(database: Database, domain: str, owner: str) -> None:
    sqlite_shell.run(database.path, f"INSERT INTO domains (domain, owner) VALUES ('{domain}', '{owner}');")


def test_a_subdomain_without_a_key_is_signed_by_its_parent_if_the_setting_says_so(sign: Sign, parents: Sign) -> None:
    assert sign("x@shop.ann.test", submitted_by="user:ann").fields == b""
    assert b" d=ann.test;" in parents("x@shop.ann.test").fields
    assert b" d=ann.test;" in parents("x@a.b.shop.ann.test").fields


def test_a_key_of_its_own_goes_first(parents: Sign, settings: Settings, database: Database) -> None:
    dkim_keys.generate(settings.certs_dir, "b.ann.test")
    own(database, "b.ann.test", "ann")
    assert b" d=b.ann.test;" in parents("x@b.ann.test").fields
    assert b" d=b.ann.test;" in parents("x@a.b.ann.test").fields


def test_who_has_a_subdomain_only_does_not_sign_as_the_parent(parents: Sign, database: Database) -> None:
    own(database, "shop.ann.test", "ben")
    assert parents("x@shop.ann.test", "user:ben").fields == b""


def test_no_domain_above_the_registered_one_signs(parents: Sign, settings: Settings, database: Database) -> None:
    for above in ("co.uk", "uk"):
        dkim_keys.generate(settings.certs_dir, above)
    assert parents("x@shop.example.co.uk", None).fields == b""
    dkim_keys.generate(settings.certs_dir, "example.co.uk")
    assert b" d=example.co.uk;" in parents("x@shop.example.co.uk", None).fields


def test_a_parent_whose_addresses_are_all_ones_own_is_ones_own(parents: Sign, database: Database) -> None:
    sqlite_shell.run(database.path, "DELETE FROM domains WHERE domain IN ('ann.test', 'ben.test');")
    assert parents("x@shop.ben.test", "user:ben").fields
    assert not parents("x@shop.ann.test", "user:ann").fields, "Ben has an address there"
