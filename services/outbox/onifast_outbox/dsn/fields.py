"""The part of a notification for machines (RFC 3464 section 2): a group about the message, one about each recipient."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime

from onifast_shared.values.address import Address
from onifast_shared.values.reply import Reply

from onifast_outbox.dsn.values import RecipientFate, ReturnedMessage

# Characters that an internationalised address cannot hold as they are in a report (RFC 6533 section 3).
_EMBEDDED = frozenset(" +=\\\x7f")

_LONGEST_ANSWER = 900  # octets, so that the field's line has fewer than 998


def groups(returned: ReturnedMessage, fates: Sequence[RecipientFate], *, hostname: str, utf8: bool) -> list[list[str]]:
    """The fields, group by group. `utf8`: the report travels by SMTPUTF8, and may hold any script (RFC 6533)."""
    message = [f"Reporting-MTA: dns; {hostname}"]
    message += [f"Original-Envelope-Id: {from_xtext(returned.envid)}"] if returned.envid else []
    message += [f"Arrival-Date: {date(returned.arrived)}"]
    return [message, *(_recipient(fate, utf8=utf8) for fate in fates)]


def date(timestamp: float) -> str:
    """A moment as header fields have it (RFC 5322 section 3.3)."""
    return format_datetime(datetime.fromtimestamp(timestamp, UTC))


def _recipient(fate: RecipientFate, *, utf8: bool) -> list[str]:
    """In the order of RFC 3464 section 2.3."""
    recipient, trail = fate.recipient, fate.outcome.trail
    group = [f"Original-Recipient: {_original_recipient(recipient.orcpt)}"] if recipient.orcpt else []
    group += [f"Final-Recipient: {_final_recipient(recipient.address, utf8=utf8)}"]
    group += [f"Action: {fate.action}", f"Status: {fate.outcome.reply.status}"]
    group += [f"Remote-MTA: dns; {trail.host}"] if trail.host else []
    group += [f"Diagnostic-Code: {_diagnostic(fate, utf8=utf8)}"] if trail.host or fate.action != "delivered" else []
    group += [f"Last-Attempt-Date: {date(fate.tried)}"] if fate.tried is not None else []
    group += [f"Final-Log-ID: {fate.queue_id}"] if fate.queue_id else []
    group += [f"Will-Retry-Until: {date(fate.until)}"] if fate.until is not None else []
    return group


def _diagnostic(fate: RecipientFate, *, utf8: bool) -> str:
    """`smtp` is for what a server answered (RFC 3464 section 2.3.6); the text here is of no registered type."""
    return f"{'smtp' if fate.outcome.trail.host else 'x-onifast'}; {_one_line(fate.answer, utf8=utf8)}"


def _final_recipient(address: Address, *, utf8: bool) -> str:
    """With its address type; one in another script as RFC 6533 section 3 has it, in 7-bit form unless `utf8`."""
    if not address.needs_smtputf8:
        return f"rfc822; {address}"
    return "utf-8; " + "".join(
        f"\\x{{{ord(each):X}}}" if each in _EMBEDDED or not (utf8 or each.isascii()) else each for each in str(address)
    )


def _original_recipient(orcpt: str) -> str:
    kind, _, text = orcpt.partition(";")
    return f"{from_xtext(kind) or 'rfc822'}; {from_xtext(text)}"


def from_xtext(text: str) -> str:
    """Xtext (RFC 3461 section 4) decoded; what is not printable ASCII stays encoded, so no line can be forged."""
    pieces = text.split("+")
    decoded = [pieces[0]]
    for piece in pieces[1:]:
        code = int(piece[:2], 16) if len(piece) >= 2 and all(c in "0123456789ABCDEFabcdef" for c in piece[:2]) else 0
        decoded.append(chr(code) + piece[2:] if 32 <= code < 127 else "+" + piece)
    return "".join(each for each in "".join(decoded) if 32 <= ord(each) < 127)


def _one_line(reply: Reply, *, utf8: bool) -> str:
    """As long as a line may be (RFC 5322 section 2.1.1), in the form that the report has it in."""
    octets = " ".join(str(reply).split()).encode("utf-8" if utf8 else "ascii", "backslashreplace")
    return octets[:_LONGEST_ANSWER].decode("utf-8", "ignore")
