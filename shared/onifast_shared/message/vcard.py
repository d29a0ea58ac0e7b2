"""vCards as values: whose card it is, and how they are reached (RFC 6350, and the older 2.1 and 3.0); never raises."""

from __future__ import annotations

import binascii
from dataclasses import dataclass

from onifast_shared.message import charsets
from onifast_shared.message.content_lines import ContentLine, lines

TYPES = ("text/vcard", "text/x-vcard", "text/directory")
_MOST_VALUES = 5


@dataclass(frozen=True)
class Card:
    """A person or an organisation."""

    name: str
    organisation: str
    emails: list[str]
    phones: list[str]


def cards(text: str, most: int) -> list[Card]:
    """The cards in a text, no more than `most`."""
    found: list[Card] = []
    current: list[ContentLine] = []
    for line in lines(text):
        if line.name == "BEGIN":
            current = []
        elif line.name == "END" and current and len(found) < most:
            found.append(_card(current))
            current = []
        else:
            current.append(line)
    return found


def _card(known: list[ContentLine]) -> Card:
    name = next(iter(_values(known, "FN")), "") or _name(known)
    organisation = next(iter(_values(known, "ORG")), "").strip(";").replace(";", ", ")
    return Card(
        name, organisation, _values(known, "EMAIL"), [tel.removeprefix("tel:") for tel in _values(known, "TEL")]
    )


def _name(known: list[ContentLine]) -> str:
    """The name from its parts: family, given, additional, prefixes, suffixes."""
    parts = [part.strip() for part in next(iter(_values(known, "N")), "").split(";")]
    return " ".join(filter(None, [*parts[1:2], *parts[:1]]))


def _values(known: list[ContentLine], name: str) -> list[str]:
    # A property may belong to a group: `item1.EMAIL`.
    found = [_text(line) for line in known if line.name.rpartition(".")[2] == name]
    return [text[:300] for text in found if text][:_MOST_VALUES]


def _text(line: ContentLine) -> str:
    if line.parameters.get("ENCODING", "").upper() != "QUOTED-PRINTABLE":
        return line.text
    return charsets.decode(binascii.a2b_qp(line.value.encode()), line.parameters.get("CHARSET", "")).strip()
