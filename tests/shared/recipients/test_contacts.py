"""Contacts: kept, found by any word, imported and exported, and made one where they are one person."""

from __future__ import annotations

import pytest
from onifast_shared.db.database import Database
from onifast_shared.message import contact_csv, vcard
from onifast_shared.message.vcard import Card
from onifast_shared.recipients import contacts
from onifast_shared.recipients.contacts import Contact, ContactError, ImportedContacts
from onifast_shared.values.address import Address

GOOGLE = """Name,Given Name,Family Name,Notes,Group Membership,E-mail 1 - Type,E-mail 1 - Value,Phone 1 - Value
Ann Müller,Ann,Müller,"Met in Bonn, 2024",* myContacts ::: Team,* Work,ann@a.test ::: ann@b.test,+49 30 1
"""
OUTLOOK = (
    "First Name;Last Name;Company;E-mail Address;E-mail 2 Address;Mobile Phone;Categories\r\n"
    "Bob;Stone;ACME;bob@a.test;bob@b.test;123;Team;\r\n"
)
CARDS = """BEGIN:VCARD\r
VERSION:3.0\r
FN:Ann Müller\r
N:Müller;Ann;;;\r
item1.EMAIL;TYPE=INTERNET:ann@a.test\r
EMAIL:nobody\r
TEL;TYPE=CELL:+49 30 1\r
NOTE:One\\, two\\nthree\r
CATEGORIES:Team,Chess\\, Club\r
BDAY:1980-02-03\r
PHOTO;ENCODING=b;TYPE=JPEG:AAAA\r
 BBBB\r
UID:urn:uuid:1\r
END:VCARD\r
BEGIN:VCARD\r
VERSION:4.0\r
FN:ACME\r
ORG:ACME;Sales\r
TEL;VALUE=uri:tel:+1-555\r
END:VCARD\r
"""


def kept(database: Database, *cards: Card, owner: str = "ann") -> ImportedContacts:
    return database.write(lambda tx: contacts.take_in(tx, owner, cards, 1000))


def everybody(database: Database, q: str = "", owner: str = "ann") -> list[Contact]:
    return database.read(lambda tx: contacts.list_all(tx, owner, q))


def test_a_contact_is_found_by_the_beginning_of_any_word_without_its_accents(database: Database) -> None:
    kept(database, Card("Ann Müller", "ACME", ["ann.m@a.test"], []), Card("Bob", "", ["bob@b.test"], []))
    for q in ("ann", "mull", "müll", "acm", "ann.m@a", "a.test", "mu an"):
        assert [each.card.name for each in everybody(database, q)] == ["Ann Müller"], q
    assert everybody(database, "uller") == []
    assert everybody(database, "%") == everybody(database)


def test_nobody_sees_or_changes_the_contacts_of_others(database: Database) -> None:
    kept(database, Card("Ann", "", ["ann@a.test"], []))
    (mine,) = everybody(database)
    assert everybody(database, owner="bob") == []
    changed = database.write(lambda tx: contacts.change(tx, "bob", mine.id, Card("Eve", "", [], []), 2000))
    assert changed is None
    assert database.write(lambda tx: contacts.remove(tx, "bob", [mine.id])) == 0
    assert everybody(database) == [mine]


@pytest.mark.parametrize(
    ("card", "field"),
    [
        (Card("", "", [], []), "name"),
        (Card("Ann", "", ["ann"], []), "emails"),
        (Card("x" * 201, "", [], []), "name"),
        (Card("Ann", "", [], ["1" * 61]), "phones"),
        (Card("Ann", "", [], [], note="x" * 10_001), "note"),
    ],
)
def test_what_cannot_be_kept_says_which_field_is_wrong(database: Database, card: Card, field: str) -> None:
    with pytest.raises(ContactError) as error:
        database.write(lambda tx: contacts.add(tx, "ann", card, 1000))
    assert error.value.field == field


def test_cards_are_read_and_written_again_with_all_that_they_say(database: Database) -> None:
    assert kept(database, *vcard.imported(CARDS)) == ImportedContacts(added=2)
    acme, ann = (each.card for each in everybody(database))
    assert (ann.emails, ann.phones, ann.note) == (("ann@a.test",), ("+49 30 1",), "One, two\nthree")
    assert (ann.groups, ann.uid, ann.others) == (("Team", "Chess, Club"), "urn:uuid:1", ("BDAY:1980-02-03",))
    assert (acme.name, acme.organisation, acme.phones) == ("ACME", "ACME, Sales", ("+1-555",))
    versions: tuple[vcard.VcardVersion, ...] = ("3.0", "4.0")
    for version in versions:
        text = vcard.written([ann], version)
        assert f"VERSION:{version}\r\n" in text and "BDAY:1980-02-03\r\n" in text
        (again,) = vcard.imported(text)
        assert (again.name, tuple(again.emails), again.note, tuple(again.groups)) == (
            ann.name, ann.emails, ann.note, ann.groups,
        )  # fmt: skip
        assert max(len(line.encode()) for line in text.split("\r\n")) <= 75


def test_a_long_name_in_any_script_is_folded_between_characters() -> None:
    name = "日本語" * 60
    (again,) = vcard.imported(vcard.written([Card(name, "", [], [])]))
    assert again.name == name


@pytest.mark.parametrize("text", [GOOGLE, GOOGLE.replace("\n", "\r\n")])
def test_the_table_of_google_is_read(text: str) -> None:
    (ann,) = contact_csv.imported(text)
    assert (ann.name, list(ann.emails), list(ann.phones)) == ("Ann Müller", ["ann@a.test", "ann@b.test"], ["+49 30 1"])
    assert (ann.note, list(ann.groups)) == ("Met in Bonn, 2024", ["Team"])


def test_the_table_of_outlook_is_read_in_the_encoding_of_windows() -> None:
    data = OUTLOOK.replace("Stone", "Größe").encode("cp1252")
    (bob,) = contact_csv.imported(contact_csv.decoded(data))
    assert (bob.name, bob.organisation, list(bob.emails)) == ("Bob Größe", "ACME", ["bob@a.test", "bob@b.test"])


def test_a_table_of_something_else_is_refused() -> None:
    with pytest.raises(contact_csv.NoContacts):
        list(contact_csv.imported("Date,Amount\n1,2\n"))


@pytest.mark.parametrize("headings", ["google", "outlook"])
def test_tables_are_written_as_they_are_read(headings: contact_csv.CsvHeadings) -> None:
    card = Card("Ann van Dyk", "ACME", ["a@a.test", "b@a.test"], ["+1 2"], note="x\ny", groups=["Team", "Club"])
    (again,) = contact_csv.imported(contact_csv.written([card], headings))
    assert (again.name, again.organisation, again.note) == (card.name, card.organisation, card.note)
    assert (again.emails, again.phones, again.groups) == (card.emails, card.phones, card.groups)


def test_no_name_becomes_a_formula_of_a_spreadsheet() -> None:
    card = Card("=HYPERLINK(1)", "@x", ["a@a.test"], ["+1 2"])
    text = contact_csv.written([card], "google")
    assert "'=HYPERLINK(1)" in text and "'@x" in text and "'+1" not in text
    (again,) = contact_csv.imported(text)
    assert again.name == card.name


def test_imports_make_one_of_those_who_share_an_address(database: Database) -> None:
    kept(database, Card("Ann", "", ["ann@a.test"], ["1"]))
    again = Card("Ann M.", "ACME", ["Ann@A.test", "ann@b.test"], ["2"], note="x")
    assert kept(database, again, again, Card("", "", ["@"], [])) == ImportedContacts(merged=1, skipped=2)
    (ann,) = everybody(database)
    assert (ann.card.name, ann.card.organisation, ann.card.emails) == ("Ann", "ACME", ("ann@a.test", "ann@b.test"))
    assert (ann.card.phones, ann.card.note) == (("1", "2"), "Ann M.\nx")
    found = database.read(lambda tx: contacts.of_address(tx, "ann", Address.parse("ANN@b.test")))
    assert found == ann


def test_duplicates_are_made_one(database: Database) -> None:
    def add(card: Card) -> None:
        database.write(lambda tx: contacts.add(tx, "ann", card, 1000))

    for card in (
        Card("Ann", "", ["a@a.test"], []),
        Card("Bob", "", ["b@a.test"], []),
        Card("ANN", "", ["c@a.test"], []),
        Card("Cy", "", ["c@a.test"], []),
    ):
        add(card)
    assert len(database.read(lambda tx: contacts.duplicates(tx, "ann"))) == 1
    assert database.write(lambda tx: contacts.merge_duplicates(tx, "ann", 2000)) == 2
    ann, bob = everybody(database)
    assert (ann.card.emails, ann.card.note, bob.card.name) == (("a@a.test", "c@a.test"), "Cy", "Bob")


def test_groups_have_their_members(database: Database) -> None:
    kept(
        database,
        Card("Ann", "", ["a@a.test"], [], groups=["Team"]),
        Card("Bob", "", ["b@a.test"], [], groups=["Team", "B"]),
    )
    found = database.read(lambda tx: contacts.groups(tx, "ann"))
    assert {name: [each.card.name for each in members] for name, members in found.items()} == {
        "B": ["Bob"], "Team": ["Ann", "Bob"],
    }  # fmt: skip
