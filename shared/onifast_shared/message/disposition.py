"""Message disposition notifications (RFC 8098): who asks for one, and what is said in it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from onifast_shared.message.parsing import Parsed, Summary
from onifast_shared.values.address import Address, AddressError

FIELD = "disposition-notification-to"
TYPE = "message/disposition-notification"

_REQUIRED = re.compile(r"=\s*required\b", re.IGNORECASE)
_BULK = ("bulk", "list", "junk", "auto_reply")
_MOST_HEADER = 16 * 1024  # octets of the message's header section that go back


@dataclass(frozen=True)
class ReceiptRequest:
    """Who wants to be told that a message was read. `needs_consent`: its receipt would go to another address than the
    message came from, so that no program may send it unasked (RFC 8098 section 2.1)."""

    to: Address
    needs_consent: bool


@dataclass(frozen=True)
class OutgoingDisposition:
    """What a receipt says: who read the message `message_id`, by which program, and whether they said so themselves."""

    recipient: str
    message_id: str
    reporter: str
    is_automatic: bool
    header: str
    """That of the message, as it came."""

    @property
    def fields(self) -> str:
        """The part for programs (RFC 8098 section 3.1)."""
        sent = "MDN-sent-automatically" if self.is_automatic else "MDN-sent-manually"
        lines = [f"Reporting-UA: {self.reporter}", f"Final-Recipient: rfc822;{self.recipient}"]
        lines += [f"Original-Message-ID: {self.message_id}"] if self.message_id else []
        return "".join(f"{line}\r\n" for line in [*lines, f"Disposition: manual-action/{sent}; displayed"])


def request(parsed: Summary, reverse_path: str) -> ReceiptRequest | None:
    """Who asks in a message to be told that it is read; None where nobody does, or none may be told.

    No list, no bulk mail and no program is told of its readers, nor several addresses at once, nor who demands what is
    not understood (RFC 8098 section 2.2).
    """
    if not parsed.header(FIELD):
        return None
    named = parsed.mailboxes(FIELD)
    address = named[0].address if len(named) == 1 else None
    if address is None or address.needs_smtputf8 or not reverse_path:
        return None
    if any(parsed.header(name) for name in ("list-id", "list-post", "list-unsubscribe")):
        return None
    if (parsed.header("precedence") or "").strip().lower() in _BULK:
        return None
    if (parsed.header("auto-submitted") or "no").partition(";")[0].strip().lower() != "no":
        return None
    if _REQUIRED.search(parsed.header("disposition-notification-options") or ""):
        return None
    return ReceiptRequest(address, _key(reverse_path) != address.key)


def header_of(raw: bytes) -> str:
    """The header section of a message, for a receipt that tells of it."""
    ends = [place for mark in (b"\r\n\r\n", b"\n\n") if (place := raw.find(mark)) >= 0]
    return raw[: min(ends, default=len(raw))][:_MOST_HEADER].decode("utf-8", "replace")


def is_receipt(parsed: Parsed) -> bool:
    """Whether a message is such a notification, so that no receipt for it is asked or sent (RFC 8098 section 2.1)."""
    return any(item.content_type == TYPE for item in parsed.attachments)


def _key(text: str) -> str:
    try:
        return Address.parse(text).key
    except AddressError:
        return ""
