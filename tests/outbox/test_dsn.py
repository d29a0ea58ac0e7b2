"""Delivery status notifications: who gets one, and what it says to people and to machines."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage

import pytest
from flufl.bounce import all_failures
from hypothesis import given
from hypothesis import strategies as st
from onifast_outbox import dsn
from onifast_outbox.dsn import RecipientFate, ReturnedMessage
from onifast_outbox.reasons import LAST_ANSWER, explain
from onifast_shared.values.address import Address
from onifast_shared.values.envelope import Recipient
from onifast_shared.values.reply import Deferred, Delivered, Failed, Reply, Trail

from .helpers import MESSAGE

ALICE = Address.parse("alice@here.test")
BOB = Recipient(Address.parse("bob@remote.test"))
THERE = Trail("mx.remote.test", "127.0.0.25", 25)
GONE = Failed(Reply(550, "5.1.1", "no Bob\nhere"), THERE)
LATE = Deferred(Reply(451, "4.3.0", "try again later"), Trail("mx.remote.test", "127.0.0.25", 25))
NOW = 1_700_000_000
NOBODY: frozenset[bytes] = frozenset()


def notice(returned: ReturnedMessage, *fates: RecipientFate) -> EmailMessage:
    """The notification, as the standard library reads it."""
    raw = dsn.build(returned, fates or [RecipientFate(BOB, GONE, 1)], hostname="mail.host.test", now=NOW)
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
    return text.get_content().replace("\r\n", "\n"), groups, original  # type: ignore[return-value]


def test_it_says_what_happened_what_to_do_and_what_the_server_said() -> None:
    text, _, _ = parts(notice(ReturnedMessage(MESSAGE, ALICE, NOW - 3600)))
    assert "Your message could not be delivered to bob@remote.test." in text
    assert "The recipient's server refused this because there is no such mailbox." in text
    assert "What you can do: Check the address, above all the part before the @" in text
    assert "550 5.1.1 no Bob here" in text
    assert "mx.remote.test" in text
    assert "Subject: Hello" in text


def test_it_is_an_rfc_3464_report_from_nobody() -> None:
    message = notice(ReturnedMessage(MESSAGE, ALICE, NOW - 3600, envid="QQ+2B1"))
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
    _, _, original = parts(notice(ReturnedMessage(MESSAGE, ALICE, NOW, ret="FULL")))
    assert original.get_content_type() == "message/rfc822"
    assert "Hello Bob" in original.as_string()
    _, _, original = parts(notice(ReturnedMessage(MESSAGE + b"x\r\n" * 100_000, ALICE, NOW, ret="FULL")))
    assert original.get_content_type() == "text/rfc822-headers"


def test_what_has_lines_too_long_for_mail_is_returned_by_its_header() -> None:
    _, _, original = parts(notice(ReturnedMessage(MESSAGE + b"x" * 2000 + b"\r\n", ALICE, NOW, ret="FULL")))
    assert original.get_content_type() == "text/rfc822-headers"


def test_ret_full_is_about_failures_alone() -> None:
    arrived = Delivered(Reply(250, "2.1.5", "delivered"))
    for outcome in (arrived, LATE):
        _, _, original = parts(notice(ReturnedMessage(MESSAGE, ALICE, NOW, ret="FULL"), RecipientFate(BOB, outcome, 1)))
        assert original.get_content_type() == "text/rfc822-headers"


def test_a_delay_is_told_with_its_end_and_that_nothing_need_be_done() -> None:
    fate = RecipientFate(BOB, LATE, 6, tried=NOW - 60, until=NOW + 86400, queue_id="k3v9")
    message = notice(ReturnedMessage(MESSAGE, ALICE, NOW - 14400, envid="QQ1"), fate)
    text, (about, person), _ = parts(message)
    assert message["Subject"] == "Your message is delayed"
    assert "Your message has not reached bob@remote.test yet." in text
    assert "You need not do anything, nor send it again: it will be tried until 15 November 2023, 22:13 UTC." in text
    assert "It was tried 6 times so far. The last answer (said by mx.remote.test" in text
    assert about["Original-Envelope-Id"] == "QQ1"
    assert (person["Action"], person["Status"]) == ("delayed", "4.3.0")
    assert person["Last-Attempt-Date"] == "Tue, 14 Nov 2023 22:12:20 +0000"
    assert person["Will-Retry-Until"] == "Wed, 15 Nov 2023 22:13:20 +0000"
    assert person["Final-Log-ID"] == "k3v9"


def test_a_delay_that_somebody_can_end_says_how() -> None:
    full = Deferred(Reply(452, "4.2.2", "mailbox full"), LATE.trail)
    text, _, _ = parts(notice(ReturnedMessage(MESSAGE, ALICE, NOW - 14400), RecipientFate(BOB, full, 6, until=NOW)))
    assert "What would help: Ask the recipient" in text
    assert "You need not send it again: it will be tried until" in text


def test_what_is_given_up_shows_the_servers_own_last_answer() -> None:
    given_up = Failed(Reply(554, "5.4.7", f"given up after 120 hours; {LAST_ANSWER}{LATE.reply}"), LATE.trail)
    fate = RecipientFate(BOB, given_up, 41, said=LATE.reply, tried=NOW)
    text, (_, person), _ = parts(notice(ReturnedMessage(MESSAGE, ALICE, NOW - 5 * 86400), fate))
    assert "The message could not be delivered in time." in text
    assert "What you can do: Try again later, or reach the recipient in another way." in text
    assert "It was tried 41 times in 5 days and will not be tried again. The last answer (said by" in text
    assert (person["Action"], person["Status"]) == ("failed", "5.4.7")
    assert person["Diagnostic-Code"] == "smtp; 451 4.3.0 try again later"


def test_what_this_server_says_itself_is_no_smtp_diagnostic() -> None:
    here = Failed(Reply(550, "5.1.1", "there is no mailbox bob here"))
    _, (_, person), _ = parts(notice(ReturnedMessage(MESSAGE, ALICE, NOW), RecipientFate(BOB, here, 1)))
    assert person["Diagnostic-Code"] == "x-onifast; 550 5.1.1 there is no mailbox bob here"
    assert person["Remote-MTA"] is None


def test_what_was_not_tried_says_so_and_why() -> None:
    reason = ("It was not sent, since it bounced before.", "Lift the suppression.")
    fate = RecipientFate(BOB, Failed(Reply(550, "5.1.1", "not sent")), 0, reason=reason, outlook="One more thing.")
    text, _, _ = parts(notice(ReturnedMessage(MESSAGE, ALICE, NOW), fate))
    assert "It was not sent, since it bounced before.\nWhat you can do: Lift the suppression.\nOne more thing." in text
    assert "It was not tried. The reason that this server noted:\n    550 5.1.1 not sent" in text


def test_an_independent_parser_tells_failures_delays_and_arrivals_apart() -> None:
    carl = Recipient(Address.parse("Carl.O'Neil@other.test"))
    failed = notice(ReturnedMessage(MESSAGE, ALICE, NOW), RecipientFate(BOB, GONE, 1), RecipientFate(carl, GONE, 1))
    assert all_failures(failed) == (NOBODY, frozenset((b"bob@remote.test", b"Carl.O'Neil@other.test")))
    assert all_failures(notice(ReturnedMessage(MESSAGE, ALICE, NOW), RecipientFate(BOB, LATE, 1))) == (
        frozenset((b"bob@remote.test",)),
        NOBODY,
    )
    arrived = RecipientFate(BOB, Delivered(Reply(250, "2.1.5", "delivered")), 1)
    assert all_failures(notice(ReturnedMessage(MESSAGE, ALICE, NOW), arrived)) == (NOBODY, NOBODY)


def test_the_original_recipient_is_given_as_the_sender_wrote_it() -> None:
    aliased = Recipient(BOB.address, orcpt="rfc822;Bob+2BSales@remote.test")
    _, (_, person), _ = parts(notice(ReturnedMessage(MESSAGE, ALICE, NOW), RecipientFate(aliased, GONE, 1)))
    assert person["Original-Recipient"] == "rfc822; Bob+Sales@remote.test"


def test_an_internationalised_recipient_stays_within_seven_bits() -> None:
    recipient = Recipient(Address.parse("jürgen@remote.test"))
    _, (_, person), _ = parts(notice(ReturnedMessage(MESSAGE, ALICE, NOW), RecipientFate(recipient, GONE, 1)))
    assert person["Final-Recipient"] == r"utf-8; j\x{FC}rgen@remote.test"


def test_marks_that_a_report_gives_a_meaning_are_written_by_their_numbers() -> None:
    recipient = Recipient(Address.parse("jürgen+a=b@remote.test"))
    _, (_, person), _ = parts(notice(ReturnedMessage(MESSAGE, ALICE, NOW), RecipientFate(recipient, GONE, 1)))
    assert person["Final-Recipient"] == r"utf-8; j\x{FC}rgen\x{2B}a\x{3D}b@remote.test"


def test_a_sender_in_another_script_gets_a_report_in_all_scripts() -> None:
    sender, recipient = Address.parse("jürgen@here.test"), Recipient(Address.parse("bärbel@remote.test"))
    letter = "From: jürgen@here.test\r\nSubject: Grüße\r\n\r\nHallo\r\n".encode()
    raw = dsn.build(
        ReturnedMessage(letter, sender, NOW), [RecipientFate(recipient, GONE, 1)], hostname="mail.host.test", now=NOW
    )
    assert "To: jürgen@here.test\r\n".encode() in raw
    assert b"Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n" in raw
    assert "Final-Recipient: utf-8; bärbel@remote.test\r\n".encode() in raw
    assert b"Content-Type: message/global-headers\r\nContent-Transfer-Encoding: 8bit\r\n" in raw
    assert "Subject: Grüße\r\n".encode() in raw


def test_who_named_no_events_is_not_told_of_delays_beyond_a_forward() -> None:
    assert not dsn.is_wanted(ALICE, BOB, LATE, forwarded=True)
    assert dsn.is_wanted(ALICE, Recipient(BOB.address, "DELAY"), LATE, forwarded=True)


def test_success_says_whether_the_next_server_has_it() -> None:
    relayed = Delivered(Reply(250, "2.0.0", "ok"), THERE)
    local = Delivered(Reply(250, "2.1.5", "delivered"))
    message = notice(ReturnedMessage(MESSAGE, ALICE, NOW), RecipientFate(BOB, relayed, 1), RecipientFate(BOB, local, 1))
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
        (ALICE, None, LATE, True),
        (ALICE, "DELAY", LATE, True),
        (ALICE, "FAILURE,DELAY", LATE, True),
        (ALICE, "FAILURE", LATE, False),
        (ALICE, "NEVER", LATE, False),
        (None, "DELAY", LATE, False),
    ],
)
def test_who_is_told_of_what(
    sender: Address | None, notify: str | None, outcome: Failed | Delivered | Deferred, wanted: bool
) -> None:
    assert dsn.is_wanted(sender, Recipient(BOB.address, notify), outcome) is wanted


@given(raw=st.binary(max_size=300), text=st.text(max_size=100), orcpt=st.text(max_size=60), envid=st.text(max_size=60))
def test_nothing_that_others_wrote_can_break_the_report(raw: bytes, text: str, orcpt: str, envid: str) -> None:
    fate = RecipientFate(Recipient(BOB.address, orcpt=orcpt or None), Failed(Reply(550, "5.7.1", text), THERE), 2)
    for ret in ("FULL", "HDRS"):
        returned = ReturnedMessage(raw, ALICE, NOW, ret=ret, envid=envid or None)
        built = dsn.build(returned, [fate], hostname="mail.host.test", now=NOW)
        assert built.count(b"\r") == built.count(b"\n") == built.count(b"\r\n")
        parsed = email.message_from_bytes(built)
        groups = [part for part in parsed.walk() if part["Final-Recipient"]]
        assert [group["Action"] for group in groups] == ["failed"]


def test_an_unknown_code_points_to_the_servers_own_words() -> None:
    assert explain(Reply(599, "", "odd")) == explain(Reply(550, "5.9.9", "odd"))
    assert explain(Reply(552, "5.2.2", "full")).what == "The recipient's mailbox is full."


@pytest.mark.parametrize("sender", [ALICE, Address.parse("älice@here.test")])
@pytest.mark.parametrize("said", ["x" * 5000, "拒" * 900, "\N{GRINNING FACE}" * 900])
def test_a_long_answer_in_any_script_makes_no_line_that_is_too_long(sender: Address, said: str) -> None:
    fate = RecipientFate(BOB, Failed(Reply(550, "5.7.1", said), THERE), 1)
    raw = dsn.build(ReturnedMessage(MESSAGE, sender, NOW), [fate], hostname="mail.host.test", now=NOW)
    status = raw.partition(b"delivery-status\r\n")[2].partition(b"\r\n--=_")[0]
    assert b"Diagnostic-Code: smtp; 550 5.7.1 " in status
    assert max(map(len, status.split(b"\r\n"))) <= 998
