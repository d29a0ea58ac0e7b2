"""What notifications say is read from every form that sites write them in, and from nothing else."""

from __future__ import annotations

import time

import pytest
from onifast_outbox.reasons import explain
from onifast_outbox.returns.recognising import recognise
from onifast_outbox.returns.values import ReturnReport

from . import notifications
from .notifications import status_report


def read(raw: bytes, reverse_path: str = "") -> ReturnReport:
    found = recognise(raw, reverse_path)
    assert found is not None
    return found


def why(report: ReturnReport, place: int = 0) -> str:
    return explain(report.recipients[place].reply, "mx.remote.test").kind


def test_a_status_report_says_who_failed_and_why_and_what_it_is_about() -> None:
    found = read(status_report(original="bob@alias.test", envid="QQ=1"))
    (bob,) = found.recipients
    assert (found.kind, found.reporter, found.envid, found.message_ids) == (
        "bounce", "mx.remote.test", "QQ=1", ("<1@here.test>",),
    )  # fmt: skip
    assert (bob.address, bob.original, bob.action) == ("bob@remote.test", "bob@alias.test", "failed")
    assert str(bob.reply) == "552 5.2.2 Mailbox full"


@pytest.mark.parametrize(
    ("name", "recipients", "kinds"),
    [
        ("QMAIL", ["bob@remote.test", "carl@remote.test"], ["unknown-user", "mailbox-full"]),
        ("EXIM", ["bob@remote.test"], ["unknown-user"]),
        ("EXCHANGE", ["bob@remote.test"], ["unknown-user"]),
        ("ONE_LINE", ["bob@remote.test"], ["unknown-user"]),
    ],
)
def test_a_notification_in_words_names_its_recipients_and_reasons(
    name: str, recipients: list[str], kinds: list[str]
) -> None:
    found = read(getattr(notifications, name))
    assert found.kind == "bounce"
    assert [each.address for each in found.recipients] == recipients
    assert [why(found, place) for place in range(len(kinds))] == kinds


def test_the_message_that_is_sent_back_in_words_is_known_by_its_id() -> None:
    assert read(notifications.QMAIL).message_ids == ("<1@here.test>",)


def test_a_warning_is_no_failure() -> None:
    assert [each.action for each in read(notifications.DELAY).recipients] == ["delayed"]
    assert [each.action for each in read(status_report(action="delayed", status="4.4.1")).recipients] == ["delayed"]


def test_a_status_report_without_a_diagnostic_takes_its_reason_from_the_words() -> None:
    raw = status_report(status="5.0.0", diagnostic="").replace(
        b"I am sorry", b"<bob@remote.test>: over quota. I am sorry"
    )
    assert why(read(raw)) == "mailbox-full"


def test_words_for_several_recipients_are_divided_among_them() -> None:
    second = b"\r\n\r\nFinal-Recipient: rfc822; carl@remote.test\r\nAction: failed\r\nStatus: 5.0.0\r\n"
    raw = status_report(status="5.0.0", diagnostic="").replace(b"Status: 5.0.0\r\n", b"Status: 5.0.0" + second)
    words = b"bob@remote.test: 550 5.1.1 User unknown\r\ncarl@remote.test: 552 5.2.2 Mailbox full\r\n"
    found = read(raw.replace(b"I am sorry", words + b"I am sorry"))
    assert [(each.address, why(found, place)) for place, each in enumerate(found.recipients)] == [
        ("bob@remote.test", "unknown-user"),
        ("carl@remote.test", "mailbox-full"),
    ]


@pytest.mark.parametrize(
    ("action", "status", "meaning"),
    [
        ("deliverable", "2.1.5", "delivered"),
        ("held", "4.4.1", "delayed"),
        ("refused", "5.1.1", "failed"),
        ("failed", "2.0.0", "failed"),
    ],
)
def test_an_action_that_no_book_knows_is_what_its_status_says(action: str, status: str, meaning: str) -> None:
    assert [each.action for each in read(status_report(action=action, status=status)).recipients] == [meaning]


def test_a_transcript_says_each_recipients_reason_in_a_line_of_its_own() -> None:
    found = read(
        notifications.in_words(
            "   ----- Transcript of session follows -----\n554 <ann@remote.test>... 550 Host unknown\n"
            "550 other.test (smtp)... 550 Host unknown\n552 <carl@remote.test>... Mailbox full\n"
            "While talking to mx.remote.test:\n>>> RCPT To:<bob@remote.test>\n<<< 550 No such user here.\n"
            "550 <bob@remote.test>... User unknown\n"
        )
    )
    assert [(each.address, why(found, place)) for place, each in enumerate(found.recipients)] == [
        ("ann@remote.test", "dns"),
        ("carl@remote.test", "mailbox-full"),
        ("bob@remote.test", "unknown-user"),
    ]


def test_lines_of_one_reply_stay_together() -> None:
    found = read(notifications.in_words("550-5.2.2 <bob@remote.test>\n550 5.2.2 Mailbox full\n552 5.3.4 Too large\n"))
    assert str(found.recipients[0].reply) == "550 5.2.2 <bob@remote.test> 550 5.2.2 Mailbox full"


def test_whom_the_message_was_written_to_is_not_who_failed_where_a_list_says_who_did() -> None:
    found = read(
        notifications.in_words(
            "Your message\n\n  To: list@remote.test\n  Subject: Hello\n\ndid not reach the following recipient(s):\n\n"
            "bob@remote.test on Sat, 1 Nov 2025 10:00:00 +0000\n    The recipient name is not recognized\n"
        )
    )
    assert ([each.address for each in found.recipients], why(found)) == (["bob@remote.test"], "unknown-user")


def test_a_reason_that_stands_above_the_address_is_read() -> None:
    found = read(notifications.in_words("--- Failure Reasons ---\n\nUser not listed in directory\nbob@remote.test\n"))
    assert why(found) == "unknown-user"


def test_the_body_that_made_an_answer_is_no_original() -> None:
    found = read(
        notifications.in_words(
            "undeliverable to bob@remote.test\n\nBody of message generated response:\n550-REJECTED - spam in message\n"
        )
    )
    assert why(found) == "content"


def test_groups_without_an_empty_line_between_them_are_two_recipients() -> None:
    raw = status_report().replace(
        b"Diagnostic-Code:",
        b"X-Other: 1\r\nFinal-Recipient: rfc822; carl@remote.test\r\nAction: failed\r\nDiagnostic-Code:",
    )
    assert [each.address for each in read(raw).recipients] == ["bob@remote.test", "carl@remote.test"]


def test_a_complaint_names_who_complains() -> None:
    found = read(notifications.complaint(), "feedback@remote.test")
    assert (found.kind, found.feedback, found.message_ids) == ("complaint", "abuse", ("<1@here.test>",))
    assert [each.address for each in found.recipients] == ["bob@remote.test"]
    # One that keeps the name to itself is about whom the message was to.
    assert [each.address for each in read(notifications.complaint("")).recipients] == ["bob@remote.test"]


def test_outlooks_complaints_have_no_part_for_machines() -> None:
    found = read(notifications.OUTLOOK_COMPLAINT, "staff@hotmail.com")
    assert (found.kind, [each.address for each in found.recipients]) == ("complaint", ["bob@remote.test"])


@pytest.mark.parametrize("kind", ["auth-failure", "not-spam", "dmarc"])
def test_reports_of_forgeries_are_no_complaints(kind: str) -> None:
    assert recognise(notifications.complaint(kind=kind), "") is None


def test_a_read_receipt_tells_who_read_which_message() -> None:
    found = read(notifications.read_receipt())
    assert (found.kind, found.message_ids) == ("read-receipt", ("<1@here.test>",))
    assert [each.address for each in found.recipients] == ["bob@remote.test"]


def test_a_receipt_of_a_message_that_was_deleted_unread_is_none() -> None:
    assert recognise(notifications.read_receipt("automatic-action/MDN-sent-automatically; deleted"), "") is None


def test_an_automatic_answer_is_known_by_its_field() -> None:
    found = read(notifications.automatic_answer(), "bob@remote.test")
    assert (found.kind, found.message_ids) == ("auto-reply", ("<1@here.test>",))
    assert [each.address for each in found.recipients] == ["bob@remote.test"]


@pytest.mark.parametrize(
    "raw",
    [
        b"From: bob@remote.test\r\nTo: alice@here.test\r\nSubject: Undeliverable goods\r\n\r\nTo carl@remote.test.",
        b"From: bob@remote.test\r\nSubject: Re: Hello\r\nIn-Reply-To: <1@here.test>\r\n\r\nFine, thanks.",
        b"",
        b"\xff\xfe\x00",
    ],
    ids=["a person's", "an answer", "empty", "binary"],
)
def test_other_mail_is_none(raw: bytes) -> None:
    assert recognise(raw, "bob@remote.test") is None


@pytest.mark.parametrize(
    "body",
    [
        "a@b.test " * 200_000,
        "<" * 500_000,
        "-" * 500_000,
        ("x" * 60 + "@") * 20_000,
        "Final-Recipient: rfc822; a@b.test\r\n" * 50_000,
        "to: " * 200_000,
        "550 " * 200_000,
        "\r\n" * 500_000,
        "message-id:\r\n" * 100_000,
    ],
    ids=["addresses", "brackets", "dashes", "half addresses", "fields", "names", "codes", "lines", "ids"],
)
def test_hostile_text_takes_time_by_its_length_only(body: str) -> None:
    raw = notifications.in_words(body)
    began = time.process_time()
    found = recognise(raw, "")
    assert time.process_time() - began < 5
    assert found is None or len(found.recipients) <= 100
