"""Delivery status notifications: who gets one, and what it says to people and to machines."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_outbox import dsn
from onifast_outbox.dsn import Fate, Returned
from onifast_outbox.reasons import explain
from onifast_shared.address import Address
from onifast_shared.envelope import Recipient
from onifast_shared.reply import Deferred, Delivered, Failed, Reply, Trail

from .helpers import MESSAGE

ALICE = Address.parse("alice@here.test")
BOB = Recipient(Address.parse("bob@remote.test"))
THERE = Trail("mx.remote.test", "127.0.0.25", 25)
GONE = Failed(Reply(550, "5.1.1", "no Bob\nhere"), THERE)
NOW = 1_700_000_000


def notice(returned: Returned, *fates: Fate) -> EmailMessage:
    """The notification, as the standard library reads it."""
    raw = dsn.build(returned, fates or [Fate(BOB, GONE, 1)], hostname="mail.host.test", now=NOW)
    assert b"\n" not in raw.replace(b"\r\n", b"")
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    assert not parsed.defects
    return parsed


def parts(message: EmailMessage) -> tuple[str, list[EmailMessage], EmailMessage]:
    """The text, the groups of the delivery status, and the original."""
    text, status, original = message.iter_parts()
    assert isinstance(text, EmailMessage)
    assert isinstance(original, EmailMessage)
    groups = [part for part in status.walk() if part is not status]
    return text.get_content(), groups, original  # type: ignore[return-value]


def test_it_says_what_happened_what_to_do_and_what_the_server_said() -> None:
    text, _, _ = parts(notice(Returned(MESSAGE, ALICE, NOW - 3600)))
    assert "Your message could not be delivered to bob@remote.test." in text
    assert "The recipient's server refused this because there is no such mailbox." in text
    assert "What you can do: Check the address, above all the part before the @" in text
    assert "550 5.1.1 no Bob here" in text
    assert "mx.remote.test" in text
    assert "Subject: Hello" in text


def test_it_is_an_rfc_3464_report_from_nobody() -> None:
    message = notice(Returned(MESSAGE, ALICE, NOW - 3600, envid="QQ+2B1"))
    assert message.get_content_type() == "multipart/report"
    assert message["Content-Type"].params["report-type"] == "delivery-status"
    assert message["From"] == "Mail Delivery System <MAILER-DAEMON@mail.host.test>"
    assert message["To"] == "alice@here.test"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["In-Reply-To"] == "<1@here.test>"
    _, (about, person), original = parts(message)
    assert about["Reporting-MTA"] == "dns; mail.host.test"
    assert about["Original-Envelope-Id"] == "QQ+1"
    assert person["Final-Recipient"] == "rfc822; bob@remote.test"
    assert (person["Action"], person["Status"]) == ("failed", "5.1.1")
    assert person["Remote-MTA"] == "dns; mx.remote.test"
    assert person["Diagnostic-Code"] == "smtp; 550 5.1.1 no Bob here"
    assert original.get_content_type() == "text/rfc822-headers"
    assert "Subject: Hello" in original.get_content()
    assert "Hello Bob" not in original.get_content()


def test_ret_full_returns_the_whole_message_unless_it_is_large() -> None:
    _, _, original = parts(notice(Returned(MESSAGE, ALICE, NOW, ret="FULL")))
    assert original.get_content_type() == "message/rfc822"
    assert "Hello Bob" in original.as_string()
    _, _, original = parts(notice(Returned(MESSAGE + b"x\r\n" * 100_000, ALICE, NOW, ret="FULL")))
    assert original.get_content_type() == "text/rfc822-headers"


def test_the_original_recipient_is_given_as_the_sender_wrote_it() -> None:
    aliased = Recipient(BOB.address, orcpt="rfc822;Bob+2BSales@remote.test")
    _, (_, person), _ = parts(notice(Returned(MESSAGE, ALICE, NOW), Fate(aliased, GONE, 1)))
    assert person["Original-Recipient"] == "rfc822; Bob+Sales@remote.test"


def test_an_internationalised_recipient_stays_within_seven_bits() -> None:
    recipient = Recipient(Address.parse("jürgen@remote.test"))
    _, (_, person), _ = parts(notice(Returned(MESSAGE, ALICE, NOW), Fate(recipient, GONE, 1)))
    assert person["Final-Recipient"] == r"utf-8; j\x{FC}rgen@remote.test"


def test_success_says_whether_the_next_server_has_it() -> None:
    relayed = Delivered(Reply(250, "2.0.0", "ok"), THERE)
    local = Delivered(Reply(250, "2.1.5", "delivered"))
    message = notice(Returned(MESSAGE, ALICE, NOW), Fate(BOB, relayed, 1), Fate(BOB, local, 1))
    text, (_, first, second), _ = parts(message)
    assert (first["Action"], second["Action"]) == ("relayed", "delivered")
    assert message["Subject"] == "Your message was delivered"
    assert "Your message was delivered to bob@remote.test." in text


@pytest.mark.parametrize(
    ("sender", "notify", "outcome", "wanted"),
    [
        (ALICE, None, GONE, True),
        (ALICE, "FAILURE", GONE, True),
        (ALICE, "SUCCESS", GONE, False),
        (ALICE, "NEVER", GONE, False),
        (None, None, GONE, False),
        (None, "FAILURE", GONE, False),
        (ALICE, None, Delivered(Reply(250, "", "ok")), False),
        (ALICE, "SUCCESS", Delivered(Reply(250, "", "ok")), True),
        (ALICE, None, Deferred(Reply(450, "", "wait")), False),
    ],
)
def test_who_is_told_of_what(
    sender: Address | None, notify: str | None, outcome: Failed | Delivered | Deferred, wanted: bool
) -> None:
    assert dsn.is_wanted(sender, Recipient(BOB.address, notify), outcome) is wanted


@given(raw=st.binary(max_size=300), text=st.text(max_size=100), orcpt=st.text(max_size=60), envid=st.text(max_size=60))
def test_nothing_that_others_wrote_can_break_the_report(raw: bytes, text: str, orcpt: str, envid: str) -> None:
    fate = Fate(Recipient(BOB.address, orcpt=orcpt or None), Failed(Reply(550, "5.7.1", text), THERE), 2)
    for ret in ("FULL", "HDRS"):
        returned = Returned(raw, ALICE, NOW, ret=ret, envid=envid or None)
        built = dsn.build(returned, [fate], hostname="mail.host.test", now=NOW)
        assert built.count(b"\r") == built.count(b"\n") == built.count(b"\r\n")
        parsed = email.message_from_bytes(built)
        groups = [part for part in parsed.walk() if part["Final-Recipient"]]
        assert [group["Action"] for group in groups] == ["failed"]


def test_an_unknown_code_points_to_the_servers_own_words() -> None:
    assert explain(Reply(599, "", "odd")) == explain(Reply(550, "5.9.9", "odd"))
    assert explain(Reply(552, "5.2.2", "full")).what == "The recipient's mailbox is full."
