"""Contacts in CSV (RFC 4180), with the headings that Google Contacts, Outlook and Thunderbird have."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import Literal

from onifast_shared.message.vcard import Card

CsvHeadings = Literal["google", "outlook"]

_LONGEST_FIELD = 20_000
# What the headings of those programs mean here, in English and German.
_MEANINGS: tuple[tuple[str, str], ...] = (
    (r"(?:name|display name|full name|file as|anzeigename)", "name"),
    (r"(?:first name|given name|vorname)", "first"),
    (r"(?:middle name|additional name|weitere vornamen|zweiter vorname)", "middle"),
    (r"(?:last name|family name|surname|nachname)", "last"),
    (r"(?:organization(?: 1 - | )?name|organization|organisation|company|firma)", "organisation"),
    (
        r"(?:e-?mail(?: \d)?(?: address| - value)?|primary email|secondary email|e-mail-adresse(?: \d)?"
        r"|e-mail \d: adresse)",
        "email",
    ),
    (
        r"(?:phone \d - value|(?:mobile|business|home|work|primary|other|company main|car) phone(?: \d)?"
        r"|(?:mobile|pager)(?: number)?"
        r"|phone|mobiltelefon|telefon.*)",
        "phone",
    ),
    (r"(?:notes?|notizen)", "note"),
    (r"(?:labels|group membership|categories|kategorien|groups?)", "groups"),
)  # fmt: skip
_KNOWN = tuple((re.compile(pattern), meaning) for pattern, meaning in _MEANINGS)
_SYSTEM_GROUP = re.compile(r"^\* ?")  # Google marks its own groups so
_EVERYBODY = {"mycontacts", "my contacts", "starred"}
_OUTLOOK_PHONES = ("Mobile Phone", "Business Phone", "Home Phone", "Other Phone")
_MOST_WRITTEN = {"google": 5, "outlook": 3}
# A spreadsheet would take such a text for a formula, and names come from anybody.
_FORMULA = re.compile(r"[=+\-@\t\r]")
_TELEPHONE = re.compile(r"\+[\d ()./-]+")


class NoContacts(ValueError):
    """A table has no column that names people or their addresses."""


def decoded(data: bytes) -> str:
    """A file's text: UTF-8, UTF-16 with its mark, or what Windows wrote before these."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def imported(text: str) -> Iterator[Card]:
    """The contacts of a table; raises NoContacts."""
    head, _, _ = text.lstrip("\ufeff\r\n").partition("\n")
    delimiter = max(",;\t", key=head.count)
    rows = csv.reader(io.StringIO(text.lstrip("\ufeff\r\n"), newline=""), delimiter=delimiter)
    try:
        columns = [_meaning(heading) for heading in next(rows, [])]
        if not {"name", "first", "last", "email"} & set(columns):
            raise NoContacts
        for row in rows:
            yield _card(columns, row)
    except csv.Error:
        raise NoContacts from None


def written(cards: Iterable[Card], headings: CsvHeadings) -> str:
    """Contacts as a table for a program that has these headings."""
    cards = list(cards)
    most = _MOST_WRITTEN[headings]
    rows = [(_google if headings == "google" else _outlook)(card, most) for card in cards]
    names = list(dict.fromkeys(name for row in rows or [_empty(headings, most)] for name in row))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, names, restval="", quoting=csv.QUOTE_MINIMAL)
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _harmless(value) for name, value in row.items()})
    return out.getvalue()


def _empty(headings: CsvHeadings, most: int) -> dict[str, str]:
    return (_google if headings == "google" else _outlook)(Card("", "", [""], [""]), most)


def _meaning(heading: str) -> str:
    plain = " ".join(heading.replace("\ufeff", "").strip().lower().split())
    return next((meaning for pattern, meaning in _KNOWN if pattern.fullmatch(plain)), "")


def _card(columns: list[str], row: list[str]) -> Card:
    found: dict[str, list[str]] = {}
    for meaning, value in zip(columns, row, strict=False):
        text = _unmarked(value.strip()[:_LONGEST_FIELD])
        if meaning and text:
            # Google has several values in one field.
            found.setdefault(meaning, []).extend(each.strip() for each in text.split(":::") if each.strip())
    parts = [text for name in ("first", "middle", "last") for text in found.get(name, [])[:1]]
    return Card(
        next(iter(found.get("name", [])), "") or " ".join(parts),
        next(iter(found.get("organisation", [])), ""),
        found.get("email", []),
        found.get("phone", []),
        note="\n".join(found.get("note", [])),
        groups=[name for text in found.get("groups", []) for name in _groups(text)],
    )


def _groups(text: str) -> list[str]:
    names = (_SYSTEM_GROUP.sub("", each).strip() for each in text.split(";"))
    return [name for name in names if name and name.lower() not in _EVERYBODY]


def _google(card: Card, most: int) -> dict[str, str]:
    given, _, family = card.name.rpartition(" ")
    row = {"Name": card.name, "First Name": given or family, "Last Name": family if given else ""}
    row |= {"Organization Name": card.organisation, "Notes": card.note, "Labels": " ::: ".join(card.groups)}
    row |= {f"E-mail {n} - Value": text for n, text in enumerate(card.emails[:most], 1)}
    return row | {f"Phone {n} - Value": text for n, text in enumerate(card.phones[:most], 1)}


def _outlook(card: Card, most: int) -> dict[str, str]:
    given, _, family = card.name.rpartition(" ")
    row = {"First Name": given or family, "Last Name": family if given else "", "Company": card.organisation}
    places = ["E-mail Address", *(f"E-mail {n} Address" for n in range(2, most + 1))]
    row |= dict(zip(places, card.emails, strict=False))
    row |= dict(zip(_OUTLOOK_PHONES, card.phones, strict=False))
    return row | {"Notes": card.note, "Categories": ";".join(card.groups)}


def _harmless(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) and not _TELEPHONE.fullmatch(text) else text


def _unmarked(text: str) -> str:
    """Takes back what `_harmless` did."""
    return text[1:] if text[:1] == "'" and _FORMULA.match(text[1:]) else text
