"""Senders in the webmail and the API: accepted, blocked, and unknown ones kept apart."""

from __future__ import annotations

from onifast_shared.db.database import Database
from onifast_shared.junk import senders
from onifast_shared.mailboxes import mailbox

from web.support import Browser, Panel, deliver, words

API = "/api/mail/senders"


def apart(database: Database, *subjects: str) -> list[int]:
    """Messages of demo's that lie apart."""
    found = [deliver(database, subject=subject) for subject in subjects]
    for email_id in found:
        database.write(lambda tx, email_id=email_id: senders.put_apart(tx, "demo", email_id, 1))  # type: ignore[misc]
    return found


def folder_of(database: Database, email_id: int) -> str:
    row = database.read(lambda tx: mailbox.get(tx, "demo", email_id))
    return row.folder if row else ""


def test_the_api_chooses_lists_and_takes_back(panel: Panel, database: Database) -> None:
    demo = panel.acting_for("demo")
    assert demo.get(API).get_json() == {"keeps_apart": False, "label_id": None, "blocked_to": "junk", "senders": []}
    assert demo.post(API, {"keeps_apart": True}).get_json()["keeps_apart"] is True
    made = demo.post(API, {"sender": " Eve@Remote.TEST ", "choice": "blocked"}).get_json()
    assert [(each["sender"], each["choice"]) for each in made["senders"]] == [("eve@remote.test", "blocked")]
    assert panel.acting_for("maria").get(API).get_json()["senders"] == []
    assert panel.acting_for("maria").delete(API, sender="eve@remote.test").status_code == 404
    assert demo.delete(API, sender="eve@remote.test").status_code == 204
    assert demo.delete(API, sender="eve@remote.test").status_code == 404
    for wrong in ({}, {"sender": "nobody"}, {"sender": "a@b.test", "id": 1}, {"id": 1, "choice": "loved"}):
        assert demo.post(API, wrong).status_code == 422


def test_a_message_accepts_its_sender_by_the_api(panel: Panel, database: Database) -> None:
    first, second = apart(database, "One", "Two")
    assert panel.acting_for("maria").post(API, {"id": first}).status_code == 404
    answer = panel.acting_for("demo").post(API, {"id": first}).get_json()
    assert answer["label_id"] is not None
    assert [each["choice"] for each in answer["senders"]] == ["accepted"]
    assert [folder_of(database, each) for each in (first, second)] == ["inbox", "inbox"]


def test_one_click_in_the_list_accepts_or_blocks(browser: Browser, database: Database) -> None:
    (email_id,) = apart(database, "One")
    label = database.read(lambda tx: senders.folder_of(tx, "demo"))
    assert label is not None
    page = browser.get(f"/labels/{label.id}")
    assert f'value="accept:{email_id}"' in page.text and f'value="block:{email_id}"' in page.text
    form = {"back": f"label:{label.id}", "action": f"block:{email_id}"}
    shown = browser.post("/messages", form, follow_redirects=True).text
    assert "Blocked: moved 1 message to junk" in words(shown)
    assert folder_of(database, email_id) == "junk"
    assert "accept:" not in browser.get("/folders/inbox").text


def test_a_message_that_lies_apart_asks_about_its_sender(browser: Browser, database: Database) -> None:
    (email_id,) = apart(database, "One")
    assert "You do not know" in browser.text_of(f"/messages/{email_id}")
    shown = browser.post(
        f"/messages/{email_id}/sender", {"choice": "accepted", "back": "inbox"}, follow_redirects=True
    ).text
    assert "Accepted: moved 1 message to your inbox" in words(shown)
    assert "You do not know" not in browser.text_of(f"/messages/{email_id}")
    assert browser.post(f"/messages/{email_id}/sender", {"choice": "loved"}).status_code == 400
    assert browser.post("/messages/99999/sender", {"choice": "accepted"}).status_code == 404


def test_the_page_keeps_both_choices(browser: Browser, database: Database) -> None:
    assert "No senders yet" in browser.text_of("/senders")
    assert "Saved." in words(browser.post("/senders", {"do": "save", "keeps_apart": "1"}, follow_redirects=True).text)
    assert "checked" in browser.get("/senders").text
    assert "Neither an e-mail address nor a domain." in words(
        browser.post("/senders", {"do": "blocked", "sender": "<b>x"}, follow_redirects=True).text
    )
    assert "Blocked." in words(
        browser.post("/senders", {"do": "blocked", "sender": "eve@remote.test"}, follow_redirects=True).text
    )
    assert "eve@remote.test" in browser.text_of("/senders")
    assert "Removed." in words(
        browser.post("/senders", {"do": "remove", "sender": "eve@remote.test"}, follow_redirects=True).text
    )
    assert browser.post("/senders", {"do": "remove", "sender": "eve@remote.test"}).status_code == 404
    assert browser.post("/senders", {"do": "dance"}).status_code == 400
