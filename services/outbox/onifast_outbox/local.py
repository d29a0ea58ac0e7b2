"""What a mailbox here gets besides the message: the trace of its last step, and the check that it goes in no circle."""

from __future__ import annotations

from onifast_shared.address import Address, AddressError
from onifast_shared.message import Summary, fold


def trace_of(mail_from: Address | None, recipient: Address) -> bytes:
    """The header fields of this copy alone (RFC 5321 section 4.4; Delivered-To is RFC 9228's)."""
    return fold("Return-Path", f"<{mail_from or ''}>") + fold("Delivered-To", str(recipient))


def is_loop(head: Summary, recipient: Address) -> bool:
    """Whether the message was in this very mailbox before, by its Delivered-To fields."""
    return any(name.lower() == "delivered-to" and _key(value) == recipient.key for name, value in head.headers)


def _key(text: str) -> str:
    try:
        return Address.parse(text.strip()).key
    except AddressError:
        return ""
