"""Rows that a script INSERTs with Debian's sqlite3 become messages like any other."""

from __future__ import annotations

import email
import email.policy

import pytest
from onifast_outbox.claiming.script_rows import UnusableRow, build
from onifast_shared.queue.scripts import ScriptRow
from outbox.helpers import Outbox


def row(
    sender: str = "shop@here.test", recipient: str = "bob@remote.test", subject: str = "s", body: str = "b"
) -> ScriptRow:
    return ScriptRow(1, sender, recipient, subject, body)


async def test_an_insert_of_the_contracts_columns_is_delivered(outbox: Outbox) -> None:
    outbox.sql(
        "INSERT INTO outbox (sender, recipient, subject, body) VALUES"
        " ('alice@here.test', 'carol@here.test', 'Grüße', '<!DOCTYPE html><p>Hällo</p>')"
    )
    await outbox.round()
    (raw,) = outbox.mail_of("carol")
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert message["Subject"] == "Grüße"
    assert message["Message-ID"] and message["Date"] and message["From"] == "alice@here.test"
    assert "<p>Hällo</p>" in message.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert outbox.sql("SELECT status, origin, owner FROM outbox") == ["sent|script|alice"]


async def test_several_recipients_become_several_rows(outbox: Outbox) -> None:
    outbox.sql(
        "INSERT INTO outbox (sender, recipient, subject, body) VALUES"
        " ('alice@here.test', 'Carol <carol@here.test>, alice@here.test; CAROL@here.test', 's', 'b')"
    )
    await outbox.round()
    assert outbox.sql("SELECT recipient, status FROM outbox ORDER BY id") == [
        "CAROL@here.test|sent",
        "alice@here.test|sent",
    ]
    assert (len(outbox.mail_of("carol")), len(outbox.mail_of("alice"))) == (1, 1)


async def test_an_unusable_row_fails_with_a_reason_and_holds_nobody_up(outbox: Outbox) -> None:
    outbox.sql(
        "INSERT INTO outbox (sender, recipient, subject, body) VALUES"
        " ('alice@here.test', 'carol@here.test, not an address', 's', 'b'), (NULL, 'carol@here.test', NULL, NULL),"
        " ('alice@here.test', '', 's', 'b'), ('alice@here.test', 'carol@here.test', 's', 'b')"
    )
    await outbox.round()
    assert outbox.sql("SELECT status FROM outbox ORDER BY id") == ["failed", "failed", "failed", "sent"]
    first, second, third = outbox.sql("SELECT last_error FROM outbox WHERE status = 'failed' ORDER BY id")
    assert "'not an address'" in first
    assert "sender" in second
    assert "recipient" in third


@pytest.mark.parametrize("sender", ["www-data", "www-data@localhost", "www-data@localhost.localdomain"])
def test_a_sender_without_a_domain_becomes_one_of_this_host(sender: str) -> None:
    built = build(row(sender=sender), "mail.host.test")
    assert built.sender == "www-data@mail.host.test"
    assert b"From: www-data@mail.host.test\r\n" in built.message


def test_a_senders_name_is_kept() -> None:
    built = build(row(sender='"Shop, Berlin" <shop@here.test>'), "mail.host.test")
    assert built.sender == "shop@here.test"
    assert b'From: "Shop, Berlin" <shop@here.test>\r\n' in built.message


def test_a_subject_cannot_add_header_fields() -> None:
    built = build(row(subject="Hello\r\nBcc: eve@evil.test\nX: y"), "mail.host.test")
    assert b"\nBcc:" not in built.message
    assert b"Subject: Hello Bcc: eve@evil.test X: y\r\n" in built.message


def test_who_writes_a_name_for_an_address_is_told_what_to_write() -> None:
    for sender in ("My Site", "My Site <>", "My Site <web site>"):
        with pytest.raises(UnusableRow) as refused:
            build(row(sender=sender), "mail.host.test")
        assert str(refused.value) == (
            f"sender {sender!r} is no address; write user@example.com, Name <user@example.com>, "
            "or a user name of this host, as www-data"
        )
    with pytest.raises(UnusableRow, match="recipient 'My Friend' is no address"):
        build(row(recipient="My Friend"), "mail.host.test")


@pytest.mark.parametrize("sender", ["", "a@b.test, c@d.test", "a b@c.test", "a@b..test", "a@b.test\r\nBcc: eve@x.test"])
def test_an_unusable_sender_is_refused(sender: str) -> None:
    with pytest.raises(UnusableRow, match="sender"):
        build(row(sender=sender), "mail.host.test")
