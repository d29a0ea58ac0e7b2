"""Delivery status notifications (RFC 3461, RFC 3464): what a bounce says, and whether there may be one at all."""

from __future__ import annotations

import quopri
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Literal

from onifast_shared.address import Address
from onifast_shared.envelope import Recipient, Ret
from onifast_shared.message import normalise_newlines, split_head, summary
from onifast_shared.reply import Delivered, Failed, Outcome, Reply

from onifast_outbox.reasons import explain

Action = Literal["failed", "delivered", "relayed"]

# What is returned in full, when the sender asked for that; of a larger message he gets the header.
MAX_RETURNED = 100 * 1024


@dataclass(frozen=True)
class Returned:
    """The message that a notification speaks of. `arrived` is epoch seconds; `tried_since` the first attempt's."""

    raw: bytes
    sender: Address
    arrived: int
    ret: Ret | None = None
    envid: str | None = None


@dataclass(frozen=True)
class Fate:
    """What became of one recipient."""

    recipient: Recipient
    outcome: Outcome
    attempts: int


def is_wanted(sender: Address | None, recipient: Recipient, outcome: Outcome, *, passed_on: bool = False) -> bool:
    """Whether the sender is to be told. Never about a bounce, whose sender is null (RFC 5321 section 6.1).

    `passed_on`: the next server does notifications itself, and has taken over those of a delivery.
    """
    if sender is None:
        return False
    if isinstance(outcome, Failed):
        return recipient.wants("FAILURE")
    return isinstance(outcome, Delivered) and recipient.wants("SUCCESS") and not passed_on


def build(returned: Returned, fates: Sequence[Fate], *, hostname: str, now: int) -> bytes:
    """The notification to `returned.sender` about recipients who all failed, or all did not.

    Three parts: plain words, the same for machines, and the original's header or all of it.
    """
    boundary = f"=_{secrets.token_hex(16)}"
    parts = [_notice(returned, fates, hostname), _status(returned, fates, hostname, now), _original(returned)]
    body = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in parts)
    eight_bit = not body.isascii()
    head = [
        f"From: Mail Delivery System <MAILER-DAEMON@{hostname}>",
        f"To: {returned.sender}",
        f"Subject: {_subject(fates[0])}",
        f"Date: {format_datetime(datetime.fromtimestamp(now, UTC))}",
        f"Message-ID: <{secrets.token_hex(16)}@{hostname}>",
        *_threading(returned.raw),
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="{boundary}"',
        *(["Content-Transfer-Encoding: 8bit"] if eight_bit else []),
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body + f"--{boundary}--\r\n".encode()


def _action(outcome: Outcome) -> Action:
    if isinstance(outcome, Delivered):
        return "relayed" if outcome.host else "delivered"
    return "failed"


def _subject(fate: Fate) -> str:
    if isinstance(fate.outcome, Delivered):
        return "Your message was delivered"
    return "Your message could not be delivered"


def _threading(raw: bytes) -> list[str]:
    """The original's id, so that mail programs show the notification beside it."""
    message_id = summary(raw).message_id
    if not message_id.isascii() or not message_id or len(message_id) > 900:
        return []
    return [f"In-Reply-To: {message_id}", f"References: {message_id}"]


def _notice(returned: Returned, fates: Sequence[Fate], hostname: str) -> bytes:
    """The part for people."""
    subject = " ".join(summary(returned.raw).subject.split())[:200]
    sent = datetime.fromtimestamp(returned.arrived, UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0")
    stories = [line for fate in fates for line in [*_story(fate), ""]]
    about = [f"Subject: {subject}", f"Sent: {sent}"]
    text = "\n".join([*stories, *about, "", f"This notice was written by the mail server {hostname}.", ""])
    return _text_part("text/plain; charset=utf-8", text.replace("\n", "\r\n").encode())


def _story(fate: Fate) -> list[str]:
    address, reply = fate.recipient.address.display, fate.outcome.reply
    where = f" (said by {fate.outcome.host})" if fate.outcome.host else ""
    if isinstance(fate.outcome, Delivered):
        next_hop = "It was handed to the next mail server, which sends no notices of its own."
        return [f"Your message was delivered to {address}.", *([next_hop] if fate.outcome.host else [])]
    reason = explain(reply, fate.outcome.host)
    tries = "once" if fate.attempts == 1 else f"{fate.attempts} times"
    return [
        f"Your message could not be delivered to {address}.",
        "",
        reason.what,
        f"What you can do: {reason.advice}",
        "",
        f"It was tried {tries} and will not be tried again. The answer{where} was:",
        *(f"    {line}" for line in str(reply).split("\n")),
    ]


def _status(returned: Returned, fates: Sequence[Fate], hostname: str, now: int) -> bytes:
    """The part for machines (RFC 3464 section 2): a group about the message, then one about each recipient."""
    message = [f"Reporting-MTA: dns; {hostname}"]
    message += [f"Original-Envelope-Id: {_from_xtext(returned.envid)}"] if returned.envid else []
    message += [f"Arrival-Date: {format_datetime(datetime.fromtimestamp(returned.arrived, UTC))}"]
    groups = [message, *(_recipient_group(fate, now) for fate in fates)]
    fields = "\r\n\r\n".join("\r\n".join(group) for group in groups) + "\r\n"
    return b"Content-Type: message/delivery-status\r\n\r\n" + fields.encode("ascii", "backslashreplace")


def _recipient_group(fate: Fate, now: int) -> list[str]:
    recipient, outcome = fate.recipient, fate.outcome
    group = [f"Original-Recipient: {_original_recipient(recipient.orcpt)}"] if recipient.orcpt else []
    group += [f"Final-Recipient: {_final_recipient(recipient.address)}", f"Action: {_action(outcome)}"]
    group += [f"Status: {outcome.reply.status}"]
    group += [f"Remote-MTA: dns; {outcome.trail.host}"] if outcome.trail.host else []
    group += [f"Diagnostic-Code: smtp; {_one_line(outcome.reply)}"]
    group += [f"Last-Attempt-Date: {format_datetime(datetime.fromtimestamp(now, UTC))}"]
    return group


def _original(returned: Returned) -> bytes:
    """The original message where its sender asked for it (RET=FULL), else its header (RFC 3461 section 4.3)."""
    raw = normalise_newlines(returned.raw)
    if returned.ret == "FULL" and len(raw) <= MAX_RETURNED:
        encoding = b"" if raw.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"
        return b"Content-Type: message/rfc822\r\n" + encoding + b"\r\n" + raw
    head, _ = split_head(raw)
    return _text_part("text/rfc822-headers", head[:MAX_RETURNED])


def _text_part(content_type: str, content: bytes) -> bytes:
    """A part that needs no 8-bit path: quoted-printable where its text does (RFC 6522 section 4)."""
    head = f"Content-Type: {content_type}\r\n".encode()
    if content.isascii() and max(map(len, content.split(b"\r\n"))) <= 998:
        return head + b"\r\n" + content
    encoded = quopri.encodestring(content.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return head + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + encoded


def _final_recipient(address: Address) -> str:
    """With its address type; one in another script in the 7-bit form of RFC 6533 section 3."""
    if not address.needs_smtputf8:
        return f"rfc822; {address}"
    return "utf-8; " + "".join(each if each.isascii() else f"\\x{{{ord(each):X}}}" for each in str(address))


def _original_recipient(orcpt: str) -> str:
    kind, _, text = orcpt.rpartition(";")
    return f"{_from_xtext(kind) or 'rfc822'}; {_from_xtext(text)}"


def _from_xtext(text: str) -> str:
    """Xtext (RFC 3461 section 4) decoded; what is not printable ASCII stays encoded, so no line can be forged."""
    pieces = text.split("+")
    decoded = [pieces[0]]
    for piece in pieces[1:]:
        code = int(piece[:2], 16) if len(piece) >= 2 and all(c in "0123456789ABCDEFabcdef" for c in piece[:2]) else 0
        decoded.append(chr(code) + piece[2:] if 32 <= code < 127 else "+" + piece)
    return "".join(each for each in "".join(decoded) if 32 <= ord(each) < 127)


def _one_line(reply: Reply) -> str:
    return " ".join(str(reply).split())[:900]
