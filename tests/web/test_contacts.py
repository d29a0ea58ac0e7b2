"""The address book: its pages, its files and the API; and that it is its owner's alone."""

from __future__ import annotations

import io

import pytest
from onifast_shared.db.database import Connection, Database
from onifast_shared.message.vcard import Card
from onifast_shared.recipients import addressees, contacts
from onifast_shared.recipients.contacts import Contact

from web.support import Browser, Panel, deliver, index, words

VCARD = "BEGIN:VCARD\nVERSION:3.0\nFN:Bob Stone\nEMAIL:bob@a.test\nCATEGORIES:Team\nBDAY:1980-01-01\nEND:VCARD\n"


def known(database: Database, owner: str = "demo") -> list[Contact]:
    return database.read(lambda tx: contacts.list_all(tx, owner))


def keep(database: Database, *cards: Card, owner: str = "demo") -> None:
    database.write(lambda tx: contacts.take_in(tx, owner, cards, 1000))


def test_somebody_is_added_changed_and_deleted_on_the_page(browser: Browser, database: Database) -> None:
    form = {"name": "Ann Müller", "emails": "ann@a.test\r\nann@b.test", "groups": "Team, Chess", "note": "x"}
    assert browser.post("/contacts/entry", form).status_code == 303
    (ann,) = known(database)
    assert (ann.card.emails, ann.card.groups) == (("ann@a.test", "ann@b.test"), ("Team", "Chess"))
    assert "Ann Müller" in browser.text_of("/contacts?q=mull")
    assert "Nothing found" in browser.text_of("/contacts?q=zzz")
    assert "Ann Müller" in browser.text_of("/contacts?group=Team")
    browser.post("/contacts/entry", form | {"id": str(ann.id), "name": "Ann Stone"})
    assert [each.card.name for each in known(database)] == ["Ann Stone"]
    browser.post("/contacts/entry", {"id": str(ann.id), "do": "delete"})
    assert known(database) == []


def test_what_is_wrong_stands_at_its_field_with_what_was_typed(browser: Browser) -> None:
    answer = browser.post("/contacts/entry", {"name": "Ann", "emails": "nobody"})
    assert answer.status_code == 422
    assert 'id="emails-error"' in answer.text and 'value="Ann"' in answer.text


def test_files_are_taken_in_and_given_out(browser: Browser, database: Database) -> None:
    for text, name in ((VCARD, "x.vcf"), ("Name,E-mail 1 - Value\nEve,eve@a.test\n", "x.csv")):
        data = {"do": "import", "file": (io.BytesIO(text.encode()), name), "csrf_token": browser.csrf_token}
        answer = browser.client.post("/contacts", data=data, content_type="multipart/form-data")
        assert answer.headers["Location"].endswith("did=contacts-imported&n=1")
    assert [each.card.name for each in known(database)] == ["Bob Stone", "Eve"]
    card = browser.get("/contacts/export?format=vcard3")
    assert card.mimetype == "text/vcard" and "attachment" in card.headers["Content-Disposition"]
    assert "BDAY:1980-01-01" in card.text
    assert "VERSION:4.0" in browser.get("/contacts/export?format=vcard4").text
    assert "E-mail 1 - Value" in browser.get("/contacts/export?format=google").text
    assert "E-mail Address" in browser.get("/contacts/export?format=outlook").text
    assert browser.get("/contacts/export?format=x").status_code == 400


@pytest.mark.parametrize("data", [b"", b"Date,Amount\n1,2\n", b"\x00\xff\xd8\xff", b"BEGIN:VCARD\nFN:x"])
def test_a_file_of_something_else_is_refused_in_words(browser: Browser, data: bytes) -> None:
    form = {"do": "import", "file": (io.BytesIO(data), "x.csv"), "csrf_token": browser.csrf_token}
    answer = browser.client.post("/contacts", data=form, content_type="multipart/form-data")
    assert answer.status_code == 422
    assert "vCard file" in words(answer.text)


def test_duplicates_are_told_of_and_merged(browser: Browser, database: Database) -> None:
    def add(tx: Connection) -> None:
        for email in ("a@a.test", "b@a.test"):
            contacts.add(tx, "demo", Card("Ann", "", [email], []), 1)

    database.write(add)
    assert "1 contact looks like a duplicate" in browser.text_of("/contacts")
    browser.post("/contacts", {"do": "merge"})
    assert [each.card.emails for each in known(database)] == [("a@a.test", "b@a.test")]


def test_those_who_were_written_to_can_be_kept_or_taken_off(browser: Browser, database: Database) -> None:
    deliver(database)
    index(database)
    while database.read(addressees.is_behind):
        database.write(addressees.gather)
    assert "Ann Taylor" in browser.text_of("/contacts/others")
    assert 'value="Ann Taylor"' in browser.get("/contacts/entry?name=Ann+Taylor&emails=ann@remote.example").text
    assert browser.post("/contacts/others", {"address": "ann@remote.example"}).status_code == 303
    assert "Ann Taylor" not in browser.text_of("/contacts/others")


def test_completion_offers_groups_people_by_use_and_contacts(panel: Panel, database: Database) -> None:
    deliver(database)
    index(database)
    while database.read(addressees.is_behind):
        database.write(addressees.gather)
    keep(
        database,
        Card("Anna Other", "", ["anna@b.test"], [], groups=["Annual"]),
        Card("Ann at Work", "", ["ann@remote.example"], []),
    )
    found = panel.acting_for("demo").get("/api/mail/contacts/suggest", q="ann").json
    assert found is not None
    assert [(each["name"], each["recipients"], each["is_group"]) for each in found["suggestions"]] == [
        ("Annual", ["Anna Other <anna@b.test>"], True),
        ("Ann at Work", ["Ann at Work <ann@remote.example>"], False),
        ("Anna Other", ["Anna Other <anna@b.test>"], False),
    ]
    assert panel.acting_for("maria").get("/api/mail/contacts/suggest", q="ann").json == {"suggestions": []}


def test_the_api_keeps_changes_pages_and_deletes(panel: Panel, database: Database) -> None:
    api = panel.acting_for("demo")
    made = api.post("/api/mail/contacts", {"name": "Ann", "emails": ["Ann@A.test"]})
    assert made.status_code == 201 and made.json is not None
    assert api.post("/api/mail/contacts", {"emails": ["x"]}).status_code == 422
    keep(database, *(Card(f"Zoe {n}", "", [], []) for n in range(3)))
    changed = api.client.patch("/api/mail/contacts", json={"id": made.json["id"], "note": "x"}, headers=api.headers)
    assert changed.json is not None and (changed.json["name"], changed.json["note"]) == ("Ann", "x")
    page = api.get("/api/mail/contacts", limit=3).json
    assert page is not None and [each["name"] for each in page["contacts"]] == ["Ann", "Zoe 0", "Zoe 1"]
    rest = api.get("/api/mail/contacts", limit=3, cursor=page["next_cursor"]).json
    assert rest is not None and (len(rest["contacts"]), rest["next_cursor"]) == (1, None)
    answer = api.post("/api/mail/contacts/import", {"content": VCARD}).json
    assert answer == {"added": 1, "merged": 0, "skipped": 0}
    assert panel.acting_for("maria").delete("/api/mail/contacts", id=made.json["id"]).status_code == 404
    assert api.delete("/api/mail/contacts", id=made.json["id"]).status_code == 204
    assert api.delete("/api/mail/contacts", id=made.json["id"]).status_code == 404
