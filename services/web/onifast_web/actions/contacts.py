"""Contacts for API and webmail: changed, taken in from files and given out as such, offered while somebody types."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from onifast_shared.db.database import Connection
from onifast_shared.message import address_fields, contact_csv, vcard
from onifast_shared.message.address_fields import AddressEntry
from onifast_shared.message.contact_csv import NoContacts
from onifast_shared.message.vcard import Card
from onifast_shared.recipients import addressees, contacts
from onifast_shared.recipients.contacts import Contact, ContactError, ImportedContacts
from onifast_shared.values.address import Address, AddressError

from onifast_web.access.context import Web
from onifast_web.http.problems import Problem, not_found, unprocessable
from onifast_web.languages.texts import _

ContactFormat = Literal["vcard3", "vcard4", "google", "outlook"]
FORMATS: Sequence[ContactFormat] = get_args(ContactFormat)
MOST_OCTETS = 20 * 1024 * 1024
"""Of a file of contacts, pictures and all."""
MOST_OFFERED = 8
_AT_ONCE = 200  # contacts that one transaction takes in: others write too


@dataclass(frozen=True)
class Offer:
    """What completion offers: somebody, or a group, by its name, of several. `entries` are as a recipients' field has
    them."""

    name: str
    entries: list[str]
    is_group: bool = False
    is_contact: bool = False

    @property
    def address(self) -> str:
        """Whose address it is; "" for a group."""
        entry = address_fields.typed(self.entries[0])[0]
        return "" if self.is_group or entry.address is None else entry.address.display


def offers(web: Web, username: str, q: str, limit: int = MOST_OFFERED) -> list[Offer]:
    """Whom somebody may mean who types `q`: groups, then people by how much they are written to, then contacts."""
    return web.database.read(lambda tx: _offers(tx, username, q[:200], limit))


def put(web: Web, username: str, contact_id: int | None, card: Card) -> Contact:
    """Keeps a contact: a new one for None. Raises Problem(404), Problem(422)."""

    def write(tx: Connection) -> Contact | None:
        if contact_id is None:
            return contacts.add(tx, username, card, web.clock())
        return contacts.change(tx, username, contact_id, card, web.clock())

    try:
        found = web.database.write(write)
    except ContactError as error:
        raise unprocessable(error.field, str(error)) from None
    if found is None:
        raise not_found("contact")
    return found


def remove(web: Web, username: str, ids: Iterable[int]) -> int:
    """Takes contacts away; how many there were."""
    return web.database.write(lambda tx: contacts.remove(tx, username, ids))


def take_in(web: Web, username: str, data: bytes) -> ImportedContacts:
    """Takes a file in: vCards, or a table as Google, Outlook or Thunderbird write it. Raises Problem(413, 422)."""
    if len(data) > MOST_OCTETS:
        raise Problem(413, _("The file is larger than %(value)s MiB.", value=MOST_OCTETS // 2**20))
    text = contact_csv.decoded(data)
    is_cards = "BEGIN:VCARD" in text[:20_000].upper()
    try:
        cards = list(vcard.imported(text) if is_cards else contact_csv.imported(text))
    except NoContacts:
        cards = []
    if not cards:
        raise unprocessable(
            "file",
            _("no contacts in it; it has to be a vCard file (.vcf), or a CSV file of Google, Outlook or Thunderbird"),
        )
    found = ImportedContacts()
    try:
        for some in _batches(cards):
            more = web.database.write(lambda tx, some=some: contacts.take_in(tx, username, some, web.clock()))  # type: ignore[misc]
            found = ImportedContacts(found.added + more.added, found.merged + more.merged, found.skipped + more.skipped)
    except ContactError as error:
        taken = (
            _("%(value)s were taken in before that", value=f"{found.added + found.merged:,}")
            if found.added + found.merged
            else ""
        )
        raise unprocessable("file", "; ".join(filter(None, [str(error), taken]))) from None
    return found


def file_of(web: Web, username: str, chosen: ContactFormat) -> tuple[bytes, str, str]:
    """All contacts as a file: its bytes, its name and its media type."""
    cards = [each.card for each in web.database.read(lambda tx: contacts.list_all(tx, username))]
    match chosen:
        case "vcard3":
            return vcard.written(cards, "3.0").encode(), "contacts.vcf", "text/vcard; charset=utf-8"
        case "vcard4":
            return vcard.written(cards, "4.0").encode(), "contacts.vcf", "text/vcard; charset=utf-8"
        case "google" | "outlook":
            # The mark is what Excel knows UTF-8 by.
            text = "\ufeff" + contact_csv.written(cards, chosen)
            return text.encode(), f"contacts-{chosen}.csv", "text/csv; charset=utf-8"


def hide(web: Web, username: str, address: str) -> None:
    """Offers somebody no more who is no contact, until they are written to. Raises Problem(404), Problem(422)."""
    try:
        parsed = Address.parse(address.strip())
    except AddressError as error:
        raise unprocessable("address", str(error)) from None
    if not web.database.write(lambda tx: addressees.hide(tx, username, parsed)):
        raise not_found("address")


def _offers(tx: Connection, username: str, q: str, limit: int) -> list[Offer]:
    words = contacts.folded(q)
    found = [
        Offer(name, [_entry(each.title, each.card.emails[0]) for each in members if each.card.emails], is_group=True)
        for name, members in (contacts.groups(tx, username).items() if words.strip() else ())
        if words in contacts.folded(name) and any(each.card.emails for each in members)
    ][:3]
    known: set[str] = set()
    for person in addressees.suggest(tx, username, q, 2 * limit):
        address = Address.parse(person.address)
        contact = contacts.of_address(tx, username, address)
        name = contact.card.name if contact and contact.card.name else person.name
        found.append(Offer(name, [_entry(name, person.address)], is_contact=contact is not None))
        known.add(address.key)
    for contact in contacts.suggest(tx, username, q, 2 * limit):
        for email in contact.card.emails:
            if (key := Address.parse(email).key) not in known:
                known.add(key)
                found.append(Offer(contact.title, [_entry(contact.card.name, email)], is_contact=True))
    return found[:limit]


def _entry(name: str, address: str) -> str:
    return AddressEntry.of(Address.parse(address), "" if name == address else name).shown


def _batches(cards: Sequence[Card]) -> Iterator[Sequence[Card]]:
    for start in range(0, len(cards), _AT_ONCE):
        yield cards[start : start + _AT_ONCE]
