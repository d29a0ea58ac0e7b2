"""Address fields (RFC 5322 section 3.4): split while encoded, decoded afterwards, and written so that they can be read.

An encoded word stands for nothing but characters of a name (RFC 2047 section 5): one that holds a comma or an angle
bracket divides no list and makes no address, neither in the field nor in what is made of it here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from onifast_shared.message.headers import decode_words, settle, unfold, unfold_octets
from onifast_shared.values.address import Address, AddressError, split_list

FIELDS = frozenset((
    "from", "sender", "reply-to", "to", "cc", "bcc", "resent-from", "resent-sender", "resent-reply-to", "resent-to",
    "resent-cc", "resent-bcc", "mail-followup-to", "mail-reply-to", "disposition-notification-to",
    "return-receipt-to", "errors-to",
))  # fmt: skip
"""The fields that hold address lists, in lower case."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_MOST_WORDS = 4  # commas in a name without quotes
# What a name may hold without quotes: no character that means something in a list, nor anything like an address.
_PLAIN_NAME = re.compile(r"(?:[^\W_]|[ .'_-])+")


@dataclass(frozen=True)
class AddressEntry:
    """An entry of an address field: the name, decoded, and the address; None where what is `written` there is none."""

    name: str
    address: Address | None
    written: str

    @classmethod
    def of(cls, address: Address, name: str = "") -> AddressEntry:
        """An entry made of an address."""
        return cls(_one_line(name), address, str(address))

    @property
    def key(self) -> str:
        """The address for look-ups, "" where there is none."""
        return self.address.key if self.address else ""

    def __str__(self) -> str:
        """The entry as text that is read as the same entry: for programs, with the address in ASCII where it can be."""
        return _entry(self.name, str(self.address or _no_address(self.written)))

    @property
    def shown(self) -> str:
        """`str` for people, who may edit it: an internationalised domain in its own script."""
        return _entry(self.name, _for_people(self.address) if self.address else _no_address(self.written))


def read(values: Iterable[bytes], charset: str = "") -> list[AddressEntry]:
    """The entries of the fields of one name, given as `headers.fields` gives them; never raises.

    `charset` is what raw octets in names are in.
    """
    return [entry for value in values for entry in _joined(_mailbox(*each) for each in _split(value, charset))]


def typed(text: str) -> list[AddressEntry]:
    """The entries of a list that somebody typed, in which nothing is encoded."""
    return [AddressEntry(_one_line(name), _parsed(written), _one_line(written)) for name, written in split_list(text)]


def written(mailboxes: Iterable[AddressEntry]) -> str:
    """A list as text that is read as the same list."""
    return ", ".join(map(str, mailboxes))


def shown(mailboxes: Iterable[AddressEntry]) -> str:
    """`written` for people, who may edit it."""
    return ", ".join(each.shown for each in mailboxes)


def text_of(value: bytes, charset: str = "") -> str:
    """A field as text, names decoded: as a list, it has the addresses that the field has, and no other one.

    What holds no entry, such as `undisclosed-recipients:;`, stays as it is, encoded words too.
    """
    return written(read([value], charset)) or _one_line(unfold(value, charset))


def unique(mailboxes: Iterable[AddressEntry]) -> list[AddressEntry]:
    """Each mailbox that has an address, once."""
    found: dict[str, AddressEntry] = {}
    for each in mailboxes:
        if each.address is not None:
            found.setdefault(each.key, each)
    return list(found.values())


def _split(value: bytes, charset: str) -> list[tuple[str, str]]:
    """Names and what is written for addresses. The latter, and where one begins, depend on no charset: whoever reads
    the field has to read the same addresses, or DMARC would be asked of another domain than is shown."""
    entries = split_list(unfold(value))
    if value.isascii() or not charset:  # raw ISO-2022-JP is taken for the ASCII that it is to all others
        return entries
    named = split_list(unfold_octets(value))
    if len(named) != len(entries):
        return entries
    return [(settle(name, charset), written) for (name, _), (_, written) in zip(named, entries, strict=True)]


def _joined(entries: Iterable[AddressEntry]) -> Iterator[AddressEntry]:
    """The entries, `Doe, John <john@x.test>` being one of them: the comma in the name should have stood in quotes."""
    words: list[AddressEntry] = []
    for each in entries:
        if each.address is None and not each.name and _PLAIN_NAME.fullmatch(each.written) and len(words) < _MOST_WORDS:
            words.append(each)
            continue
        if each.address and each.name:
            yield AddressEntry(", ".join([*(word.written for word in words), each.name]), each.address, each.written)
        else:
            yield from (*words, each)
        words = []
    yield from words


def _mailbox(name: str, written: str) -> AddressEntry:
    address = _parsed(written)
    return AddressEntry(
        _one_line(decode_words(name)), address, _one_line(written if address is not None else decode_words(written))
    )


def _parsed(text: str) -> Address | None:
    try:
        return Address.parse(text)
    except AddressError:
        return None


def _entry(name: str, address: str) -> str:
    if not name:
        return address
    return f"{name if _PLAIN_NAME.fullmatch(name) else _quoted(name)} <{address}>"


def _for_people(address: Address) -> str:
    return address.display if _parsed(address.display) == address else str(address)


def _no_address(text: str) -> str:
    """Text that stood where an address should: whatever it holds, it is none when it is read again."""
    return text if _PLAIN_NAME.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _one_line(text: str) -> str:
    return " ".join(_CONTROLS.sub(" ", text).split())
