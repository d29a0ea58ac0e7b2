"""Notifications as other sites write them, made for the tests: one for each kind."""

from __future__ import annotations

DATE = "Sat, 1 Nov 2025 10:00:01 +0000"
ORIGINAL = (
    f"Received: from mail.host.test by mx.remote.test with ESMTPS id 1; {DATE}\r\n"
    "From: Alice <alice@here.test>\r\nTo: bob@remote.test\r\nSubject: Hello\r\nMessage-ID: <1@here.test>\r\n"
)


def status_report(
    recipient: str = "bob@remote.test",
    *,
    action: str = "failed",
    status: str = "5.2.2",
    diagnostic: str = "smtp; 552 5.2.2 Mailbox full",
    original: str = "",
    envid: str = "",
    about: str = ORIGINAL,
    host: str = "mx.remote.test",
) -> bytes:
    """A delivery status notification (RFC 3464)."""
    message = f"Reporting-MTA: dns; {host}\r\n" + (f"Original-Envelope-Id: {envid}\r\n" if envid else "")
    fields = f"Original-Recipient: rfc822; {original}\r\n" if original else ""
    fields += f"Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n"
    fields += f"Diagnostic-Code: {diagnostic}\r\n" if diagnostic else ""
    return (
        f"From: MAILER-DAEMON@{host}\r\nTo: alice@here.test\r\nSubject: Undelivered Mail Returned to Sender\r\n"
        f"Message-ID: <dsn@{host}>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain\r\n\r\nI am sorry to have to inform you.\r\n"
        f"--b\r\nContent-Type: message/delivery-status\r\n\r\n{message}\r\n{fields}\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\n{about}\r\n--b--\r\n"
    ).encode()


def complaint(
    recipient: str = "bob@remote.test", kind: str = "abuse", *, sender: str = "feedback@remote.test"
) -> bytes:
    """A feedback report (RFC 5965)."""
    named = f"Original-Rcpt-To: {recipient}\r\n" if recipient else ""
    return (
        f"From: {sender}\r\nTo: alice@here.test\r\nSubject: FW: Hello\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain\r\n\r\nThis is an email abuse report.\r\n"
        f"--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: {kind}\r\nUser-Agent: Loop/1.0\r\n"
        f"Version: 1\r\n{named}\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n{ORIGINAL}\r\nHi\r\n--b--\r\n"
    ).encode()


def automatic_answer(sender: str = "bob@remote.test", about: str = "<1@here.test>") -> bytes:
    """What a program answers while somebody is away (RFC 3834)."""
    return (
        f"From: Bob <{sender}>\r\nTo: alice@here.test\r\nSubject: Away\r\nAuto-Submitted: auto-replied\r\n"
        f"In-Reply-To: {about}\r\n\r\nI am back on Monday.\r\n"
    ).encode()


def in_words(body: str, *, sender: str = "MAILER-DAEMON@remote.test", subject: str = "failure notice") -> bytes:
    """A notification for people alone."""
    text = body.replace("\n", "\r\n")
    return f"From: {sender}\r\nTo: alice@here.test\r\nSubject: {subject}\r\n\r\n{text}\r\n".encode()


QMAIL = in_words(
    "Hi. This is the qmail-send program at mx.remote.test.\nI'm afraid I wasn't able to deliver your message to the"
    " following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n"
    "<bob@remote.test>:\n192.0.2.3 does not like recipient.\nRemote host said: 550 5.1.1 No such user\n"
    "Giving up on 192.0.2.3.\n\n<carl@remote.test>:\nThe user's mail folder is full. (#5.2.2)\n\n"
    "--- Below this line is a copy of the message.\n\nMessage-ID: <1@here.test>\nTo: bob@remote.test\n\nHi eve@x.test"
)
EXIM = in_words(
    "This message was created automatically by mail delivery software.\n\nA message that you sent could not be"
    " delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n"
    "  bob@remote.test\n    host mx.inner.test [192.0.2.9]\n    SMTP error from remote mail server after RCPT"
    " TO:<bob@remote.test>:\n    550-5.1.1 The email account that you tried to reach\n    550 5.1.1 does not exist\n\n"
    "------ This is a copy of the message, including all the headers. ------\n\n"
    "Message-ID: <1@here.test>\nTo: bob@remote.test\n\nHi",
    subject="Mail delivery failed: returning message to sender",
)
EXCHANGE = in_words(
    "Your message\n\n  To:      bob@remote.test\n  Subject: Hello\n\ndid not reach the following recipient(s):\n\n"
    "bob@remote.test on Sat, 1 Nov 2025 10:00:00 +0000\n    The recipient name is not recognized\n"
    "    MSEXCH:IMS:Remote:SITE:MX 0 (000C05A6) Unknown Recipient\n",
    sender="System Administrator <postmaster@remote.test>",
    subject="Undeliverable: Hello",
)
ONE_LINE = in_words("bob@remote.test [User unknown]\n", subject="Returned Mail: User unknown")
DELAY = in_words(
    "Warning: message not yet been delivered to bob@remote.test after 4 hours.\nYou do not need to resend it: it will"
    " be retried.\n",
    subject="Warning: could not send message for past 4 hours",
)
OUTLOOK_COMPLAINT = (
    b"From: staff@hotmail.com\r\nTo: abuse@here.test\r\nSubject: complaint about message from 192.0.2.1\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
    b"X-HmXmrOriginalRecipient: bob@remote.test\r\n" + ORIGINAL.encode() + b"\r\nHi\r\n--b--\r\n"
)


def read_receipt(disposition: str = "manual-action/MDN-sent-manually; displayed") -> bytes:
    """What a mail program sends whose reader lets the sender know that they read a message (RFC 8098)."""
    return f"""From: bob@remote.test
To: alice@here.test
Subject: Read: Hello
MIME-Version: 1.0
Content-Type: multipart/report; report-type=disposition-notification; boundary=b

--b
Content-Type: text/plain

Your message was displayed.
--b
Content-Type: message/disposition-notification

Reporting-UA: mail.remote.test; Program
Final-Recipient: rfc822;bob@remote.test
Original-Message-ID: <1@here.test>
Disposition: {disposition}

--b--
""".encode()
