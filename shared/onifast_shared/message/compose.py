"""Messages built: from a draft, from a row that a script wrote, and a submission completed (RFC 6409 section 8)."""

from __future__ import annotations

import base64
import binascii
import email.utils
import io
import itertools
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Literal

from onifast_shared.message.conversion import are_ascii_lines
from onifast_shared.message.disposition import TYPE, OutgoingDisposition
from onifast_shared.message.headers import (
    LINE_LIMIT,
    encode_text,
    encode_words,
    fold,
    normalise_newlines,
    unfold,
)
from onifast_shared.message.html_text import to_text
from onifast_shared.message.parameters import write_parameter
from onifast_shared.message.sections import HeaderField, HeaderSection
from onifast_shared.values.address import Address, AddressError, split_list

_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,900}>")
_CONTENT_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_HTML_START = ("<!doctype", "<html")
MAX_REFERENCES = 50
_ENCODED_AT_ONCE = 57 * 8192  # octets of a file: whole lines
"""Ids in References: RFC 5322 leaves their number open; the first one and the latest are what threads hang on."""
Priority = Literal["", "high", "low"]
"""How a sender wants a message to be taken; "" is as any other."""
_PRIORITIES = {"high": ("1 (Highest)", "high"), "low": ("5 (Lowest)", "low")}
_NEVER_SENT = frozenset(("bcc", "resent-bcc"))
_JUDGED = _NEVER_SENT | {"from", "date", "message-id"}
_SAYS_SOMETHING = re.compile(rb"[!-~]")


class DraftError(ValueError):
    """A draft cannot become a message: `field` is the draft's field that is wrong, `text` what is wrong with it."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text}")
        self.field = field
        self.text = text


@dataclass(frozen=True)
class OutgoingAttachment:
    """A file to send. An unfit content type becomes application/octet-stream.

    So does message/rfc822 where the message is not in short lines of ASCII: its encoding may hide nothing else.
    """

    filename: str
    content_type: str
    data: bytes = b""
    file: IO[bytes] | None = None
    """Where its bytes are read from instead, from the beginning, each time."""

    def chunks(self, size: int) -> Iterator[bytes]:
        """Its bytes, so many at a time."""
        if self.file is None:
            yield from (self.data[start : start + size] for start in range(0, len(self.data), size))
            return
        self.file.seek(0)
        while chunk := self.file.read(size):
            yield chunk

    def whole(self) -> bytes:
        """All of its bytes."""
        return self.data if self.file is None else b"".join(self.chunks(_ENCODED_AT_ONCE))


@dataclass(frozen=True)
class EmbeddedImage:
    """An image that the HTML shows as `cid:` and its `content_id`, which has no angle brackets."""

    content_id: str
    filename: str
    content_type: str
    data: bytes


@dataclass(frozen=True)
class OutgoingCalendar:
    """A calendar object for the recipient's calendar (iMIP, RFC 6047); `method` is what it is sent for."""

    method: str
    text: str


@dataclass(frozen=True)
class Draft:
    """What a message is built from. Addresses are lists' entries such as `Ann <ann@example.org>`.

    `calendar` goes with a text, without HTML, and so does `disposition`, a read receipt. `bcc` is checked but not
    written. Of `text` and `html` one is enough;
    `images` are the HTML's. `in_reply_to` and `references` are message ids. `date` is now unless given. `priority` is
    told to readers' programs (RFC 2156's Importance, and what others have), and `asks_receipt` asks them to tell the
    sender that it was read (RFC 8098). `sender` wrote for `from_` (RFC 5322 section 3.6.2).
    """

    from_: str
    to: list[str]
    subject: str = ""
    text: str | None = None
    html: str | None = None
    images: Sequence[EmbeddedImage] = ()
    cc: list[str] = field(default_factory=list)
    bcc: list[str] = field(default_factory=list)
    in_reply_to: str | None = None
    references: list[str] = field(default_factory=list)
    attachments: list[OutgoingAttachment] = field(default_factory=list)
    date: datetime | None = None
    calendar: OutgoingCalendar | None = None
    sender: str | None = None
    reply_to: list[str] = field(default_factory=list)
    priority: Priority = ""
    asks_receipt: bool = False
    disposition: OutgoingDisposition | None = None


def build(draft: Draft, hostname: str) -> bytes:
    """The draft as a message with CRLF line ends, Date and Message-ID; raises DraftError.

    It is 7-bit clean with lines of at most 998 octets, so any server takes it; only an address with a non-ASCII local
    part brings UTF-8 into the header, and such an address needs SMTPUTF8 anyway.
    """
    whole = io.BytesIO()
    whole.writelines(_header_fields(draft, hostname))
    whole.writelines(_body(draft))
    return whole.getvalue()


def from_script(sender: str, recipient: str, subject: str, body: str, hostname: str) -> bytes:
    """The message that a row INSERTed into `outbox` stands for; raises DraftError.

    It is HTML if the body starts with `<!doctype` or `<html`, in any case, else text.
    """
    is_html = body.lstrip("\ufeff \t\r\n")[:9].lower().startswith(_HTML_START)
    draft = Draft(
        from_=sender.strip(),
        to=[recipient.strip()],
        subject=subject.strip(),
        text=None if is_html else body,
        html=body if is_html else None,
    )
    return build(draft, hostname)


def complete_head(head: HeaderSection, *, sender: Address, hostname: str) -> HeaderSection:
    """A submitted message's header section made whole (RFC 6409 section 8): what it lacks of Date, Message-ID and From
    is added, and Bcc dropped.

    What is added goes below the other fields, so that trace fields stay on top.
    """
    if any(map(_is_unwanted, head.fields)):
        head = head.changed(lambda field: b"" if _is_unwanted(field) else None)
    missing = b"" if head.has("from") else fold("From", str(sender))
    missing += b"" if head.has("date") else fold("Date", _date_text(None))
    missing += b"" if head.has("message-id") else fold("Message-ID", make_message_id(hostname))
    return head.with_below(missing)


def make_message_id(hostname: str) -> str:
    """A new id, with its angle brackets, that nobody can guess (RFC 5322 section 3.6.4)."""
    return f"<{secrets.token_hex(16)}@{hostname}>"


def is_message_id(text: str) -> bool:
    """Whether a text is an id, with its angle brackets, that can be written into a field."""
    return bool(_MESSAGE_ID.fullmatch(text))


def _is_unwanted(field: HeaderField) -> bool:
    if field.key not in _JUDGED or (field.value.isascii() and _SAYS_SOMETHING.search(field.value)):
        return field.key in _NEVER_SENT
    return field.key in _NEVER_SENT or not unfold(field.value).strip()


def _header_fields(draft: Draft, hostname: str) -> Iterator[bytes]:
    yield _address_field("from", "From", [draft.from_], required=True)
    if draft.sender:
        yield _address_field("from", "Sender", [draft.sender], required=True)
    to = _address_field("to", "To", draft.to)
    cc = _address_field("cc", "Cc", draft.cc)
    _address_field("bcc", "Bcc", draft.bcc)
    yield _address_field("reply_to", "Reply-To", draft.reply_to)
    yield to or (b"" if cc else b"To: undisclosed-recipients:;\r\n")
    yield cc
    _refuse_controls("subject", draft.subject)
    yield fold("Subject", encode_text(draft.subject))
    yield fold("Date", _date_text(draft.date))
    yield fold("Message-ID", make_message_id(hostname))
    yield _ids_field("in_reply_to", "In-Reply-To", [draft.in_reply_to] if draft.in_reply_to else [])
    yield _ids_field("references", "References", draft.references)
    if draft.priority:
        number, word = _PRIORITIES[draft.priority]
        yield fold("X-Priority", number) + fold("Importance", word)
    if draft.disposition:
        yield fold("Auto-Submitted", "auto-replied")  # RFC 8098 section 3, RFC 3834 section 5
    if draft.asks_receipt:
        yield _address_field("from", "Disposition-Notification-To", [draft.from_])
    yield b"MIME-Version: 1.0\r\n"


def _address_field(field_name: str, header: str, entries: Sequence[str], *, required: bool = False) -> bytes:
    written: list[str] = []
    for entry in entries:
        _refuse_controls(field_name, entry)
        for name, address in split_list(entry):
            written.append(_mailbox(field_name, name, address))
    if required and len(written) != 1:
        raise DraftError(field_name, "exactly one address is needed")
    return fold(header, ", ".join(written)) if written else b""


def mailbox(name: str, address: Address) -> str:
    """An entry of an address list (RFC 5322 section 3.4), its name in encoded words if it needs to be."""
    return f"{_phrase(name)} <{address}>" if name else str(address)


def _mailbox(field_name: str, name: str, text: str) -> str:
    try:
        return mailbox(name, Address.parse(text))
    except AddressError as error:
        raise DraftError(field_name, str(error)) from None


def _phrase(name: str) -> str:
    if not name.isascii() or "=?" in name or len(name) > LINE_LIMIT // 2:
        return " ".join(encode_words(name))
    if _ATOMS.fullmatch(name):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _ids_field(field_name: str, header: str, ids: Sequence[str]) -> bytes:
    for message_id in ids:
        if not is_message_id(message_id):
            raise DraftError(field_name, "not a message id in angle brackets")
    if len(ids) > MAX_REFERENCES:
        ids = [ids[0], *ids[1 - MAX_REFERENCES :]]
    return fold(header, " ".join(ids)) if ids else b""


def _refuse_controls(field_name: str, text: str) -> None:
    if _CONTROLS.search(text):
        raise DraftError(field_name, "contains a line end or control character")


def _date_text(date: datetime | None) -> str:
    return email.utils.format_datetime(date or datetime.now(UTC))


def _body(draft: Draft) -> Iterator[bytes]:
    """The body piece by piece: in base64 a file of 30 MiB would be there three times else, once in lines."""
    text = _text_part(draft)
    if not draft.attachments:
        yield text
        return
    parts = itertools.chain([[text]], map(_attachment_part, draft.attachments))
    yield from _multipart_pieces("mixed", parts)


def _text_part(draft: Draft) -> bytes:
    if draft.calendar is not None:
        return _with_calendar(draft, draft.calendar)
    if draft.disposition is not None:
        return _with_disposition(draft, draft.disposition)
    if draft.html is None:
        return _leaf("text/plain; charset=utf-8", draft.text or "")
    # Readers without HTML, and spam filters, want a text beside it.
    text = draft.text if draft.text is not None else to_text(draft.html) + "\n"
    plain = _leaf("text/plain; charset=utf-8", text)
    marked = _leaf("text/html; charset=utf-8", draft.html)
    if draft.images:
        marked = _multipart("related", [marked, *map(_image_part, draft.images)], 'type="text/html"')
    return _multipart("alternative", [plain, marked])


def _with_calendar(draft: Draft, calendar: OutgoingCalendar) -> bytes:
    """The object says the same as the text beside it (RFC 6047 section 2.4)."""
    text = _leaf("text/plain; charset=utf-8", draft.text or "")
    kind = f"text/calendar; charset=utf-8; method={calendar.method}"
    return _multipart("alternative", [text, _leaf(kind, calendar.text)])


def _with_disposition(draft: Draft, told: OutgoingDisposition) -> bytes:
    """Three parts: for people, for programs, and the header section of what it tells of (RFC 8098 section 3)."""
    parts = [
        _leaf("text/plain; charset=utf-8", draft.text or ""),
        _leaf(TYPE, told.fields),
        _leaf("text/rfc822-headers; charset=utf-8", told.header),
    ]
    return _multipart("report", parts, "report-type=disposition-notification")


def _leaf(content_type: str, text: str) -> bytes:
    data = normalise_newlines(text.encode("utf-8", "replace"))
    data = data if data.endswith(b"\r\n") else data + b"\r\n"
    encoding, encoded = _transfer_encode(data)
    head = fold("Content-Type", content_type) + fold("Content-Transfer-Encoding", encoding)
    return head + b"\r\n" + encoded


def _transfer_encode(data: bytes) -> tuple[str, bytes]:
    """The encoding that keeps text readable where it can be: 7bit, else quoted-printable, else base64."""
    longest = max(map(len, data.split(b"\r\n")))
    if data.isascii() and b"\0" not in data and longest <= LINE_LIMIT:
        return "7bit", data
    foreign = sum(data.count(octet) for octet in range(128, 256))
    if foreign * 4 < len(data) and b"\0" not in data:
        return "quoted-printable", _quoted_printable(data)
    return "base64", _base64_lines(data)


def _quoted_printable(data: bytes) -> bytes:
    return normalise_newlines(binascii.b2a_qp(data.replace(b"\r\n", b"\n"), istext=True))


def _base64_lines(data: bytes) -> bytes:
    return b"".join(_base64_pieces([data]))


def _base64_pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Of chunks that are whole lines each, but for the last one."""
    nothing = True
    for chunk in filter(None, chunks):
        nothing = False
        yield base64.encodebytes(chunk).replace(b"\n", b"\r\n")
    if nothing:
        yield b"\r\n"


def _attachment_part(attachment: OutgoingAttachment) -> Iterator[bytes]:
    _refuse_controls("attachments", attachment.filename)
    content_type = attachment.content_type
    disposition = f"attachment; {write_parameter('filename', attachment.filename)}"
    if content_type == "message/rfc822" and are_ascii_lines(message := attachment.whole()):
        yield fold("Content-Type", content_type) + fold("Content-Disposition", disposition) + b"\r\n"
        yield message
        return
    if not _CONTENT_TYPE.fullmatch(content_type) or content_type.lower().startswith(("multipart/", "message/")):
        # Neither may be base64 (RFC 2045 section 6.4).
        content_type = "application/octet-stream"
    yield from _file_pieces(content_type, attachment.chunks(_ENCODED_AT_ONCE), [("Content-Disposition", disposition)])


def _image_part(image: EmbeddedImage) -> bytes:
    disposition = f"inline; {write_parameter('filename', image.filename)}"
    head = [("Content-ID", f"<{image.content_id}>"), ("Content-Disposition", disposition)]
    return _file_part(image.content_type, image.data, head)


def _file_part(content_type: str, data: bytes, head: Sequence[tuple[str, str]]) -> bytes:
    return b"".join(_file_pieces(content_type, [data], head))


def _file_pieces(content_type: str, chunks: Iterable[bytes], head: Sequence[tuple[str, str]]) -> Iterator[bytes]:
    found = [("Content-Type", content_type), ("Content-Transfer-Encoding", "base64"), *head]
    yield b"".join(fold(name, value) for name, value in found) + b"\r\n"
    yield from _base64_pieces(chunks)


def _multipart(subtype: str, parts: Sequence[bytes], parameter: str = "") -> bytes:
    return b"".join(_multipart_pieces(subtype, ([part] for part in parts), parameter))


def _multipart_pieces(subtype: str, parts: Iterable[Iterable[bytes]], parameter: str = "") -> Iterator[bytes]:
    boundary = f"=_{secrets.token_hex(16)}"
    delimiter = f"--{boundary}".encode()
    head = fold("Content-Type", "; ".join(filter(None, (f"multipart/{subtype}", parameter, f'boundary="{boundary}"'))))
    yield head + b"\r\n"
    for part in parts:
        yield delimiter + b"\r\n"
        yield from part
        yield b"\r\n"
    yield delimiter + b"--\r\n"
