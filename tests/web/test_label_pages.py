"""The webmail's labels, own folders and stars, without scripts."""

from __future__ import annotations

import re

import pytest
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import labelling, labels, mailbox
from onifast_shared.mailboxes.labels import Label

from web.support import Browser, deliver


def make(database: Database, name: str, owner: str = "demo", *, is_folder: bool = False, colour: str = "") -> Label:
    return database.write(
        lambda tx: labels.create(tx, owner, name, is_folder=is_folder, colour=colour, now=1_800_000_000)
    )


def names_on(database: Database, email_id: int) -> list[str]:
    found = database.read(lambda tx: labelling.of_messages(tx, [email_id]))
    return [each.name for each in found.get(email_id, [])]


def test_labels_are_made_renamed_coloured_and_deleted_on_their_page(browser: Browser, database: Database) -> None:
    browser.post("/labels", {"do": "create", "name": "Clients/Acme", "colour": "teal", "kind": "label"})
    top, acme = database.read(lambda tx: labels.list_all(tx, "demo"))
    assert (top.name, acme.name, acme.colour) == ("Clients", "Clients/Acme", "teal")
    browser.post("/labels", {"do": "change", "id": top.id, "name": "Kunden", "colour": "red"})
    text = browser.get("/labels?did=label-changed").text
    assert "Changed." in text and 'value="Kunden/Acme"' in text
    browser.post("/labels", {"do": "delete", "id": top.id})
    assert "No labels yet" in browser.text_of("/labels")


def test_what_is_wrong_is_said_beside_the_field(browser: Browser, database: Database) -> None:
    label = make(database, "Work")
    answer = browser.post("/labels", {"do": "create", "name": "WORK"})
    assert answer.status_code == 422 and "There is &#39;WORK&#39; already." in answer.text
    answer = browser.post("/labels", {"do": "change", "id": label.id, "name": "a//b"})
    assert answer.status_code == 422 and "There must be a name on each side of a /." in answer.text


def test_the_menu_has_folders_and_labels_with_what_is_unread(browser: Browser, database: Database) -> None:
    label, own = make(database, "Clients/Acme", colour="teal"), make(database, "Invoices", is_folder=True)
    email_id = deliver(database)
    database.write(lambda tx: labelling.assign(tx, label, [email_id]))
    text = browser.get(f"/labels/{own.id}").text
    menu = text[text.index('id="nav"') : text.index("</nav>")]
    assert re.search(r'class="own depth-1 hue-teal"><a href="/labels/\d+" aria-label="Clients/Acme, 1 unread"', menu)
    assert re.search(rf'<a href="/labels/{own.id}" aria-current="page"', menu)
    assert "<h1" in text and "Nothing here yet" in text


def test_selected_messages_get_labels_and_go_into_own_folders(browser: Browser, database: Database) -> None:
    email_id, label, own = deliver(database), make(database, "A"), make(database, "F", is_folder=True)
    browser.post("/messages", {"ids": email_id, "action": "label", "label": label.id, "back": "inbox"})
    assert 'class="label-chip"' in browser.get("/folders/inbox").text
    answer = browser.post(
        "/messages", {"ids": email_id, "action": "move", "target": f"label:{own.id}", "back": "inbox"}
    )
    assert names_on(database, email_id) == ["F", "A"]
    page = browser.get(answer.headers["Location"]).text
    assert "Moved 1 message to F." in page and "Undo" in page
    browser.post("/messages", {"ids": email_id, "action": "move:inbox", "back": f"label:{own.id}"})
    browser.post("/messages", {"ids": email_id, "action": "unlabel", "label": label.id, "back": f"label:{label.id}"})
    assert names_on(database, email_id) == []


def test_a_move_out_of_an_own_folder_is_undone_into_it(browser: Browser, database: Database) -> None:
    email_id, own = deliver(database), make(database, "F", is_folder=True)
    database.write(lambda tx: labelling.assign(tx, own, [email_id]))
    answer = browser.post("/messages", {"ids": email_id, "action": "move:trash", "back": f"label:{own.id}"})
    undo = re.search(r'action="(/acts/\d+/undo)"', browser.get(answer.headers["Location"]).text)
    assert undo
    browser.post(undo[1])
    assert names_on(database, email_id) == ["F"]


def test_a_message_shows_and_changes_its_labels(browser: Browser, database: Database) -> None:
    email_id, one, two = deliver(database), make(database, "One"), make(database, "Two", colour="pink")
    form = {"ids": email_id, "action": "labels", "labels": [one.id, two.id], "back": "inbox", "on": "message"}
    answer = browser.post("/messages", form)
    assert answer.headers["Location"].startswith(f"/messages/{email_id}")
    page = browser.get(f"/messages/{email_id}").text
    assert 'class="label-chip hue-pink"' in page and page.count(" checked") == 2
    browser.post("/messages", {"ids": email_id, "action": "unlabel", "label": one.id, "back": "inbox", "on": "message"})
    assert names_on(database, email_id) == ["Two"]
    browser.post("/messages", form | {"labels": []})
    assert names_on(database, email_id) == []


def test_a_message_in_an_own_folder_leads_back_there(browser: Browser, database: Database) -> None:
    email_id, own = deliver(database), make(database, "Clients/Acme", is_folder=True)
    database.write(lambda tx: labelling.assign(tx, own, [email_id]))
    page = browser.get(f"/messages/{email_id}").text
    assert f'href="/labels/{own.id}" data-key="u"' in page and f'name="back" value="label:{own.id}"' in page


def test_stars_are_given_by_a_rows_button_and_listed(browser: Browser, database: Database) -> None:
    one, two = deliver(database, subject="ONE"), deliver(database, subject="OTHER")
    browser.post("/messages", {"action": f"star:{one}", "ids": two, "back": "inbox"})
    page = browser.get("/starred").text
    assert "ONE" in page and "OTHER" not in page
    browser.post("/messages", {"action": f"unstar:{one}", "back": "starred"})
    assert "No stars yet" in browser.text_of("/starred")


@pytest.mark.parametrize("action", ["label", "labels", "move"])
def test_another_users_label_is_not_there(browser: Browser, database: Database, action: str) -> None:
    email_id, foreign = deliver(database), make(database, "Theirs", "maria", is_folder=action == "move")
    form = {"label": foreign.id, "labels": foreign.id, "target": f"label:{foreign.id}"}
    answer = browser.post("/messages", {"ids": email_id, "action": action, "back": "inbox"} | form)
    assert answer.status_code == 404
    assert browser.get(f"/labels/{foreign.id}").status_code == 404
    assert browser.post("/labels", {"do": "delete", "id": foreign.id}).status_code == 404
    row = database.read(lambda tx: mailbox.get(tx, "demo", email_id))
    assert names_on(database, email_id) == [] and row is not None and row.folder == "inbox"


def test_names_of_labels_are_text_on_every_page(browser: Browser, database: Database) -> None:
    label, email_id = make(database, "<script>alert(1)<b>"), deliver(database)
    database.write(lambda tx: labelling.assign(tx, label, [email_id]))
    for path in ("/folders/inbox", f"/labels/{label.id}", "/labels", f"/messages/{email_id}"):
        text = browser.get(path).text
        assert "<script>alert" not in text and "&lt;script&gt;alert(1)" in text
