"""Shared mailboxes: opened by several people, who see whose task a message is and who is answering."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from flask import Flask
from onifast_shared.accounts import mailbox_users, passwords, shared_mailboxes
from onifast_shared.db.database import Connection, Database
from onifast_shared.departed import changes, moving
from onifast_shared.departed.changes import UserChangeRequest
from onifast_shared.limits import store as sending_limits
from onifast_shared.limits.subjects import Subject
from onifast_shared.mailboxes import contents, mailbox, team_marks
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address
from sqlite_shell import run

from web.support import Browser, Clock, Panel, deliver, give_address, index, words

INFO, ANNA, BEN = "info@example.test", "anna@example.test", "ben@example.test"
PATH = "/api/mail/shared-mailboxes"


@pytest.fixture
def info(panel: Panel, database: Database) -> str:
    """The account of a shared mailbox of demo's, which demo and anna open, and ben does not."""

    def make(tx: Connection) -> None:
        for address in (ANNA, BEN):
            addresses.add(tx, Address.parse(address), "demo")
            mailbox_users.create(tx, Address.parse(address), "demo", passwords.hashed(f"{address} password"), 1)

    database.write(make)
    give_address(database, INFO, "demo")
    made = panel.acting_for("demo").post(PATH, {"address": INFO, "members": ["demo", ANNA]})
    assert made.status_code == 201, made.text
    return database.read(lambda tx: mailbox_users.reader(tx, Address.parse(INFO), "demo"))


def within(panel: Panel, user: str, mailbox: str = INFO) -> dict[str, str]:
    return panel.acting_for(user).headers | {"X-Onifast-Mailbox": mailbox}


def listed(panel: Panel, user: str) -> Any:
    return panel.client.get("/api/mail/list", headers=within(panel, user))


def opened(app: Flask, user: str) -> Browser:
    browser = Browser.logged_in(app.test_client(), user)
    assert browser.post("/shared-mailboxes", {"do": "open", "address": INFO}).status_code == 303
    return browser


def test_members_open_it_and_nobody_else_does(info: str, panel: Panel, database: Database) -> None:
    deliver(database, owner=info, recipient=INFO, subject="Quokka")
    for member in ("demo", ANNA):
        assert [each["subject"] for each in listed(panel, member).get_json()["emails"]] == ["Quokka"]
    for other in (BEN, "maria", "root-admin"):
        assert listed(panel, other).status_code == 404
    assert "Quokka" not in panel.acting_for(ANNA).get("/api/mail/list").text
    assert "Quokka" not in panel.acting_for("demo").get("/api/mail/list").text


def test_nobody_logs_in_as_it(info: str, app: Flask, panel: Panel, database: Database) -> None:
    for word in ("", "demo password", f"{INFO} password"):
        assert app.test_client().post("/login", data={"username": INFO, "password": word}).status_code == 403
    assert panel.post("/api/panel/sso-token", {"username": INFO}).status_code == 404
    assert panel.acting_for(INFO).get("/api/mail/list").status_code == 404
    made = panel.client.post("/api/mail/app-passwords", json={"name": "x"}, headers=within(panel, ANNA))
    assert made.status_code == 403
    for path in ("/api/tokens", "/api/sessions", "/api/totp", "/api/mail/mailbox-users", "/api/mail/domains"):
        assert panel.client.get(path, headers=within(panel, ANNA)).status_code == 403, path


def test_what_one_has_seen_is_seen_for_all(info: str, app: Flask, database: Database) -> None:
    number = deliver(database, owner=info, recipient=INFO, subject="Quokka")
    anna, demo = opened(app, ANNA), opened(app, "demo")
    assert anna.get(f"/messages/{number}", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert demo.get("/api/mail/counts").get_json()["unread"] == 0


def test_who_leaves_is_in_their_own_mailbox_again(info: str, app: Flask, database: Database) -> None:
    deliver(database, owner=info, recipient=INFO, subject="Quokka")
    anna = opened(app, ANNA)
    page = anna.text_of("/folders/inbox")
    assert "You are in the shared mailbox info@example.test, as anna@example.test." in page and "Quokka" in page
    assert anna.get("/app-passwords").status_code == 403
    assert anna.post("/mailbox-users/leave").status_code == 303
    assert "Quokka" not in anna.text_of("/folders/inbox")


def test_who_is_no_member_any_more_is_in_their_own_mailbox_at_once(
    info: str, app: Flask, panel: Panel, database: Database
) -> None:
    deliver(database, owner=info, recipient=INFO, subject="Quokka")
    anna = opened(app, ANNA)
    panel.client.patch(PATH, json={"address": INFO, "members": ["demo"]}, headers=panel.acting_for("demo").headers)
    assert "Quokka" not in anna.text_of("/folders/inbox")
    assert anna.post("/shared-mailboxes", {"do": "open", "address": INFO}).status_code == 404


def test_what_is_sent_from_it_notes_who_wrote_it_and_says_so_outside_only_by_choice(
    info: str, app: Flask, panel: Panel, database: Database
) -> None:
    body = {"from": INFO, "to": ["ann@remote.example"], "subject": "x", "text": "Hi"}
    for names in (False, True):
        demo = panel.acting_for("demo").headers
        panel.client.patch(PATH, json={"address": INFO, "names_sender": names}, headers=demo)
        sent = panel.client.post("/api/mail/send", json=body, headers=within(panel, ANNA))
        assert sent.status_code == 202, sent.text
        number = sent.get_json()["email_id"]
        (content,) = database.read(
            lambda tx, number=number: tx.execute("SELECT content_id FROM emails WHERE id = ?", (number,)).fetchone()  # type: ignore[misc]
        )
        raw = database.read(lambda tx, content=content: contents.read(tx, content))  # type: ignore[misc]
        assert (b"\r\nSender: anna@example.test\r\n" in raw) == names and b"From: info@example.test" in raw
        assert "Written by anna@example.test" in opened(app, "demo").text_of(f"/messages/{number}")
    assert (
        panel.client.post("/api/mail/send", json=body | {"from": ANNA}, headers=within(panel, ANNA)).status_code == 403
    )


def test_members_send_as_it_from_their_own_mailbox_too(info: str, panel: Panel) -> None:
    body = {"from": INFO, "to": ["ann@remote.example"], "subject": "x", "text": "Hi"}
    assert panel.acting_for(ANNA).post("/api/mail/send", body).status_code == 202
    assert panel.acting_for(BEN).post("/api/mail/send", body).status_code == 403


def team(panel: Panel, user: str, **values: Any) -> Any:
    return panel.client.post("/api/mail/team", json=values, headers=within(panel, user))


def test_a_message_is_assigned_and_done(info: str, panel: Panel, app: Flask, database: Database) -> None:
    number = deliver(database, owner=info, recipient=INFO, subject="Quokka")
    (mark,) = team(panel, "demo", id=number, assigned_to=ANNA).get_json()["marks"]
    assert mark["assigned_to"] == ANNA and mark["done_by"] is None
    (mark,) = team(panel, ANNA, ids=[number], done=True).get_json()["marks"]
    assert (mark["assigned_to"], mark["done_by"]) == (ANNA, ANNA) and mark["done_at"]
    assert "Done by anna@example.test" in opened(app, "demo").text_of(f"/messages/{number}")
    assert team(panel, "demo", id=number, assigned_to=None, done=False).get_json()["marks"][0]["done_by"] is None
    assert team(panel, "demo", id=number, assigned_to=BEN).status_code == 422
    assert team(panel, "demo", ids=[number, 999], done=True).status_code == 404
    read = panel.client.get("/api/mail/team", query_string={"id": number}, headers=within(panel, "demo"))
    assert read.get_json()["done_by"] is None


def test_marks_of_others_mail_are_nobodys_to_set(info: str, panel: Panel, database: Database) -> None:
    number = deliver(database, subject="Demo's own")
    assert team(panel, ANNA, id=number, done=True).status_code == 404
    assert team(panel, BEN, id=number, done=True).status_code == 404
    own = panel.acting_for("demo").post("/api/mail/team", {"id": number, "done": True})
    assert own.status_code == 403
    assert database.read(lambda tx: tx.execute("SELECT count(*) FROM team_marks").get) == 0


def test_who_is_answering_shows_to_the_others_and_shuts_nobody_out(
    info: str, app: Flask, database: Database, clock: Clock
) -> None:
    number = deliver(database, owner=info, recipient=INFO, subject="Quokka")
    anna, demo = opened(app, ANNA), opened(app, "demo")
    assert anna.get("/compose", query_string={"reply": number}).status_code == 200
    clock.advance(120)
    assert "anna@example.test is answering since 2 minutes" in demo.text_of(f"/messages/{number}")
    assert "is answering" not in anna.text_of(f"/messages/{number}")
    assert demo.get("/compose", query_string={"reply": number}).status_code == 200
    assert "anna@example.test is answering" in demo.text_of(f"/messages/{number}")
    clock.advance(team_marks.ANSWERING_LASTS)
    assert "is answering" not in demo.text_of(f"/messages/{number}")


@pytest.mark.parametrize("do", ["send", "discard"])
def test_an_answer_that_is_sent_or_thrown_away_is_not_shown_any_more(
    info: str, app: Flask, database: Database, do: str
) -> None:
    number = deliver(database, owner=info, recipient=INFO, subject="Quokka")
    anna, demo = opened(app, ANNA), opened(app, "demo")
    anna.get("/compose", query_string={"reply": number})
    form = {"do": do, "from": INFO, "to": "ann@remote.example", "subject": "Re", "text": "Hi", "source": ""}
    assert anna.post("/compose", form).status_code == 303
    assert "is answering" not in demo.text_of(f"/messages/{number}")


def test_another_tenant_neither_changes_nor_joins_it(info: str, panel: Panel, database: Database) -> None:
    headers = panel.acting_for("maria").headers
    assert panel.client.patch(PATH, json={"address": INFO, "members": ["maria"]}, headers=headers).status_code == 404
    assert panel.acting_for("maria").delete(PATH, address=INFO, mail="owner").status_code == 404
    assert panel.acting_for("maria").get(PATH).get_json()["shared_mailboxes"] == []
    demo = panel.acting_for("demo").headers
    for stranger in ("maria", "maria@other.test", INFO, "mailbox:1:x@y.test"):
        strange = panel.client.patch(PATH, json={"address": INFO, "members": [stranger]}, headers=demo)
        assert strange.status_code == 404, stranger
    assert panel.acting_for(ANNA).post(PATH, {"address": ANNA, "members": []}).status_code == 403


def test_an_address_that_changes_hands_opens_it_to_nobody(
    info: str, panel: Panel, database: Database, app: Flask
) -> None:
    run(database.path, f"UPDATE mail_addresses SET owner = 'maria' WHERE address = '{INFO}';")
    for user in ("demo", ANNA, "maria"):
        assert listed(panel, user).status_code == 404


def test_it_goes_and_comes_with_its_panel_user(info: str, panel: Panel, database: Database) -> None:
    deliver(database, owner=info, recipient=INFO, subject="Quokka")
    database.write(lambda tx: changes.make(tx, UserChangeRequest("remove", "demo", "test"), 1))
    moving.finish(database)
    assert listed(panel, ANNA).status_code == 404
    database.write(lambda tx: changes.make(tx, UserChangeRequest("restore", "demo", "test"), 1))
    moving.finish(database)
    assert "Quokka" in listed(panel, ANNA).text and "Quokka" in listed(panel, "demo").text
    database.write(lambda tx: changes.make(tx, UserChangeRequest("rename", "demo", "test", "maria2"), 1))
    moving.finish(database)
    (found,) = database.read(lambda tx: shared_mailboxes.of_owner(tx, "maria2"))
    assert "maria2" in found.members and "demo" not in json.dumps(found.members)


def test_a_removed_member_opens_nothing_and_a_removed_mailbox_leaves_its_mail_to_its_owner(
    info: str, panel: Panel, database: Database
) -> None:
    deliver(database, owner=info, recipient=INFO, subject="Quokka")
    assert panel.acting_for("demo").delete("/api/mail/mailbox-users", address=ANNA, mail="owner").status_code == 204
    moving.finish(database)
    (found,) = database.read(lambda tx: shared_mailboxes.of_owner(tx, "demo"))
    assert found.members == ("demo",)
    assert panel.acting_for("demo").delete(PATH, address=INFO, mail="owner").status_code == 204
    moving.finish(database)
    assert "Quokka" in panel.acting_for("demo").get("/api/mail/list").text
    assert database.read(lambda tx: tx.execute("SELECT count(*) FROM mailbox_members").get) == 0


def test_the_page_makes_changes_and_removes_one(app: Flask, database: Database) -> None:
    give_address(database, "support@example.test", "demo")
    demo = Browser.logged_in(app.test_client(), "demo")
    form = {"do": "make", "address": "support@example.test", "members": "demo", "names_sender": "1"}
    assert demo.post("/shared-mailboxes", form).status_code == 303
    assert "support@example.test" in demo.text_of("/shared-mailboxes")
    (found,) = database.read(lambda tx: shared_mailboxes.of_owner(tx, "demo"))
    assert found.members == ("demo",) and found.names_sender
    assert demo.post("/shared-mailboxes", form | {"do": "save", "members": "maria"}).status_code == 422
    assert demo.post("/shared-mailboxes", {"do": "remove", "address": "support@example.test"}).status_code == 422
    gone = {"do": "remove", "address": "support@example.test", "mail": "owner"}
    assert demo.post("/shared-mailboxes", gone).status_code == 303
    assert database.read(lambda tx: shared_mailboxes.of_owner(tx, "demo")) == []


def test_a_form_makes_one_whose_members_are_named_later(panel: Panel, database: Database) -> None:
    give_address(database, INFO, "demo")
    headers = panel.acting_for("demo").headers
    made = panel.client.post(PATH, data={"address": INFO}, headers=headers)
    assert (made.status_code, made.get_json()["members"]) == (201, []), made.text


def test_the_list_shows_the_marks_and_is_filtered_by_them(
    info: str, app: Flask, panel: Panel, database: Database
) -> None:
    subjects = ("Fresh", "Annas", "Bens", "Ready")
    numbers = {each: deliver(database, owner=info, recipient=INFO, subject=each) for each in subjects}
    team(panel, "demo", id=numbers["Annas"], assigned_to=ANNA)
    team(panel, "demo", id=numbers["Bens"], assigned_to="demo")
    team(panel, ANNA, id=numbers["Ready"], done=True)
    demo, anna = opened(app, "demo"), opened(app, ANNA)
    demo.get("/compose", query_string={"reply": numbers["Fresh"]})
    page = anna.text_of("/folders/inbox")
    assert "Yours" in page and "For demo" in page and "demo is answering" in page and "Done" in page
    assert "is answering" not in demo.text_of("/folders/inbox")
    found = {"todo": {"Fresh", "Annas", "Bens"}, "mine": {"Annas"}, "done": {"Ready"}, "": {*numbers}}
    for kind, wanted in found.items():
        listed = anna.get(f"/folders/inbox?team={kind}").text.split('<ol class="rows"')[1].split("</ol>")[0]
        assert {word for word in numbers if word in listed} == wanted, kind
    own = Browser.logged_in(app.test_client(), "demo").get("/folders/inbox?team=done")
    assert own.status_code == 200 and "To do" not in own.text


def test_an_act_on_all_of_a_tab_reaches_what_the_tab_has(
    info: str, app: Flask, panel: Panel, database: Database
) -> None:
    done, open_ = (deliver(database, owner=info, recipient=INFO, subject=each) for each in ("Ready", "Fresh"))
    team(panel, ANNA, id=done, done=True)
    anna = opened(app, ANNA)
    assert anna.get("/acts/count?back=inbox&team=done").get_json()["count"] == 1
    form = {"action": "move:archive", "back": "inbox", "team": "done", "every": "1"}
    assert "team=done" in anna.post("/messages", form).headers["Location"]
    rows = database.read(lambda tx: mailbox.get_some(tx, info, [done, open_]))
    assert [row.folder for row in rows] == ["archive", "inbox"]


def test_a_conversation_shows_who_is_answering_and_takes_marks(info: str, app: Flask, database: Database) -> None:
    first = deliver(database, owner=info, recipient=INFO, subject="Quokka")
    second = deliver(database, owner=info, recipient=INFO, subject="Re: Quokka")
    anna, demo = opened(app, ANNA), opened(app, "demo")
    index(database)
    rows = database.read(lambda tx: mailbox.get_some(tx, info, [first, second]))
    number = rows[0].conversation_id
    assert number and rows[1].conversation_id == number
    path = f"/conversations/{number}"
    anna.get("/compose", query_string={"reply": second})
    assert "anna@example.test is answering since just now" in demo.text_of(path)
    here = {"conversation": number, "place": "inbox"}
    answer = demo.post(f"/messages/{second}/team", here | {"do": "assign", "assigned_to": ANNA})
    assert answer.headers["Location"] == f"{path}?place=inbox#message-{second}"
    assert "Yours" in anna.text_of("/folders/inbox")
    headers = {"Sec-Fetch-Site": "same-origin"}
    for each in (first, second):
        assert demo.get(f"/messages/{each}", headers=headers).status_code == 200
    demo.post(f"/messages/{first}/team", here | {"do": "done"})
    assert "Done" in words(demo.get(path).text.split(f'id="message-{first}"')[1].split("</li>")[0])


def test_the_lists_of_shared_mailboxes_have_filters_and_pages(info: str, panel: Panel, database: Database) -> None:
    for name in ("a", "b"):
        give_address(database, f"{name}@example.test", "demo")
        assert panel.post(PATH, {"address": f"{name}@example.test"}).status_code == 201
    page = panel.get(PATH, limit=2).get_json()
    assert [each["address"] for each in page["shared_mailboxes"]] == ["a@example.test", "b@example.test"]
    page = panel.get(PATH, limit=2, cursor=page["next_cursor"]).get_json()
    assert ([each["address"] for each in page["shared_mailboxes"]], page["next_cursor"]) == ([INFO], None)
    for query, number in (({"owner": "maria"}, 0), ({"domain": "example.test"}, 3), ({"q": "INF"}, 1)):
        assert len(panel.get(PATH, **query).get_json()["shared_mailboxes"]) == number
    theirs = panel.acting_for(ANNA).get(PATH).get_json()["shared_mailboxes"]
    assert [each["address"] for each in theirs] == [INFO]
    assert panel.acting_for("maria").get(PATH, owner="demo").get_json()["shared_mailboxes"] == []


def test_what_a_member_sends_from_it_counts_for_them_and_for_it(
    info: str, app: Flask, panel: Panel, database: Database
) -> None:
    body = {"from": INFO, "to": ["ann@remote.example"], "subject": "x", "text": "Hi", "undo_seconds": 60}
    anna = database.read(lambda tx: mailbox_users.reader(tx, Address.parse(ANNA), "demo"))
    settings, now = app.extensions["onifast"].settings, time.time()

    def used(name: str) -> int:
        usage = database.read(lambda tx: sending_limits.of(tx, Subject("user", name), settings))
        return usage.used("messages_per_day", now)

    answer = panel.client.post("/api/mail/send", json=body, headers=within(panel, ANNA))
    assert answer.status_code == 202, answer.text
    assert [used(each) for each in (anna, info, "demo")] == [1, 1, 1]
    recalled = {"ids": answer.get_json()["outbox_ids"], "action": "recall"}
    assert panel.post("/api/mail/outbox", recalled).status_code == 200
    assert [used(each) for each in (anna, info, "demo")] == [0, 0, 0]
    limit = {"address": ANNA, "messages_per_day": 1}
    panel.client.patch("/api/mail/mailbox-users", json=limit, headers=panel.headers)
    statuses = [
        panel.client.post("/api/mail/send", json=body, headers=within(panel, ANNA)).status_code for _ in range(2)
    ]
    assert statuses == [202, 429]
    assert panel.client.post("/api/mail/send", json=body, headers=within(panel, "demo")).status_code == 202
    limit = {"address": INFO, "messages_per_day": 2}
    assert panel.client.patch("/api/mail/mailbox-users", json=limit, headers=panel.headers).status_code == 200
    assert panel.client.post("/api/mail/send", json=body, headers=within(panel, "demo")).status_code == 429
