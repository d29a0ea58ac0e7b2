"""vCards as values: whose card it is, and how they are reached (RFC 6350, and the older 2.1 and 3.0); never raises."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from onifast_shared.message import charsets
from onifast_shared.message.content_lines import ContentLine, lines, write

TYPES = ("text/vcard", "text/x-vcard", "text/directory")
VcardVersion = Literal["3.0", "4.0"]
MOST_VALUES = 5
"""Addresses, and telephone numbers, of a card that somebody sent."""
MOST_IMPORTED = 50
"""Those of a card that a user imports."""

_CARD = re.compile(r"^BEGIN:VCARD\s*$(.*?)^END:VCARD\s*$", re.DOTALL | re.MULTILINE | re.IGNORECASE)
_OWN = frozenset(
    {"BEGIN", "END", "VERSION", "FN", "N", "ORG", "EMAIL", "TEL", "NOTE", "CATEGORIES", "UID", "PRODID", "REV"}
)
# Pictures and sounds are large, and nothing here shows them.
_LARGE = re.compile(r"^(?:[A-Z0-9-]+\.)?(?:PHOTO|LOGO|SOUND|KEY)[;:].*\n(?:[ \t].*\n)*", re.MULTILINE | re.IGNORECASE)
_MOST_OTHERS = 40
_LONGEST_OTHER = 1000
_COMMA = re.compile(r"(?<!\\),")


@dataclass(frozen=True)
class Card:
    """A person or an organisation. `groups` are the CATEGORIES that they belong to; `others` are lines of the card that
    mean nothing here, and are written as they were read."""

    name: str
    organisation: str
    emails: Sequence[str]
    phones: Sequence[str]
    note: str = ""
    groups: Sequence[str] = ()
    uid: str = ""
    others: Sequence[str] = ()


def cards(text: str, most: int) -> list[Card]:
    """The cards in a text, no more than `most`."""
    found: list[Card] = []
    current: list[ContentLine] = []
    for line in lines(text):
        if line.name == "BEGIN":
            current = []
        elif line.name == "END" and current and len(found) < most:
            found.append(_card(current, MOST_VALUES))
            current = []
        else:
            current.append(line)
    return found


def imported(text: str) -> Iterator[Card]:
    """The cards of a file of any length, with all that they say."""
    for match in _CARD.finditer(text.replace("\r\n", "\n").replace("\r", "\n")):
        yield _card(lines(_LARGE.sub("", match[1])), MOST_IMPORTED)


def written(some: Iterable[Card], version: VcardVersion = "3.0") -> str:
    """Cards as a file: vCard 3.0 (RFC 2426), which all programs read, or 4.0 (RFC 6350)."""
    return "".join(line for card in some for line in _lines_of(card, version))


def _lines_of(card: Card, version: VcardVersion) -> Iterator[str]:
    name = card.name or next(iter(card.emails), "") or card.organisation
    given, _, family = card.name.rpartition(" ")
    yield "BEGIN:VCARD\r\n"
    yield write("VERSION", version, is_text=False)
    yield write("FN", name)
    if version == "3.0" or card.name:
        # The parts of a name are divided by semicolons, which are not theirs (RFC 6350 section 6.2.2).
        yield write("N", ";".join(map(_part, (family, given, "", "", ""))), is_text=False)
    if card.organisation:
        yield write("ORG", _part(card.organisation), is_text=False)
    for email in card.emails:
        yield write("EMAIL;TYPE=INTERNET" if version == "3.0" else "EMAIL", email)
    for phone in card.phones:
        yield write("TEL" if version == "3.0" else "TEL;VALUE=text", phone)
    if card.note:
        yield write("NOTE", card.note)
    if card.groups:
        yield write("CATEGORIES", ",".join(map(_part, card.groups)), is_text=False)
    if card.uid:
        yield write("UID", card.uid)
    for other in card.others:
        head, _, value = other.partition(":")
        yield write(head, value, is_text=False)
    yield "END:VCARD\r\n"


def _part(text: str) -> str:
    return re.sub(r"([\\,;])", r"\\\1", text).replace("\n", "\\n")


def _card(known: list[ContentLine], most: int) -> Card:
    name = next(iter(_values(known, "FN", 1)), "") or _name(known)
    organisation = next(iter(_values(known, "ORG", 1)), "").strip(";").replace(";", ", ")
    phones = [tel.removeprefix("tel:") for tel in _values(known, "TEL", most)]
    return Card(
        name,
        organisation,
        _values(known, "EMAIL", most),
        phones,
        note=next(iter(_values(known, "NOTE", 1, 10_000)), ""),
        groups=[text for line in known if _base(line) == "CATEGORIES" for text in _listed(line)][:most],
        uid=next(iter(_values(known, "UID", 1)), ""),
        others=[text for text in map(_kept, known) if text][:_MOST_OTHERS],
    )


def _kept(line: ContentLine) -> str:
    """A line to be kept as it is; "" for one that is not."""
    if _base(line) in _OWN or line.parameters.get("ENCODING"):
        return ""
    parameters = "".join(
        f';{name}="{value}"' if re.search("[,:;]", value) else f";{name}={value}"
        for name, value in line.parameters.items()
    )
    text = f"{_base(line)}{parameters}:{line.value}"
    return text if line.value.strip() and len(text) <= _LONGEST_OTHER else ""


def _listed(line: ContentLine) -> list[str]:
    texts = (ContentLine("", {}, each).text for each in _COMMA.split(line.value))
    return [text[:100] for text in texts if text]


def _name(known: list[ContentLine]) -> str:
    """The name from its parts: family, given, additional, prefixes, suffixes."""
    parts = [part.strip() for part in next(iter(_values(known, "N", 1)), "").split(";")]
    return " ".join(filter(None, [*parts[1:2], *parts[:1]]))


def _base(line: ContentLine) -> str:
    # A property may belong to a group: `item1.EMAIL`.
    return line.name.rpartition(".")[2]


def _values(known: list[ContentLine], name: str, most: int, longest: int = 300) -> list[str]:
    found = [_text(line) for line in known if _base(line) == name]
    return [text[:longest] for text in found if text][:most]


def _text(line: ContentLine) -> str:
    if line.parameters.get("ENCODING", "").upper() != "QUOTED-PRINTABLE":
        return line.text
    return charsets.decode(binascii.a2b_qp(line.value.encode()), line.parameters.get("CHARSET", "")).strip()
