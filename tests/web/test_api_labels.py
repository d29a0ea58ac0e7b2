"""The API's labels, own folders, stars and marks, and what is deleted for good."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from onifast_shared.accounts import audit
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import mailbox
from werkzeug.test import TestResponse

from web.support import Panel, deliver


@pytest.fixture
def demo(panel: Panel) -> Panel:
    """The panel acting for demo."""
    return panel.acting_for("demo")


def refused(answer: TestResponse, status: int) -> str:
    assert answer.status_code == status, answer.text
    document: dict[str, Any] = answer.get_json(force=True)
    return str(document["detail"])


def make(caller: Panel, name: str, **fields: Any) -> int:
    answer = caller.post("/api/mail/labels", {"name": name} | fields)
    assert answer.status_code == 201, answer.text
    return int(answer.json["id"])  # type: ignore[index]


def names(caller: Panel, **query: Any) -> list[str]:
    return [each["name"] for each in caller.get("/api/mail/labels", **query).json["labels"]]  # type: ignore[index]


def listed(caller: Panel, **query: Any) -> list[int]:
    return [each["id"] for each in caller.get("/api/mail/list", **query).json["emails"]]  # type: ignore[index]


def test_a_label_is_made_changed_and_deleted(demo: Panel) -> None:
    answer = demo.post("/api/mail/labels", {"name": " Clients/Acme ", "colour": "teal"})
    label = answer.json
    assert answer.status_code == 201 and label is not None
    assert {**label, "id": 0} == {
        "id": 0, "name": "Clients/Acme", "colour": "teal", "kind": "label", "total": 0, "unread": 0,
    }  # fmt: skip
    top = demo.get("/api/mail/labels").json["labels"][0]  # type: ignore[index]
    changes = {"id": top["id"], "name": "Kunden", "colour": "red"}
    assert demo.client.patch("/api/mail/labels", json=changes, headers=demo.headers).json["name"] == "Kunden"  # type: ignore[index]
    assert names(demo) == ["Kunden", "Kunden/Acme"]
    assert demo.delete("/api/mail/labels", id=top["id"]).status_code == 204
    assert names(demo) == []


def test_kinds_are_listed_apart(demo: Panel) -> None:
    make(demo, "L")
    make(demo, "F", kind="folder")
    assert (names(demo, kind="label"), names(demo, kind="folder")) == (["L"], ["F"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "a//b"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "Inbox"}, "name"),
        ({"name": "WORK"}, "name"),
        ({"name": "x", "colour": "mauve"}, "colour"),
        ({"name": "Work/x", "kind": "folder"}, "name"),
        ({"name": "x", "kind": "tag"}, "kind"),
    ],
)
def test_what_cannot_be_a_label_is_refused_by_its_field(demo: Panel, body: dict[str, str], field: str) -> None:
    make(demo, "Work")
    assert refused(demo.post("/api/mail/labels", body), 422).startswith(f"{field}: ")


def test_labels_are_given_taken_and_listed(demo: Panel, database: Database) -> None:
    one, two, label = deliver(database), deliver(database), make(demo, "A", colour="blue")
    body = {"ids": [one, two], "add": [label]}
    assert demo.post("/api/mail/labels/assign", body).json == {"changed": 2}
    demo.post("/api/mail/labels/assign", {"id": one, "remove": [label]})
    assert listed(demo, label=label) == [two]
    (row,) = demo.get("/api/mail/list", label=label).json["emails"]  # type: ignore[index]
    mark = {"id": label, "name": "A", "colour": "blue", "kind": "label"}
    assert row["labels"] == [mark] and row["folder"] == "inbox"
    assert demo.get("/api/mail/read", id=two).json["labels"] == [mark]  # type: ignore[index]
    counts = demo.get("/api/mail/labels").json["labels"][0]  # type: ignore[index]
    assert (counts["total"], counts["unread"]) == (1, 1)


def test_a_message_is_moved_into_an_own_folder(demo: Panel, database: Database) -> None:
    email_id, own, label = deliver(database), make(demo, "Invoices", kind="folder"), make(demo, "A")
    assert demo.post("/api/mail/move", {"id": email_id, "label_id": own}).json == {"moved": 1}
    assert listed(demo, folder="archive") == listed(demo, label=own) == [email_id]
    refused(demo.post("/api/mail/move", {"id": email_id, "label_id": label}), 404)
    refused(demo.post("/api/mail/move", {"id": email_id, "label_id": own, "folder": "inbox"}), 422)
    demo.post("/api/mail/move", {"id": email_id, "folder": "Inbox"})
    assert (listed(demo, label=own), listed(demo, folder="INBOX")) == ([], [email_id])


def test_another_users_label_or_message_changes_nothing(demo: Panel, panel: Panel, database: Database) -> None:
    maria = panel.acting_for("maria")
    mine, foreign = deliver(database), deliver(database, owner="maria")
    label, foreign_label = make(demo, "A"), make(maria, "B")
    for body in ({"ids": [mine, foreign], "add": [label]}, {"id": mine, "add": [label, foreign_label]}):
        refused(demo.post("/api/mail/labels/assign", body), 404)
    for query in ({"label": foreign_label}, {"label": 2**62}):
        refused(demo.get("/api/mail/list", **query), 404)
    refused(demo.client.patch("/api/mail/labels", json={"id": foreign_label, "name": "x"}, headers=demo.headers), 404)
    refused(demo.delete("/api/mail/labels", id=foreign_label), 404)
    assert listed(demo, label=label) == [] and names(maria) == ["B"]


def test_the_service_token_names_a_user_for_labels(panel: Panel) -> None:
    assert "X-Onifast-User" in refused(panel.get("/api/mail/labels"), 403)


def test_messages_are_marked_all_or_none(demo: Panel, database: Database) -> None:
    one, two, foreign = deliver(database), deliver(database), deliver(database, owner="maria")
    assert demo.post("/api/mail/mark", {"ids": [one, two], "is_read": True, "is_starred": True}).json == {"changed": 2}
    assert listed(demo, starred=1) == [two, one] and listed(demo, unread=1) == []
    demo.post("/api/mail/mark", {"id": one, "is_read": False, "is_starred": False})
    assert listed(demo, starred=1) == [two] and listed(demo, unread=1) == [one]
    refused(demo.post("/api/mail/mark", {"ids": [two, foreign], "is_starred": False}), 404)
    assert listed(demo, starred=1) == [two]
    assert "is_read, is_starred" in refused(demo.post("/api/mail/mark", {"id": one}), 422)


def test_deleting_for_good_asks_for_the_trash_first(demo: Panel, database: Database) -> None:
    kept, thrown = deliver(database), deliver(database, folder="trash")
    assert "lies in inbox" in refused(demo.post("/api/mail/delete", {"ids": [thrown, kept]}), 409)
    assert demo.post("/api/mail/delete", {"id": thrown}).json == {"changed": 1}
    refused(demo.post("/api/mail/delete", {"id": thrown}), 404)
    assert database.read(lambda tx: mailbox.get(tx, "demo", kept)) is not None
    (event,) = database.read(lambda tx: audit.list_page(tx, "demo")).rows
    assert (event.action, event.object, event.actor.name) == ("mail.delete", f"email:{thrown}", "panel")


# Forms


def test_a_form_says_what_json_says(demo: Panel, database: Database) -> None:
    one, two = deliver(database), deliver(database)
    for form in (
        {"ids": [one, two], "is_starred": "1", "is_read": ""},
        {"ids[]": [one, two], "is_starred": "true"},
        {"ids[0]": one, "ids[1]": two, "is_starred": "on"},
    ):
        demo.post("/api/mail/mark", {"ids": [one, two], "is_starred": False})
        answer = demo.client.post("/api/mail/mark", data=form, headers=demo.headers)
        assert answer.json == {"changed": 2}, answer.text
        assert listed(demo, starred=1) == [two, one]


def test_a_form_with_unknown_or_repeated_fields_is_refused(demo: Panel) -> None:
    for form in ({"name": "x", "color": "red"}, {"name": ["x", "y"]}, {"name[0]": "x"}):
        refused(demo.client.post("/api/mail/labels", data=form, headers=demo.headers), 422)


def test_a_browsers_form_needs_its_token(demo: Panel, browser: Any) -> None:
    assert browser.client.post("/api/mail/labels", data={"name": "x"}).status_code == 403
    assert browser.post("/api/mail/labels", {"name": "x"}).status_code == 201
    assert names(demo) == ["x"]


def test_the_counts_have_labels_and_own_folders_and_tell_when_one_changes(demo: Panel, database: Database) -> None:
    assert "labels" not in (demo.get("/api/mail/counts").json or {})
    email_id, label = deliver(database), make(demo, "A")
    first = demo.get("/api/mail/counts")
    assert first.json is not None and first.json["labels"] == [{"id": label, "total": 0, "unread": 0}]
    demo.post("/api/mail/labels/assign", {"id": email_id, "add": [label]})
    headers = demo.headers | {"If-None-Match": first.headers["ETag"]}
    again = demo.client.get("/api/mail/counts", headers=headers)
    assert again.status_code == 200 and again.json["labels"] == [{"id": label, "total": 1, "unread": 1}]  # type: ignore[index]
    assert "labels" not in (replace(demo, user=None).get("/api/mail/counts").json or {})
    assert "labels" not in (demo.acting_for("maria").get("/api/mail/counts").json or {})
