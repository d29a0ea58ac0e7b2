"""Messages built: correct for every reader, 7-bit clean, and closed to header injection."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage, MIMEPart
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.message.compose import (
    Draft,
    DraftError,
    OutgoingAttachment,
    build,
    complete_head,
    from_script,
)
from onifast_shared.message.headers import normalise_newlines, split_head
from onifast_shared.message.parsing import parse
from onifast_shared.message.sections import HeaderSection
from onifast_shared.values.address import Address

HOST = "mail.example.org"
DRAFT = Draft(from_="ann@example.org", to=["bob@example.net"], subject="Hello", text="Hi\n")
TEXTS = st.text(st.characters(codec="utf-8"), max_size=200)


def independent(raw: bytes) -> EmailMessage:
    """The message as Python's email package, which shares no code with ours, reads it."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not any(part.defects for part in message.walk())
    return message


def content(part: MIMEPart) -> str:
    return str(part.get_content()).replace("\r\n", "\n")


def check_wire(raw: bytes) -> None:
    assert raw.isascii()
    assert raw.endswith(b"\r\n")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert b"\0" not in raw


def test_a_plain_draft_becomes_a_plain_message() -> None:
    raw = build(replace(DRAFT, date=datetime(2024, 2, 1, 12, tzinfo=UTC)), HOST)
    check_wire(raw)
    message = independent(raw)
    assert (message["From"], message["To"], message["Subject"]) == ("ann@example.org", "bob@example.net", "Hello")
    assert message["Date"] == "Thu, 01 Feb 2024 12:00:00 +0000"
    assert message["Message-ID"].endswith("@mail.example.org>")
    assert message["MIME-Version"] == "1.0"
    assert message.get_content_type() == "text/plain"
    assert content(message) == "Hi\n"


def test_every_message_has_its_own_id() -> None:
    assert parse(build(DRAFT, HOST)).message_id != parse(build(DRAFT, HOST)).message_id


def test_every_field_is_carried_and_bcc_is_not() -> None:
    draft = replace(
        DRAFT,
        from_='"Ünal, Ann" <ann@example.org>',
        to=["Bob <bob@example.net>", "c@bücher.example"],
        cc=["D, E <d@x.example>".replace(",", "")],
        bcc=["secret@x.example"],
        in_reply_to="<1@x>",
        references=["<0@x>", "<1@x>"],
    )
    raw = build(draft, HOST)
    check_wire(raw)
    assert b"secret" not in raw
    message = independent(raw)
    assert message["From"].addresses[0].display_name == "Ünal, Ann"
    assert [address.addr_spec for address in message["To"].addresses] == [
        "bob@example.net",
        "c@xn--bcher-kva.example",
    ]
    assert message["Cc"] == "D E <d@x.example>"
    assert (message["In-Reply-To"], message["References"]) == ("<1@x>", "<0@x> <1@x>")


def test_html_gets_a_readable_text_beside_it() -> None:
    raw = build(replace(DRAFT, text=None, html='<p>Grüße <a href="https://x.y/">hier</a></p>'), HOST)
    check_wire(raw)
    message = independent(raw)
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    text = message.get_body(("plain",))
    assert text is not None
    assert content(text) == "Grüße hier <https://x.y/>\n"


def test_attachments_keep_name_type_and_bytes() -> None:
    files = [
        OutgoingAttachment("Übersicht " * 9 + ".pdf", "application/pdf", bytes(range(256))),
        OutgoingAttachment('a "quoted\\" name.txt', "text/plain", b"no line end"),
        OutgoingAttachment("empty", "nonsense", b""),
        OutgoingAttachment("mail.eml", "message/rfc822", b"Subject: x\n\ny"),
    ]
    raw = build(replace(DRAFT, html="<p>hi", attachments=files), HOST)
    check_wire(raw)
    message = independent(raw)
    assert message.get_content_type() == "multipart/mixed"
    found = list(message.iter_attachments())
    assert [part.get_filename() for part in found] == [file.filename for file in files]
    assert [part.get_payload(decode=True) for part in found] == [file.data for file in files]
    types = [part.get_content_type() for part in found]
    assert types == ["application/pdf", "text/plain", "application/octet-stream", "application/octet-stream"]
    ours = parse(raw)
    assert [part.data for part in ours.attachments] == [file.data for file in files]
    assert ours.html == "<p>hi\n"


@given(TEXTS, TEXTS)
def test_any_text_and_html_survive(text: str, html: str) -> None:
    raw = build(replace(DRAFT, text=text, html=html), HOST)
    check_wire(raw)
    parsed = parse(raw)

    def lines(value: str) -> str:
        value = value.replace("\r\n", "\n").replace("\r", "\n")
        return value if value.endswith("\n") else value + "\n"

    # What says nothing in one form is read in the other one.
    if text.strip():
        assert parsed.text == lines(text)
    if html.strip() and "<" not in html:
        assert parsed.html == lines(html)


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=300))
def test_any_subject_survives(subject: str) -> None:
    raw = build(replace(DRAFT, subject=subject), HOST)
    check_wire(raw)
    assert parse(raw).subject == subject


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters='"\\'), max_size=80))
def test_any_display_name_survives(name: str) -> None:
    raw = build(replace(DRAFT, from_=f'"{name}" <ann@example.org>'), HOST)
    check_wire(raw)
    parsed = parse(raw)
    assert parsed.sender == Address("ann", "example.org")
    assert parsed.sender_name == " ".join(name.split())


def test_lines_longer_than_allowed_are_encoded() -> None:
    raw = build(replace(DRAFT, text="x" * 5000 + "\n" + "日" * 3000, html="<p>" + "y" * 5000), HOST)
    check_wire(raw)
    assert parse(raw).text == "x" * 5000 + "\n" + "日" * 3000 + "\n"


def test_many_recipients_are_folded() -> None:
    to = [f"recipient-number-{number}@example.net" for number in range(200)]
    raw = build(replace(DRAFT, to=to), HOST)
    check_wire(raw)
    assert len(independent(raw)["To"].addresses) == 200


def test_hidden_recipients_alone_are_said_to_be_undisclosed() -> None:
    raw = build(replace(DRAFT, to=[], bcc=["x@y.example"]), HOST)
    assert b"To: undisclosed-recipients:;\r\n" in raw


INJECTION = "a\r\nBcc: victim@example.net"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("from_", INJECTION),
        ("to", [INJECTION]),
        ("cc", ["ok@x.example", INJECTION]),
        ("bcc", [INJECTION]),
        ("subject", INJECTION),
        ("subject", "a\rb"),
        ("subject", "a\nb"),
        ("subject", "a\0b"),
        ("in_reply_to", "<a@b>\r\nBcc: x@y"),
        ("references", ["<a@b>", "<c\n@d>"]),
        ("attachments", [OutgoingAttachment("a\r\nb", "text/plain", b"")]),
    ],
)
def test_no_field_can_bring_in_a_header(field: str, value: Any) -> None:
    with pytest.raises(DraftError) as raised:
        build(replace(DRAFT, **{field: value}), HOST)
    assert raised.value.field == field.rstrip("_")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("from_", ""),
        ("from_", "a@b, c@d"),
        ("from_", "nobody"),
        ("to", ["nobody"]),
        ("bcc", ["a@b", "@"]),
        ("in_reply_to", "no brackets"),
        ("references", ["<" + "a" * 990 + "@b>"]),
    ],
)
def test_a_wrong_field_is_named(field: str, value: Any) -> None:
    with pytest.raises(DraftError) as raised:
        build(replace(DRAFT, **{field: value}), HOST)
    assert raised.value.field == field.rstrip("_")


def test_a_content_type_cannot_bring_in_a_header() -> None:
    raw = build(replace(DRAFT, attachments=[OutgoingAttachment("a", "text/plain\r\nX: y", b"")]), HOST)
    assert b"X: y" not in raw


def test_a_scripts_row_becomes_a_text_message() -> None:
    raw = from_script("web@example.org", "a@x.example, B <b@y.example>", " Hi \n", "Grüße\n", HOST)
    check_wire(raw)
    message = independent(raw)
    assert (message["From"], message["Subject"]) == ("web@example.org", "Hi")
    assert message["To"] == "a@x.example, B <b@y.example>"
    assert content(message) == "Grüße\n"


@pytest.mark.parametrize("body", ["<!DOCTYPE html><p>hi", "<html><p>hi", "\n <HTML lang=de><p>hi", "\ufeff<html><p>hi"])
def test_a_scripts_row_that_starts_as_html_becomes_html(body: str) -> None:
    parsed = parse(from_script("a@b.example", "c@d.example", "s", body, HOST))
    assert parsed.html is not None
    assert parsed.text == "hi\n"


def test_a_scripts_row_that_mentions_html_stays_text() -> None:
    assert parse(from_script("a@b.example", "c@d.example", "s", "see <html>", HOST)).html is None


def completed(raw: bytes, sender: Address) -> bytes:
    head, body = split_head(normalise_newlines(raw))
    return complete_head(HeaderSection(head), sender=sender, hostname=HOST).octets + b"\r\n" + body


def test_a_submission_gets_what_it_lacks_and_loses_bcc() -> None:
    raw = completed(b"Received: x\nBcc: h@x\n\ty@z\nSubject: s\n\nbody\nBcc: stays\n", Address("ann", "example.org"))
    parsed = parse(raw)
    assert raw.startswith(b"Received: x\r\nSubject: s\r\n")
    assert parsed.sender == Address("ann", "example.org")
    assert parsed.date is not None
    assert parsed.message_id.endswith("@mail.example.org>")
    assert parsed.text == "body\nBcc: stays\n"
    assert b"y@z" not in raw


def test_a_whole_submission_is_left_as_it_is() -> None:
    raw = b"From: a@b\r\nDate: Thu, 01 Feb 2024 12:00:00 +0000\r\nMessage-ID: <1@x>\r\n\r\nbody\r\n"
    assert completed(raw, Address("x", "y")) == raw


def test_an_empty_field_counts_as_missing() -> None:
    raw = completed(b"From:\r\nMessage-ID: \r\n\r\nx\r\n", Address("a", "b"))
    assert raw.count(b"From:") == raw.count(b"Message-ID:") == 1
    assert parse(raw).sender == Address("a", "b")


@pytest.mark.parametrize("raw", [b"", b"\n", b"no header at all\n", b"Subject: s", b"\r\n\r\nx"])
def test_any_submission_becomes_a_message(raw: bytes) -> None:
    parsed = parse(completed(raw, Address("a", "b")))
    assert parsed.sender == Address("a", "b")
    assert parsed.message_id
