"""Contacts: the people whom a user keeps in an address book of their own, and the groups that these belong to."""

from __future__ import annotations

import json
import re
import unicodedata
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.message.vcard import MOST_IMPORTED, Card
from onifast_shared.values.address import Address, AddressError

MOST = 10_000
"""Contacts of one user."""
LONGEST_NAME = 200
LONGEST_NOTE = 10_000

_WORD = re.compile(r"[\W_]+")
_LINE_ENDS = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class ContactError(ValueError):
    """A contact cannot be kept: `field` is what is wrong in it."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True)
class Contact:
    """Somebody in a user's address book. `card` is what is known of them, its addresses as people read them."""

    id: int
    card: Card
    changed_ts: int

    @property
    def title(self) -> str:
        """What they are called in lists."""
        return self.card.name or self.card.organisation or next(iter(self.card.emails), "")


@dataclass(frozen=True)
class ImportedContacts:
    """What became of the cards of a file: how many are new, were merged into known ones, and had nothing to keep."""

    added: int = 0
    merged: int = 0
    skipped: int = 0


def folded(text: str) -> str:
    """A text as names are searched: without accents, in lower case, each word after a space."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(each for each in plain if not unicodedata.combining(each))
    return f" {' '.join(_WORD.split(kept)).strip()}"


def words_of(name: str, *addresses: str) -> str:
    """What somebody is found by: the words of a name, the beginnings of addresses, and of their parts."""
    whole = " ".join(f" {address.casefold()}" for address in addresses)
    return f"{folded(name)}{whole}{''.join(map(folded, addresses))}"[:4000]


def checked(card: Card) -> Card:
    """A card as it is kept; raises ContactError."""
    name, organisation = _line(card.name), _line(card.organisation)
    for field, text in (("name", name), ("organisation", organisation)):
        if len(text) > LONGEST_NAME:
            raise ContactError(field, f"at most {LONGEST_NAME} characters")
    note = _CONTROLS.sub("", card.note.replace("\r\n", "\n")).strip()
    if len(note) > LONGEST_NOTE:
        raise ContactError("note", f"at most {LONGEST_NOTE:,} characters")
    emails = _emails(card.emails)
    phones = _unique(card.phones, 60, "phones")
    groups = _unique(card.groups, 100, "groups")
    if not (name or organisation or emails):
        raise ContactError("name", "a name or an address is needed")
    return replace(
        card, name=name, organisation=organisation, emails=emails, phones=phones, groups=groups, note=note,
        uid=_line(card.uid)[:200], others=tuple(card.others),
    )  # fmt: skip


def list_all(tx: Connection, owner: str, q: str = "", group: str = "") -> list[Contact]:
    """A user's contacts by name, those alone whose words begin with those of `q`, or that are in a group."""
    sql, values = f"SELECT {_COLUMNS} FROM contacts WHERE owner = ?", [owner]
    for word in _words(q):
        sql, values = f"{sql} AND instr(words, ?)", [*values, word]
    rows = [_contact(row) for row in tx.execute(sql, values)]
    chosen = [each for each in rows if not group or group in each.card.groups]
    return sorted(chosen, key=lambda each: folded(each.title))


def suggest(tx: Connection, owner: str, q: str, limit: int) -> list[Contact]:
    """Some contacts with an address whose words begin with those of `q`."""
    sql, values = f"SELECT {_COLUMNS} FROM contacts WHERE owner = ? AND emails <> '[]'", [owner]
    for word in _words(q):
        sql, values = f"{sql} AND instr(words, ?)", [*values, word]
    return [_contact(row) for row in tx.execute(f"{sql} ORDER BY name LIMIT ?", (*values, limit))]


def get(tx: Connection, owner: str, contact_id: int) -> Contact | None:
    """One contact of this user's."""
    if not 0 < contact_id < 2**63:
        return None
    row = tx.execute(f"SELECT {_COLUMNS} FROM contacts WHERE owner = ? AND id = ?", (owner, contact_id)).fetchone()
    return None if row is None else _contact(row)


def of_address(tx: Connection, owner: str, address: Address) -> Contact | None:
    """The contact who has an address."""
    sql = "SELECT contact_id FROM contact_addresses WHERE owner = ? AND address = ? ORDER BY contact_id LIMIT 1"
    found = tx.execute(sql, (owner, address.key)).get
    return None if found is None else get(tx, owner, int(found))


def groups(tx: Connection, owner: str) -> dict[str, list[Contact]]:
    """A user's groups by name, each with its members who have an address."""
    found: dict[str, list[Contact]] = {}
    for row in tx.execute(
        f"SELECT {_COLUMNS} FROM contacts WHERE owner = ? AND groups <> '[]' ORDER BY name", (owner,)
    ):
        contact = _contact(row)
        for name in contact.card.groups:
            found.setdefault(name, []).append(contact)
    return dict(sorted(found.items(), key=lambda item: folded(item[0])))


def add(tx: Connection, owner: str, card: Card, now: float) -> Contact:
    """Keeps somebody new; raises ContactError."""
    if int(tx.execute("SELECT count(*) FROM contacts WHERE owner = ?", (owner,)).get) >= MOST:
        raise ContactError("name", f"there are {MOST:,} contacts already, which is the most")
    kept = checked(card)
    kept = replace(kept, uid=kept.uid or f"urn:uuid:{uuid.uuid4()}")
    sql = f"INSERT INTO contacts (owner, {', '.join(_WRITTEN)}) VALUES ({', '.join('?' * (len(_WRITTEN) + 1))})"
    tx.execute(sql, (owner, *_values(kept, now)))
    contact_id = tx.last_insert_rowid()
    _note_addresses(tx, owner, contact_id, kept)
    return Contact(contact_id, kept, int(now))


def change(tx: Connection, owner: str, contact_id: int, card: Card, now: float) -> Contact | None:
    """Writes a card in the place of the one before; None for no such contact. Raises ContactError."""
    before = get(tx, owner, contact_id)
    if before is None:
        return None
    kept = checked(replace(card, uid=before.card.uid))
    sql = f"UPDATE contacts SET {', '.join(f'{name} = ?' for name in _WRITTEN)} WHERE id = ?"
    tx.execute(sql, (*_values(kept, now), contact_id))
    tx.execute("DELETE FROM contact_addresses WHERE contact_id = ?", (contact_id,))
    _note_addresses(tx, owner, contact_id, kept)
    return Contact(contact_id, kept, int(now))


def remove(tx: Connection, owner: str, ids: Iterable[int]) -> int:
    """Takes contacts away; how many there were."""
    return sum(
        tx.execute("DELETE FROM contacts WHERE owner = ? AND id = ? RETURNING 1", (owner, each)).get or 0
        for each in set(ids)
        if 0 < each < 2**63
    )


def take_in(tx: Connection, owner: str, cards: Iterable[Card], now: float) -> ImportedContacts:
    """Keeps the cards of a file: one with an address, or the UID, of somebody known becomes one with theirs.

    Raises ContactError, where there are too many.
    """
    added = merged = skipped = 0
    for card in cards:
        try:
            kept = checked(_tolerant(card))
        except ContactError:
            skipped += 1
            continue
        known = _known(tx, owner, kept)
        if known is None:
            add(tx, owner, kept, now)
            added += 1
        elif (whole := joined(known.card, kept)) == known.card:
            skipped += 1
        else:
            change(tx, owner, known.id, whole, now)
            merged += 1
    return ImportedContacts(added, merged, skipped)


def duplicates(tx: Connection, owner: str) -> list[list[Contact]]:
    """Contacts that look like one person: they share an address, or a name."""
    sets: dict[str, list[Contact]] = {}
    for contact in list_all(tx, owner):
        keys = [f"@{_key(each)}" for each in contact.card.emails]
        keys += [folded(contact.card.name)] if contact.card.name else []
        together = [contact]
        for each in {id(sets[key]): sets[key] for key in keys if key in sets}.values():
            together = [*each, *together]
        for member in together:
            keys += [f"@{_key(each)}" for each in member.card.emails] + (
                [folded(member.card.name)] if member.card.name else []
            )
        sets |= dict.fromkeys(keys, together)
    unique = {id(each): each for each in sets.values() if len(each) > 1}
    return list(unique.values())


def merge_duplicates(tx: Connection, owner: str, now: float) -> int:
    """Makes one of each of `duplicates`; how many contacts are gone by that."""
    gone = 0
    for same in duplicates(tx, owner):
        first, *others = sorted(same, key=lambda each: each.id)
        card = first.card
        for each in others:
            card = joined(card, each.card)
        change(tx, owner, first.id, card, now)
        gone += remove(tx, owner, [each.id for each in others])
    return gone


def joined(one: Card, other: Card) -> Card:
    """Two cards of one person as one; what both say, the first one says."""
    known = {_key(each) for each in one.emails}
    phones = {re.sub(r"\D", "", each) for each in one.phones}
    # Two who share an address keep both names.
    also = other.name if one.name and folded(other.name).strip() not in folded(f"{one.name} {one.note}") else ""
    lines = [text for text in (also, other.note) if text and text not in one.note]
    note = "\n".join(filter(None, [one.note, *lines]))
    return replace(
        one,
        name=one.name or other.name,
        organisation=one.organisation or other.organisation,
        emails=(*one.emails, *(each for each in other.emails if _key(each) not in known))[:MOST_IMPORTED],
        phones=(*one.phones, *(each for each in other.phones if re.sub(r"\D", "", each) not in phones))[:MOST_IMPORTED],
        groups=tuple(dict.fromkeys((*one.groups, *other.groups)))[:MOST_IMPORTED],
        note=note[:LONGEST_NOTE],
        others=tuple(dict.fromkeys((*one.others, *other.others)))[:MOST_IMPORTED],
    )


_WRITTEN = ("uid", "name", "organisation", "emails", "phones", "groups", "note", "others", "words", "changed_ts")
_COLUMNS = "id, uid, name, organisation, emails, phones, groups, note, others, changed_ts"


def _values(card: Card, now: float) -> tuple[str | int, ...]:
    texts = [json.dumps(list(each), ensure_ascii=False) for each in (card.emails, card.phones, card.groups)]
    others = json.dumps(list(card.others), ensure_ascii=False)
    words = words_of(f"{card.name} {card.organisation}", *card.emails)
    return (card.uid, card.name, card.organisation, *texts, card.note, others, words, int(now))


def _contact(row: Sequence[Any]) -> Contact:
    emails, phones, names, others = (tuple(json.loads(row[place])) for place in (4, 5, 6, 8))
    card = Card(row[2], row[3], emails, phones, note=row[7], groups=names, uid=row[1], others=others)
    return Contact(int(row[0]), card, int(row[9]))


def _note_addresses(tx: Connection, owner: str, contact_id: int, card: Card) -> None:
    for address in dict.fromkeys(map(_key, card.emails)):
        sql = "INSERT OR IGNORE INTO contact_addresses (owner, address, contact_id) VALUES (?, ?, ?)"
        tx.execute(sql, (owner, address, contact_id))


def _known(tx: Connection, owner: str, card: Card) -> Contact | None:
    for email in card.emails:
        if found := of_address(tx, owner, Address.parse(email)):
            return found
    if not card.uid:
        return None
    found_id = tx.execute("SELECT id FROM contacts WHERE owner = ? AND uid = ? LIMIT 1", (owner, card.uid)).get
    return None if found_id is None else get(tx, owner, int(found_id))


def _tolerant(card: Card) -> Card:
    """A card of a file, without addresses that are none, and cut where it is too long: the rest is worth keeping."""
    emails = [each for each in card.emails if _key(each)]
    return replace(
        card,
        name=_line(card.name)[:LONGEST_NAME],
        organisation=_line(card.organisation)[:LONGEST_NAME],
        emails=emails[:MOST_IMPORTED],
        phones=[_line(each)[:60] for each in card.phones[:MOST_IMPORTED]],
        groups=[_line(each)[:100] for each in card.groups[:MOST_IMPORTED]],
        note=card.note[:LONGEST_NOTE],
    )


def _emails(texts: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for text in filter(None, map(_line, texts)):
        try:
            address = Address.parse(text)
        except AddressError as error:
            raise ContactError("emails", f"{text[:80]!r}: {error}") from None
        found.setdefault(address.key, address.display)
    if len(found) > MOST_IMPORTED:
        raise ContactError("emails", f"at most {MOST_IMPORTED} addresses")
    return tuple(found.values())


def _unique(texts: Iterable[str], longest: int, field: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(filter(None, map(_line, texts))))
    if len(found) > MOST_IMPORTED or any(len(each) > longest for each in found):
        raise ContactError(field, f"at most {MOST_IMPORTED}, each of {longest} characters at the most")
    return found


def _line(text: str) -> str:
    return " ".join(_LINE_ENDS.sub(" ", text).split())


def _key(text: str) -> str:
    try:
        return Address.parse(text).key
    except AddressError:
        return ""


def _words(q: str) -> list[str]:
    """What `words` has to hold: the words that were typed, each at a word's beginning; an address whole."""
    return [f" {word.casefold()}" if "@" in word else folded(word) for word in q.split()[:8] if folded(word).strip()]
