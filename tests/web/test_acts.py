"""What is done to lists in the webmail, without JavaScript and as scripts ask for it: at once, to all, and undone."""

from __future__ import annotations

import re
from typing import Any

import pytest
from onifast_shared.acts import steps
from onifast_shared.acts.journal import AskedAct
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import labelling, labels, mailbox
from onifast_shared.values import times
from werkzeug.test import TestResponse

from web.support import Browser, Clock, Panel, deliver, index, words

JSON = {"Accept": "application/json"}


def act(browser: Browser, action: str, *ids: int, back: str = "inbox", **more: Any) -> str:
    """The page that is shown after an act."""
    answer = browser.post("/messages", {"ids": list(ids), "action": action, "back": back} | more)
    assert answer.status_code == 303, words(answer.text)
    return browser.get(answer.headers["Location"]).text


def undo(browser: Browser, page: str) -> str:
    found = re.search(r'action="(/acts/\d+/undo)"', page)
    assert found, words(page)
    return browser.text_of(browser.post(found[1]).headers["Location"])


def folder_of(database: Database, email_id: int) -> str | None:
    row = database.read(lambda tx: mailbox.get(tx, "demo", email_id))
    return row.folder if row else None


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("read", "Marked 1 message as read."),
        ("star", "Starred 1 message."),
        ("move:junk", "Moved 1 message to Junk."),
        ("move:archive", "Moved 1 message to Archive."),
    ],
)
def test_every_act_says_what_it_did_and_is_undone(browser: Browser, database: Database, action: str, said: str) -> None:
    email_id = deliver(database)
    before = database.read(lambda tx: mailbox.get(tx, "demo", email_id))
    page = act(browser, action, email_id)
    assert said in words(page)
    assert "Undone." in undo(browser, page)
    assert database.read(lambda tx: mailbox.get(tx, "demo", email_id)) == before


def test_what_was_deleted_for_good_can_be_had_back_for_ten_seconds(
    browser: Browser, database: Database, clock: Clock
) -> None:
    one, two = deliver(database, folder="trash"), deliver(database, folder="trash")
    page = act(browser, "purge", one, back="trash")
    assert "Deleted 1 message for good." in words(page) and folder_of(database, one) is None
    undo(browser, page)
    assert folder_of(database, one) == "trash"
    page = act(browser, "purge", two, back="trash")
    clock.advance(11)
    steps.work_off(database, clock())  # as outbox does, whatever became of the browser
    assert "That cannot be undone any more." in undo(browser, page)
    assert folder_of(database, two) is None


def test_a_script_is_told_in_json(browser: Browser, database: Database) -> None:
    email_id = deliver(database)
    form = {"ids": email_id, "action": "move:trash", "back": "inbox"}
    told = browser.post("/messages", form, headers=JSON).get_json()
    assert told["text"] == "Moved 1 message to Trash." and told["act"]["percent"] is None
    undone = browser.post(f"/acts/{told['act']['id']}/undo", headers=JSON).get_json()
    assert (undone["text"], undone["act"]["seconds"]) == ("Undone.", 0)


def test_all_that_was_found_is_acted_on(browser: Browser, database: Database) -> None:
    found = [deliver(database, subject=f"Invoice {number}") for number in range(60)]
    other = deliver(database, subject="Lunch")
    index(database)
    asked = browser.get("/acts/count?back=inbox&q=invoice").get_json()
    assert asked == {"count": 60, "is_more": False}
    page = act(browser, "move:trash", back="inbox", q="invoice", every="1")
    assert "Moved 60 messages to Trash." in words(page)
    assert {folder_of(database, each) for each in found} == {"trash"} and folder_of(database, other) == "inbox"
    undo(browser, page)
    assert {folder_of(database, each) for each in found} == {"inbox"}


def test_a_long_act_goes_on_by_itself_and_says_how_far_it_is(
    browser: Browser, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onifast_web.webmail.acts._PATIENCE", 0.0)
    for number in range(150):
        deliver(database, subject=f"Number {number}", folder="trash")
    form = {"action": "purge", "back": "trash", "every": "1"}
    told = browser.post("/messages", form, headers=JSON).get_json()
    assert told["text"] == "Deleting 0 of 150 messages for good." and told["act"]["percent"] == 0
    steps.work_off(database, clock())
    half = browser.get(f"/acts/{told['act']['id']}").get_json()
    assert half["text"] == "Deleting 100 of 150 messages for good." and half["act"]["percent"] == 66
    steps.work_off(database, clock())
    done = browser.get(f"/acts/{told['act']['id']}").get_json()
    assert done["text"] == "Deleted 150 messages for good." and done["act"]["percent"] is None


def test_one_comes_back_to_the_same_page_of_the_same_search(browser: Browser, database: Database) -> None:
    email_id = deliver(database, subject="Invoice")
    form = {"ids": email_id, "action": "star", "back": "inbox", "q": "invoice", "in": "all", "cursor": "9999999999-9"}
    place = browser.post("/messages", form).headers["Location"]
    assert "q=invoice" in place and "in=all" in place and "cursor=9999999999-9" in place


def test_a_message_is_put_off_and_lies_among_what_is_snoozed(
    browser: Browser, database: Database, clock: Clock
) -> None:
    email_id = deliver(database, subject="Later please")
    page = act(browser, f"snooze:{int(clock()) + 3600}", email_id)
    assert "Put 1 message off until" in words(page) and "Later please" not in words(page)
    assert "Later please" in browser.text_of("/snoozed")
    clock.advance(3601)
    steps.work_off(database, clock())
    assert "Later please" in browser.text_of("/folders/inbox")


@pytest.mark.parametrize("until", ["1", "soon", "2300-01-01T08:00", "99999999999999999999"])
def test_a_time_without_sense_is_refused_with_a_sentence(browser: Browser, database: Database, until: str) -> None:
    email_id = deliver(database)
    answer: TestResponse = browser.post("/messages", {"ids": email_id, "action": "snooze", "until": until})
    assert answer.status_code == 422 and "Choose a" in words(answer.text)
    assert folder_of(database, email_id) == "inbox"


def test_nobody_undoes_or_sees_the_acts_of_others(browser: Browser, database: Database) -> None:
    email_id = deliver(database, owner="maria")
    theirs = database.write(lambda tx: steps.act(tx, AskedAct("maria", "move", "trash", "inbox"), [email_id], 1e9))
    assert browser.get(f"/acts/{theirs.id}").status_code == 404
    browser.post(f"/acts/{theirs.id}/undo")
    row = database.read(lambda tx: mailbox.get(tx, "maria", email_id))
    assert row and row.folder == "trash"


def test_the_api_acts_undoes_and_tells_how_far_it_is(panel: Panel, database: Database, clock: Clock) -> None:
    demo = panel.acting_for("demo")
    ids = [deliver(database, subject=f"Invoice {number}") for number in range(3)]
    index(database)
    until = times.rfc3339(int(clock()) + 3600)
    done = demo.post("/api/mail/acts", {"action": "snooze", "ids": ids, "until": until}).get_json()
    assert (done["state"], done["done"]) == ("done", 3)
    listed = demo.get("/api/mail/list", snoozed="true").get_json()["emails"]
    assert [each["snoozed_until"] for each in listed] == [until] * 3
    assert demo.post("/api/mail/acts/undo", {"id": done["id"]}).get_json()["state"] == "undone"
    begun = demo.post("/api/mail/acts", {"action": "move", "folder": "trash", "matching": {"q": "invoice"}}).get_json()
    assert (begun["state"], begun["total"]) == ("working", 3)
    steps.work_off(database, clock())
    assert demo.get("/api/mail/acts", id=begun["id"]).get_json()["state"] == "done"
    assert {folder_of(database, each) for each in ids} == {"trash"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"action": "move", "ids": [1]}, 422),
        ({"action": "move", "ids": [1], "matching": {}, "folder": "trash"}, 422),
        ({"action": "snooze", "ids": [1], "until": "2001-01-01T00:00:00Z"}, 422),
        ({"action": "label", "ids": [1], "label_id": 9}, 404),
        ({"action": "read", "ids": [99]}, 404),
        ({"action": "dance", "ids": [1]}, 422),
        ({"action": "read", "matching": {"q": "nonsense:x AND ("}}, 422),
    ],
)
def test_the_api_says_what_is_wrong_with_an_act(panel: Panel, database: Database, body: Any, status: int) -> None:
    deliver(database)
    assert panel.acting_for("demo").post("/api/mail/acts", body).status_code == status


def test_the_folder_of_a_label_alone_is_emptied_into_the_trash(browser: Browser, database: Database) -> None:
    own = database.write(lambda tx: labels.create(tx, "demo", "Clients", is_folder=True, now=1))
    email_id = deliver(database)
    database.write(lambda tx: labelling.assign(tx, own, [email_id]))
    page = act(browser, "empty", back=f"label:{own.id}")
    assert "Moved 1 message to Trash." in words(page) and folder_of(database, email_id) == "trash"
    undo(browser, page)
    assert browser.post("/messages", {"action": "empty", "back": "inbox"}).status_code == 400
