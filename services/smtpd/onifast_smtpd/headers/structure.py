"""The form of a message: whether its header, lines and parts are within bounds that every reader of mail can bear."""

from __future__ import annotations

from onifast_shared.machine.config import Settings
from onifast_shared.message import mime
from onifast_shared.message.headers import has_long_line
from onifast_shared.message.sections import HeaderSection, RawMessage
from onifast_shared.values.reply import Reply

from onifast_smtpd.headers.trace import count_received

MAX_HOPS = 50  # Received headers; RFC 5321 section 6.3 asks for 100 at the most, loops here are shorter


def judge_line_ends(settings: Settings, *, bare: bool, local: bool) -> Reply | None:
    """Bare CR or LF (RFC 5321 section 2.3.8): another system may see an end of data in it, so none comes in.

    Those of local programs can be repaired: many write their own system's line ends.
    """
    if not bare or (local and settings.bare_line_ends == "repair"):
        return None
    return Reply(550, "5.6.11", "message has a bare CR or LF; lines must end with CRLF")


def head_too_large(settings: Settings) -> Reply:
    """The refusal of a header section that is larger than allowed."""
    return Reply(552, "5.3.4", f"header section exceeds {settings.max_header_size} octets")


def judge_head(head: HeaderSection, settings: Settings) -> Reply | None:
    """Whether a header has too many fields, or the message has been around too often (RFC 5321 section 6.3)."""
    if _count_fields(head.octets, settings.max_header_fields) > settings.max_header_fields:
        return Reply(552, "5.3.4", f"header section has more than {settings.max_header_fields} fields")
    received = count_received(head)
    if received > MAX_HOPS:
        return Reply(554, "5.4.6", f"too many hops, {received} Received headers: this looks like a loop")
    return None


def judge_lines(raw: bytes, settings: Settings) -> Reply | None:
    """Whether a line is too long."""
    limit = settings.max_line_length
    return Reply(554, "5.6.0", f"message has a line of more than {limit} octets") if has_long_line(raw, limit) else None


def judge_nul(raw: bytes, *, is_binary: bool) -> Reply | None:
    """NUL octets from outside: no message has any (RFC 5322 section 2.1), unless it is binary (RFC 3030).

    Programs end a text at one, so what is behind it is seen by some and hidden from others.
    """
    if is_binary or b"\0" not in raw:
        return None
    return Reply(550, "5.6.0", "message has a NUL octet; binary data must be encoded, or sent as BINARYMIME")


def may_have_many_parts(message: RawMessage, settings: Settings) -> bool:
    """Whether a message's parts are worth being counted: only a multipart has any.

    Each takes a line that begins with two hyphens.
    """
    if not any(b"multipart/" in value.lower() for value in message.head.values("content-type")):
        return False
    return message.octets.count(b"\n--") >= min(settings.max_mime_depth, settings.max_mime_parts)


def judge_parts(raw: bytes, settings: Settings) -> Reply | None:
    """Whether a message has too many parts, or too deeply nested ones. Takes a moment for large messages."""
    structure = mime.measure(raw, settings.max_mime_depth, settings.max_mime_parts)
    if structure.depth > settings.max_mime_depth:
        return Reply(550, "5.6.0", f"message has parts nested more than {settings.max_mime_depth} deep")
    if structure.parts > settings.max_mime_parts:
        return Reply(550, "5.6.0", f"message has more than {settings.max_mime_parts} parts")
    return None


def _count_fields(head: bytes, enough: int) -> int:
    """How many fields a header has; where all lines are no more than `enough`, their number."""
    lines = head.count(b"\n")
    if lines <= enough:
        return lines
    return lines - head.count(b"\n ") - head.count(b"\n\t")
