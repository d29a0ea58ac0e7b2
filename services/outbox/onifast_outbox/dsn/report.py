"""Puts a notification together (RFC 6522): plain words, the same for machines, and the original or its header."""

from __future__ import annotations

import quopri
import secrets
from collections.abc import Sequence

from onifast_shared.message.headers import normalise_newlines, split_head
from onifast_shared.message.parsing import summary

from onifast_outbox.dsn import fields, words
from onifast_outbox.dsn.values import RecipientFate, ReturnedMessage

# What is returned in full, when the sender asked for that; of a larger message they get the header.
MAX_RETURNED = 100 * 1024

_LONGEST_LINE = 998  # octets, RFC 5322 section 2.1.1


def build(returned: ReturnedMessage, fates: Sequence[RecipientFate], *, hostname: str, now: int) -> bytes:
    """The notification to `returned.sender` about recipients who have all met with the same kind of fate."""
    # A sender in another script is reached by SMTPUTF8 alone, and so is what is written to them (RFC 6533 section 4).
    utf8 = returned.sender.needs_smtputf8
    parts = [
        _text_part("text/plain; charset=utf-8", words.text(returned, fates, hostname=hostname)),
        _status(returned, fates, hostname, utf8=utf8),
        *_original(returned, failed=fates[0].action == "failed", utf8=utf8),
    ]
    boundary = f"=_{secrets.token_hex(16)}"
    body = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in parts)
    head = [
        f"From: Mail Delivery System <MAILER-DAEMON@{hostname}>",
        f"To: {returned.sender}",
        f"Subject: {words.subject(fates[0])}",
        f"Date: {fields.date(now)}",
        f"Message-ID: <{secrets.token_hex(16)}@{hostname}>",
        *_threading(returned.raw),
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="{boundary}"',
        *([] if body.isascii() else ["Content-Transfer-Encoding: 8bit"]),
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body + f"--{boundary}--\r\n".encode()


def _threading(raw: bytes) -> list[str]:
    """The original's id, so that mail programs show the notification beside it."""
    message_id = summary(raw).message_id
    if not message_id.isascii() or not message_id or len(message_id) > 900:
        return []
    return [f"In-Reply-To: {message_id}", f"References: {message_id}"]


def _status(returned: ReturnedMessage, fates: Sequence[RecipientFate], hostname: str, *, utf8: bool) -> bytes:
    groups = fields.groups(returned, fates, hostname=hostname, utf8=utf8)
    content = "\r\n\r\n".join("\r\n".join(group) for group in groups) + "\r\n"
    if utf8:
        return _part("message/global-delivery-status", content.encode("utf-8", "backslashreplace"))
    return _part("message/delivery-status", content.encode("ascii", "backslashreplace"))


def _original(returned: ReturnedMessage, *, failed: bool, utf8: bool) -> list[bytes]:
    """The original message where its sender asked for it (RET=FULL), else its header.

    RET is about failures: other notifications bring the header alone (RFC 3461 section 4.3).
    """
    raw = normalise_newlines(returned.raw)
    if not raw:
        return []
    if failed and returned.ret == "FULL" and len(raw) <= MAX_RETURNED and _has_short_lines(raw):
        return [_part("message/global" if utf8 else "message/rfc822", raw)]
    head = split_head(raw)[0][:MAX_RETURNED]
    if utf8 and _has_short_lines(head) and _is_utf8(head):
        return [_part("message/global-headers", head)]
    return [_text_part("text/rfc822-headers", head)]


def _part(content_type: str, content: bytes) -> bytes:
    """A part as it is: what it is made of must not be encoded (RFC 2046 section 5.2.1)."""
    encoding = b"" if content.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"
    return f"Content-Type: {content_type}\r\n".encode() + encoding + b"\r\n" + content


def _text_part(content_type: str, content: str | bytes) -> bytes:
    """A part that needs no 8-bit path: quoted-printable where its text does (RFC 6522 section 4)."""
    if isinstance(content, str):
        content = content.replace("\n", "\r\n").encode()
    if content.isascii() and _has_short_lines(content):
        return _part(content_type, content)
    encoded = quopri.encodestring(content.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n".encode() + encoded


def _has_short_lines(content: bytes) -> bool:
    return max(map(len, content.split(b"\r\n"))) <= _LONGEST_LINE


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
