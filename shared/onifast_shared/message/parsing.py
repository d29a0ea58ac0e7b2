"""Messages parsed (RFC 5322, MIME): never an exception, whatever the bytes, and time proportional to their number."""

from __future__ import annotations

import email.utils
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice

from onifast_shared.message import address_fields, calendar, charsets, embedding, readable, vcard
from onifast_shared.message.address_fields import AddressEntry
from onifast_shared.message.calendar import Event
from onifast_shared.message.entities import Extent, Part
from onifast_shared.message.headers import decode_words, fields, split_head, unfold, unfold_octets
from onifast_shared.message.html_text import shows_something, to_text
from onifast_shared.message.mailing_list import posting_address
from onifast_shared.message.mime import MESSAGE_TYPES, charset_of, leaves
from onifast_shared.message.parameters import parse_parameters
from onifast_shared.message.readable import Block
from onifast_shared.message.sections import HeaderSection
from onifast_shared.message.vcard import Card
from onifast_shared.values.address import Address
from onifast_shared.values.lazy import lazy

SNIPPET_LENGTH = 200
_MOST_CARDS = 10
_MAX_HEAD = 1 << 20  # octets of header that are looked at
_MAX_FIELDS = 2000
_MAX_VALUE = 1 << 16  # octets of one field that are looked at
_MAX_SNIPPET_SOURCE = 100_000  # characters of the body that the snippet is looked for in
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,995}>")
_NEVER_ENCODED = ("authentication-results", "arc-", "dkim-signature", "received", "return-path", "delivered-to")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Summary:
    """What the header section says. All values are decoded text without control characters.

    Address fields as text are lists with the addresses that the fields have, and no other ones: a name with a comma in
    it stands in quotes.
    """

    def __init__(self, head: bytes) -> None:
        found = list(islice(fields(head[:_MAX_HEAD]), _MAX_FIELDS))
        if len(head) > _MAX_HEAD:
            found = found[:-1]  # it may go on, and an address that is cut is another one
        self._section: HeaderSection | None = None
        self._fields = [(name, _looked_at(name, value)) for name, value in found]

    @classmethod
    def of(cls, head: HeaderSection) -> Summary:
        """The summary of a header section that is in hand and within bounds; only what is asked for is read."""
        new = object.__new__(Summary)
        new._section = head
        return new

    @lazy
    def _fields(self) -> list[tuple[str, bytes]]:
        found = self._section.fields[:_MAX_FIELDS] if self._section else ()
        return [(field.name, _looked_at(field.key, field.value)) for field in found if field.key]

    @lazy
    def headers(self) -> list[tuple[str, str]]:
        """Every field in order: its name as written and its value, unfolded, and decoded where it may be encoded.

        In trace fields and results there are no encoded words (RFC 2047 section 5): what a stranger put there would
        look like what we write ourselves.
        """
        return [(name, self._shown(name, value)) for name, value in self._fields]

    @property
    def names(self) -> list[str]:
        """The name of every field in order, in lower case: no value is looked at for that."""
        return [name.lower() for name, _ in self._fields]

    @lazy
    def charset(self) -> str:
        """What octets outside of ASCII and UTF-8 are in, as far as the header says that; "" if it does not."""
        _, parameters = parse_parameters(unfold_octets(self._raw("content-type") or b""))
        label = parameters.get("charset", "")
        return label if charsets.is_of_a_script(label) else ""

    def header(self, name: str) -> str | None:
        """The first field of that name, unfolded and decoded."""
        raw = self._raw(name)
        return None if raw is None else self._decoded(name, raw)

    def texts(self, name: str) -> list[str]:
        """All fields of that name, as in `headers`."""
        return [self._shown(name, value) for value in self._all(name)]

    def mailboxes(self, name: str, longest: int | None = None) -> list[AddressEntry]:
        """The entries of all address fields of that name, whatever of these is an address.

        For who needs but a few, fields of more than `longest` octets are passed over: they are many addresses.
        """
        found = [each for each in self._all(name) if longest is None or len(each) <= longest]
        return address_fields.read(found, self.charset)

    @property
    def subject(self) -> str:
        """The decoded Subject; "" where there is none."""
        return self.header("subject") or ""

    @property
    def to(self) -> str:
        """The To fields as text, names decoded; "" where there is none."""
        return self._list("to")

    @property
    def cc(self) -> str:
        """The Cc fields as text, names decoded; "" where there is none."""
        return self._list("cc")

    @property
    def reply_to(self) -> str:
        """The Reply-To fields as text, names decoded; "" where there is none."""
        return self._list("reply-to")

    @property
    def list_post(self) -> Address | None:
        """Where answers to the mailing list go that it came through (RFC 2369); None where there is no such place."""
        return posting_address(unfold(self._raw("list-post") or b""))

    @property
    def sender(self) -> Address | None:
        """The first address of From that is one."""
        return self._author[1]

    @property
    def sender_name(self) -> str:
        """The name that stands with `sender`, or "" if there is none."""
        return self._author[0]

    @property
    def message_id(self) -> str:
        """With its angle brackets, or ""."""
        ids = self._ids("message-id")
        return ids[0] if ids else ""

    @property
    def in_reply_to(self) -> str:
        """The first id of the field, with its angle brackets, or ""."""
        return next(iter(self.in_reply_tos), "")

    @property
    def in_reply_tos(self) -> list[str]:
        """All ids of the field."""
        return self._ids("in-reply-to")

    @property
    def references(self) -> list[str]:
        """The ids of the field, the oldest first."""
        return self._ids("references")

    @property
    def date(self) -> datetime | None:
        """The Date field in UTC, if it can be read."""
        return _parse_date(self.header("date") or "")

    def people(self, name: str) -> str:
        """The address fields of one name as one list for people, who may edit it: domains in their own scripts."""
        return address_fields.shown(self.mailboxes(name)) or self.header(name) or ""

    def _list(self, name: str) -> str:
        """The address fields of one name as one list."""
        return address_fields.written(self.mailboxes(name)) or self.header(name) or ""

    def _raw(self, name: str) -> bytes | None:
        return next(iter(self._all(name)), None)

    def _all(self, name: str) -> list[bytes]:
        wanted = name.lower()
        if self._section is not None:
            return [_looked_at(wanted, value) for value in self._section.values(wanted)]
        return self._by_name.get(wanted, [])

    @lazy
    def _by_name(self) -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = {}
        for name, value in self._fields:
            found.setdefault(name.lower(), []).append(value)
        return found

    def _ids(self, name: str) -> list[str]:
        return _MESSAGE_ID.findall(unfold(self._raw(name) or b""))

    @lazy
    def authors(self) -> list[AddressEntry]:
        """Everybody whom a From field names, whether there is one or several."""
        return self.mailboxes("from")

    @lazy
    def _author(self) -> tuple[str, Address | None]:
        found = next((each for each in self.authors if each.address), None)
        return (found.name, found.address) if found else ("", None)

    def _shown(self, name: str, value: bytes) -> str:
        if name.lower().startswith(_NEVER_ENCODED):
            return _cleaned(unfold(value))
        return self._decoded(name, value)

    def _decoded(self, name: str, value: bytes) -> str:
        if name.lower() in address_fields.FIELDS:
            return address_fields.text_of(value, self.charset)
        return _cleaned(decode_words(unfold(value, self.charset)))


@dataclass(frozen=True)
class Attachment:
    """A part that is not the message's own text."""

    index: int
    filename: str
    content_type: str
    content_id: str
    _part: Part

    @property
    def data(self) -> bytes:
        """Its bytes, decoded; kept after the first time."""
        return self._part.data

    @property
    def size(self) -> int:
        """Octets of `data`."""
        return self._part.size

    def chunks(self) -> Iterator[bytes]:
        """`data` in pieces, decoded as they are asked for."""
        return self._part.chunks()

    def extent_in(self, raw: bytes) -> Extent | None:
        """Where it lies, encoded, in the message that it was found in."""
        return self._part.extent_in(raw)

    @property
    def text(self) -> str:
        """What it says, if it is text."""
        return self._part.text

    def text_head(self, length: int) -> str:
        """Some beginning of `text`: no more than comes from `length` octets of the encoded part."""
        return self._part.text_head(length)

    def head(self, length: int = 200) -> bytes:
        """Some beginning of `data`: what comes from `length` octets of the encoded part, enough to know its kind by."""
        return self._part.data_head(length)

    @property
    def content_location(self) -> str:
        """The URL that it stands for in the HTML (RFC 2557), or ""."""
        return self._part.content_location

    @property
    def image_type(self) -> str:
        """The type of image that a browser can show it as, by its content, or ""."""
        return embedding.image_type(self._part.content_type, self._part.data_head())

    @property
    def is_message(self) -> bool:
        """Whether it is a message (RFC 2046 section 5.2.1)."""
        return self.content_type in MESSAGE_TYPES

    @property
    def subject(self) -> str:
        """That of the message that it is."""
        return summary(self.data).subject

    @cached_property
    def message(self) -> Parsed | None:
        """The message that it is, None if it is anything else."""
        return Parsed(self.data) if self.is_message else None


class Parsed(Summary):
    """A whole message. Bodies and attachments are decoded when they are first asked for."""

    def __init__(self, raw: bytes) -> None:
        self._head = split_head(raw)[0]
        super().__init__(self._head)
        self._whole = raw
        self._leaves = leaves(raw)
        self._texts = readable.texts(self._leaves)

    @cached_property
    def charset(self) -> str:
        """What octets outside of ASCII and UTF-8 are in, in the header and in names of files, as far as it is known."""
        return charset_of(self._leaves, self._head[:_MAX_HEAD])

    @cached_property
    def text(self) -> str | None:
        """The plain text that its author wrote, with "\\n" for line ends; None if they wrote HTML only."""
        if not any(block.plain.strip() for block in self._blocks):
            return None if self.html is not None or not self._blocks else self._blocks[0].plain
        return "\n".join(block.plain if block.plain.strip() else to_text(block.marked) for block in self._blocks)

    @cached_property
    def html(self) -> str | None:
        """The HTML, unsanitised, None if there is none; plain texts beside it (a list's footer) become `<pre>`."""
        if not any(shows_something(block.marked) for block in self._blocks):
            return None
        return "\n".join(
            block.marked if shows_something(block.marked) else f"<pre>{html.escape(block.plain)}</pre>"
            for block in self._blocks
        )

    @cached_property
    def snippet(self) -> str:
        """The beginning of the text in one line, of at most 200 characters."""
        for block in self._texts.blocks:
            source = block.plain_head(_MAX_SNIPPET_SOURCE)
            if not source.strip():
                source = to_text(block.marked_head(_MAX_SNIPPET_SOURCE))
            if words := " ".join(_cleaned(source).split()):
                return words[:SNIPPET_LENGTH]
        return ""

    @cached_property
    def attachments(self) -> list[Attachment]:
        """The parts that are not the text, in order; `index` is the place in this list."""
        return [
            Attachment(index, part.filename_or(index, self.charset), part.content_type, part.content_id, part)
            for index, part in enumerate(self._texts.others)
        ]

    @property
    def octets(self) -> int:
        """How many the message has."""
        return len(self._whole)

    def extent_of(self, item: Attachment) -> Extent | None:
        """Where one of its attachments lies in it; None for one that it does not hold as an extent can say."""
        return item.extent_in(self._whole)

    @cached_property
    def embedded(self) -> dict[str, Attachment]:
        """The images that the HTML shows, by what it calls them: `cid:` and a Content-ID, or a Content-Location."""
        return embedding.embedded(self.html or "", self.attachments) if self._texts.others else {}

    @property
    def has_attachments(self) -> bool:
        """Whether there is anything attached that the text does not show by itself."""
        return len(self.attachments) > len({item.index for item in self.embedded.values()})

    @cached_property
    def protection(self) -> str:
        """What keeps its text from being read here: "pgp", "smime", "smime-signed", or ""."""
        return readable.protection(self._leaves)

    @cached_property
    def event(self) -> Event | None:
        """What its calendar object, if it has one, invites to."""
        found = (calendar.event(item.text) for item in self.attachments if item.content_type in calendar.TYPES)
        return next(filter(None, found), None)

    @cached_property
    def cards(self) -> list[Card]:
        """The vCards that are attached, or some of them."""
        texts = (item.text for item in self.attachments if item.content_type in vcard.TYPES)
        return [card for text in islice(texts, _MOST_CARDS) for card in vcard.cards(text, _MOST_CARDS)][:_MOST_CARDS]

    @cached_property
    def _blocks(self) -> list[Block]:
        return [block.read() for block in self._texts.blocks]


def parse(raw: bytes) -> Parsed:
    """The message that these bytes are; never raises."""
    return Parsed(raw)


def summary(raw_head: bytes) -> Summary:
    """What the header section of a message says; the rest of it need not be there. Never raises."""
    return Summary(split_head(raw_head)[0])


def _looked_at(name: str, value: bytes) -> bytes:
    return value if name.lower() in address_fields.FIELDS else value[:_MAX_VALUE]


def _cleaned(text: str) -> str:
    return _CONTROLS.sub(" ", text)


def _parse_date(text: str) -> datetime | None:
    try:
        date = email.utils.parsedate_to_datetime(text[:100])
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
