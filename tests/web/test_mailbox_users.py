"""Mailbox users in the webmail and the API: made, reset, disabled, visited and removed; and what they may do."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import IncomingMessage, LocalDelivery
from onifast_shared.accounts import api_tokens, app_passwords, mailbox_users
from onifast_shared.db.database import Database
from onifast_shared.departed import changes, deleting, moving
from onifast_shared.departed.changes import UserChangeRequest
from onifast_shared.limits import store as sending_limits
from onifast_shared.limits.subjects import Subject
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import contents, mailbox
from onifast_shared.recipients import addresses, quotas
from onifast_shared.recipients.addresses import Expansion
from onifast_shared.values.address import Address
from onifast_web.app import create_app
from sqlite_shell import run

from web.support import Browser, Panel, add_user, change_user, deliver, give_address, queue

BOB = "bob@example.test"
PASSWORD = f"{BOB} password"
PATH = "/api/mail/mailbox-users"
RAW = b"Subject: Quokka\r\n\r\nText.\r\n"


@pytest.fixture
def bob(panel: Panel, database: Database) -> str:
    """The account of a mailbox user of demo's."""
    give_address(database, BOB, "demo")
    make(panel)
    return account_of(database)


def make(panel: Panel, address: str = BOB, **more: Any) -> dict[str, Any]:
    made = panel.acting_for("demo").post(PATH, {"address": address, "password": PASSWORD} | more)
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.get_json()
    return found


def account_of(database: Database, address: str = BOB) -> str:
    return database.read(lambda tx: addresses.resolve(tx, Address.parse(address), Settings())).owner  # type: ignore[union-attr]


def log_in(client: FlaskClient, username: str = BOB, password: str = PASSWORD) -> int:
    return client.post("/login", data={"username": username, "password": password}).status_code


def change(panel: Panel, user: str = "demo", **values: Any) -> Any:
    headers = panel.acting_for(user).headers
    return panel.client.patch(PATH, json={"address": BOB} | values, headers=headers)


def receive(database: Database, settings: Settings, address: str, raw: bytes = RAW) -> str:
    """Takes a message for an address as smtpd does; whose it is then."""
    found = database.read(lambda tx: addresses.expand(tx, Address.parse(address), settings))
    assert isinstance(found, Expansion)
    return put(database, found.mailboxes[0].owner, address, raw)


def put(database: Database, owner: str, address: str, raw: bytes = RAW) -> str:
    ref = contents.store(database, raw)
    incoming = IncomingMessage("ann@remote.example", [LocalDelivery(owner, address)])
    done = database.write(lambda tx: accept.deliver_in(tx, contents.attach(tx, ref), len(raw), incoming))
    row = database.read(lambda tx: tx.execute("SELECT owner FROM emails WHERE id = ?", (done.email_ids[0],)).get)
    return str(row)


# Who reads


def test_mail_that_comes_is_the_mailbox_users_and_what_came_before_stays(
    app: Flask, panel: Panel, database: Database, settings: Settings
) -> None:
    give_address(database, BOB, "demo")
    before = deliver(database, recipient=BOB, subject="Before")
    make(panel)
    bob = account_of(database)
    assert receive(database, settings, BOB) == receive(database, settings, "Bob+tag@example.test") == bob
    own = Browser.logged_in(app.test_client(), BOB)
    assert "Before" not in own.text_of("/folders/inbox")
    assert own.get(f"/messages/{before}").status_code == 404
    listed = Browser.logged_in(app.test_client(), "demo").text_of("/folders/inbox")
    assert "Before" in listed and "Quokka" not in listed


def test_mail_that_came_before_moves_if_that_is_wanted(panel: Panel, database: Database) -> None:
    give_address(database, BOB, "demo")
    moved = {deliver(database, recipient=BOB), deliver(database, recipient="BOB@example.test", folder="archive")}
    kept = {deliver(database), deliver(database, recipient=BOB, folder="sent")}
    assert make(panel, move_mail=True)["moved"] == 2
    bob = account_of(database)
    rows = database.read(lambda tx: tx.execute("SELECT id, owner FROM emails").fetchall())
    assert {number for number, owner in rows if owner == bob} == moved
    assert {number for number, owner in rows if owner == "demo"} == kept


def test_mail_that_a_script_inserts_is_its_readers(bob: str, database: Database, settings: Settings) -> None:
    run(
        settings.database,
        "INSERT INTO emails (sender, recipient, subject) VALUES ('x@y.test', 'Bob@example.test', 's');",
    )
    assert database.read(lambda tx: tx.execute("SELECT owner FROM emails").get) == bob


def test_what_they_have_counts_for_their_panel_users_quota(bob: str, database: Database, settings: Settings) -> None:
    receive(database, settings, BOB)
    deliver(database)
    mine = database.read(lambda tx: quotas.of(tx, "owner", bob, settings))
    whole = database.read(lambda tx: quotas.of(tx, "owner", "demo", settings))
    assert mine.messages == 1 and whole.messages == 2 and whole.used > mine.used


@pytest.mark.parametrize("scope_name", ["own", "demo"])
def test_a_full_quota_of_either_leaves_no_room(
    bob: str, database: Database, settings: Settings, scope_name: str
) -> None:
    name = bob if scope_name == "own" else "demo"
    mailboxes = database.read(lambda tx: addresses.expand(tx, Address.parse(BOB), settings)).mailboxes  # type: ignore[union-attr]
    assert database.read(lambda tx: quotas.judge(tx, mailboxes, 1000, settings)) == "room"
    database.write(lambda tx: quotas.put(tx, "owner", name, 10))
    assert database.read(lambda tx: quotas.judge(tx, mailboxes, 1000, settings)) == "never"


# What they may do


def test_they_send_from_their_address_alone_and_see_what_they_sent(
    app: Flask, bob: str, panel: Panel, database: Database
) -> None:
    own = panel.acting_for(BOB)
    sent = own.post("/api/mail/send", {"from": BOB, "to": ["ann@remote.example"], "subject": "Mine", "text": "Hi"})
    assert sent.status_code == 202, sent.text
    for foreign in ("demo@example.test", "maria@other.test", "anything@example.test"):
        body = {"from": foreign, "to": ["ann@remote.example"], "subject": "x", "text": "Hi"}
        assert own.post("/api/mail/send", body).status_code == 403
    queue(database, "you@remote.example", subject="Owner's")
    listed = own.get("/api/mail/outbox").get_json()["outbox"]
    assert [each["subject"] for each in listed] == ["Mine"]
    assert panel.acting_for("demo").get("/api/mail/outbox").get_json()["outbox"][0]["subject"] == "Owner's"
    (row,) = database.read(
        lambda tx: tx.execute("SELECT owner, submitted_by FROM outbox WHERE subject = 'Mine'").fetchall()
    )
    assert row == (bob, f"user:{bob}")


def test_they_send_from_addresses_that_they_were_given_as_long_as_these_are_their_panel_users(
    bob: str, panel: Panel, database: Database
) -> None:
    give_address(database, "info@example.test", "demo")
    body = {"from": "info@example.test", "to": ["ann@remote.example"], "subject": "x", "text": "Hi"}
    assert change(panel, send_as=["Info@Example.test"]).get_json()["send_as"] == ["info@example.test"]
    assert panel.acting_for(BOB).post("/api/mail/send", body).status_code == 202
    assert change(panel, send_as=["maria@other.test"]).status_code == 404
    database.write(lambda tx: addresses.set_owner(tx, Address.parse("info@example.test"), "maria"))
    assert panel.acting_for(BOB).post("/api/mail/send", body).status_code == 403


def test_what_they_send_counts_for_their_panel_user_too(
    bob: str, panel: Panel, database: Database, settings: Settings
) -> None:
    body = {"from": BOB, "to": ["ann@remote.example"], "subject": "x", "text": "Hi"}
    assert panel.acting_for(BOB).post("/api/mail/send", body).status_code == 202
    for name in (bob, "demo"):
        used = database.read(lambda tx, name=name: sending_limits.of(tx, Subject("user", name), settings))  # type: ignore[misc]
        assert used.used("messages_per_day", 0) == 1, name
    database.write(lambda tx: sending_limits.put(tx, Subject("user", "demo"), {"messages_per_day": 1}))
    assert panel.acting_for(BOB).post("/api/mail/send", body).status_code in (422, 429)


def test_a_limit_of_their_own_holds_for_them_alone(bob: str, panel: Panel) -> None:
    assert change(panel, messages_per_hour=1).status_code == 200
    statuses = [
        panel.acting_for(who).post(
            "/api/mail/send", {"from": sender, "to": ["a@b.example"], "subject": "x", "text": "x"}
        )
        for who, sender in ((BOB, BOB), (BOB, BOB), ("demo", "demo@example.test"))
    ]
    assert statuses[0].status_code == statuses[2].status_code == 202 and statuses[1].status_code in (422, 429)


@pytest.mark.parametrize(
    "path",
    ["/api/mail/domains", "/api/mail/dkim?domain=example.test", "/api/mail/forwards", PATH,
     "/api/mail/domains/dns?domain=example.test", "/api/mail/sandbox", "/api/mail/webhooks"],
)  # fmt: skip
def test_domains_and_what_goes_with_them_are_none_of_theirs(bob: str, panel: Panel, path: str) -> None:
    assert panel.client.get(path, headers=panel.acting_for(BOB).headers).status_code == 403


def test_their_menu_has_only_pages_that_open(bob: str, app: Flask) -> None:
    own = Browser.logged_in(app.test_client(), BOB)
    page = own.get("/folders/inbox").text
    links = set(re.findall(r'<li[^>]*><a href="(/[^"#]*)"', page + own.get("/settings").text))
    assert "/password" in links and not {"/forwards", "/dkim", "/mailbox-users", "/webhooks"} & links
    assert {link: own.get(link).status_code for link in links} == dict.fromkeys(links, 200)
    shown = re.sub(r'data-user="[^"]*"', "", page)  # by which a browser tells what several people wrote in it apart
    assert BOB in shown and "mailbox:" not in shown


def test_they_are_called_by_their_address_wherever_the_api_names_them(bob: str, panel: Panel) -> None:
    own = panel.acting_for(BOB)
    for path in ("/api/mail/quotas", "/api/mail/limits", "/api/mail/usage", "/api/audit", "/api/mail/addresses"):
        answer = own.get(path)
        assert answer.status_code == 200 and "mailbox:" not in answer.text, path
    assert [each["address"] for each in own.get("/api/mail/addresses").get_json()["addresses"]] == [BOB]
    assert own.post("/api/mail/app-passwords", {"name": "Phone"}).get_json()["username"] == BOB


# Logging in


def test_they_log_in_by_address_alone(bob: str, client: FlaskClient) -> None:
    assert log_in(client, "Bob@Example.test") == 303
    assert log_in(client, "bob") == log_in(client, bob) == log_in(client, BOB, "demo password") == 403


def test_a_panel_user_of_the_same_name_is_somebody_else(
    app: Flask, bob: str, settings: Settings, database: Database
) -> None:
    add_user(settings, BOB)
    receive(database, settings, BOB)
    named = Browser.logged_in(app.test_client(), BOB)  # that panel user's password is "<name> password", too
    assert "Quokka" not in named.text_of("/folders/inbox")


def test_a_disabled_one_and_one_of_a_disabled_or_departed_panel_user_are_shut_out_at_once(
    app: Flask, bob: str, panel: Panel, settings: Settings
) -> None:
    for shut, opened in (
        (lambda: change(panel, disabled=True), lambda: change(panel, disabled=False)),
        (lambda: change_user(settings, "demo", disabled=True), lambda: change_user(settings, "demo", disabled=False)),
    ):
        own = Browser.logged_in(app.test_client(), BOB)
        shut()
        assert own.get("/folders/inbox").status_code == 303 and log_in(app.test_client()) == 403
        opened()
    (settings.users_dir / "demo.json").unlink()
    assert log_in(app.test_client()) == 403


@pytest.mark.parametrize("how", [{"generate_password": True}, {"no_password": True}, {"password": "another one"}])
def test_a_reset_ends_sessions_app_passwords_tokens_and_links(
    app: Flask, bob: str, panel: Panel, database: Database, how: dict[str, Any]
) -> None:
    own = Browser.logged_in(app.test_client(), BOB)
    token, _ = database.write(lambda tx: api_tokens.create(tx, bob, "x", 1))
    database.write(lambda tx: app_passwords.create(tx, bob, None, "Phone", 1))
    link = panel.post("/api/panel/sso-token", {"username": BOB}).get_json()["token"]
    made = change(panel, **how)
    assert made.status_code == 200, made.text
    assert own.get("/folders/inbox").status_code == 303
    assert panel.client.get("/api/mail/list", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert database.read(lambda tx: app_passwords.list_for(tx, bob)) == []
    assert app.test_client().get("/sso-login", query_string={"token": link}).status_code == 403
    assert log_in(app.test_client()) == 403
    new = made.get_json()["password"] or how.get("password")
    assert (new is None) == ("no_password" in how)
    if new:
        assert log_in(app.test_client(), BOB, new) == 303


def test_they_choose_a_password_if_they_know_the_one_until_now(app: Flask, bob: str, database: Database) -> None:
    own, other = Browser.logged_in(app.test_client(), BOB), Browser.logged_in(app.test_client(), BOB)
    database.write(lambda tx: app_passwords.create(tx, bob, None, "Phone", 1))
    assert own.post("/password", {"current_password": "wrong", "new_password": "a new one"}).status_code == 422
    assert own.post("/password", {"current_password": PASSWORD, "new_password": "short"}).status_code == 422
    assert own.post("/password", {"current_password": PASSWORD, "new_password": "a new one"}).status_code == 303
    assert other.get("/folders/inbox").status_code == 303
    assert log_in(app.test_client()) == 403 and log_in(app.test_client(), BOB, "a new one") == 303
    assert len(database.read(lambda tx: app_passwords.list_for(tx, bob))) == 1
    assert Browser.logged_in(app.test_client(), "demo").get("/password").status_code == 403


def test_the_panel_signs_them_in_and_a_wrong_address_nobody(app: Flask, bob: str, panel: Panel) -> None:
    link = panel.post("/api/panel/sso-token", {"username": BOB}).get_json()["token"]
    client = app.test_client()
    assert client.get("/sso-login", query_string={"token": link}).status_code == 303
    assert BOB in client.get("/folders/inbox").text


# What panel users do


def test_another_tenant_neither_sees_nor_changes_nor_makes_one(bob: str, panel: Panel, database: Database) -> None:
    maria = panel.acting_for("maria")
    assert maria.get(PATH).get_json()["mailbox_users"] == []
    assert change(panel, "maria", disabled=True).status_code == 404
    assert maria.delete(PATH, address=BOB, mail="owner").status_code == 404
    assert maria.post(PATH, {"address": "demo@example.test"}).status_code == 404
    give_address(database, "*@other.test", "maria")
    assert maria.post(PATH, {"address": "*@other.test"}).status_code == 409


def test_an_address_has_one_mailbox_user(bob: str, panel: Panel) -> None:
    again = panel.acting_for("demo").post(PATH, {"address": "BOB@EXAMPLE.TEST"})
    assert again.status_code == 409


def test_the_list_has_pages_and_filters_and_tells_what_they_use(
    panel: Panel, database: Database, settings: Settings
) -> None:
    names = [f"{letter}@example.test" for letter in "cab"]
    for name in names:
        give_address(database, name, "demo")
        make(panel, name)
    receive(database, settings, "a@example.test")
    demo = panel.acting_for("demo")
    first = demo.get(PATH, limit=2).get_json()
    second = demo.get(PATH, limit=2, cursor=first["next_cursor"]).get_json()
    assert [each["address"] for each in first["mailbox_users"] + second["mailbox_users"]] == sorted(names)
    assert second["next_cursor"] is None and first["mailbox_users"][0]["messages"] == 1
    assert len(panel.get(PATH, owner="demo", domain="example.test", q="b@").get_json()["mailbox_users"]) == 1
    assert panel.get(PATH, owner="maria").get_json()["mailbox_users"] == []


def test_a_token_that_may_not_read_or_send_sets_no_password(app: Flask, bob: str) -> None:
    demo = Browser.logged_in(app.test_client(), "demo")
    token = demo.post_json("/api/tokens", {"name": "x", "scopes": ["manage"]}).get_json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    client = app.test_client()
    assert client.patch(PATH, json={"address": BOB, "password": "another one"}, headers=headers).status_code == 403
    assert client.patch(PATH, json={"address": BOB, "disabled": True}, headers=headers).status_code == 200


def test_a_removed_ones_mail_goes_to_the_panel_user_and_their_logins_to_nobody(
    app: Flask, bob: str, panel: Panel, database: Database, settings: Settings
) -> None:
    receive(database, settings, BOB)
    database.write(lambda tx: app_passwords.create(tx, bob, None, "Phone", 1))
    own = Browser.logged_in(app.test_client(), BOB)
    token, _ = database.write(lambda tx: api_tokens.create(tx, bob, "x", 1))
    assert panel.acting_for("demo").delete(PATH, address=BOB, mail="owner").status_code == 204
    moving.finish(database)
    assert database.read(lambda tx: tx.execute("SELECT owner FROM emails").fetchall()) == [("demo",)]
    assert own.get("/folders/inbox").status_code == 303 and log_in(app.test_client()) == 403
    assert panel.client.get("/api/mail/list", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert database.read(lambda tx: tx.execute("SELECT count(*) FROM app_passwords").get) == 0
    assert database.read(lambda tx: tx.execute("SELECT count(*) FROM api_tokens").get) == 0
    # What was accepted for them before comes to an end at the panel user's; what comes now is theirs anyhow.
    assert put(database, bob, BOB) == receive(database, settings, BOB) == "demo"


def test_a_removed_ones_mail_is_deleted_if_that_is_wanted(
    bob: str, panel: Panel, database: Database, settings: Settings
) -> None:
    receive(database, settings, BOB)
    demos = deliver(database)
    assert panel.acting_for("demo").delete(PATH, address=BOB, mail="delete").status_code == 204
    moving.finish(database)
    late = put(database, bob, BOB)
    assert late.startswith("~")
    deleting.finish(database)
    assert database.read(lambda tx: tx.execute("SELECT id FROM emails").fetchall()) == [(demos,)]
    assert database.read(lambda tx: mailbox_users.find(tx, bob)) is None


def test_removing_asks_what_becomes_of_the_mail(bob: str, app: Flask, panel: Panel) -> None:
    assert panel.acting_for("demo").delete(PATH, address=BOB).status_code == 422
    page = Browser.logged_in(app.test_client(), "demo").post("/mailbox-users", {"do": "remove", "address": BOB})
    assert page.status_code == 422 and "Say what becomes of the mail" in page.text


# Addresses that change hands


def test_an_address_that_goes_to_another_owner_by_plain_sql_takes_nothing_along(
    app: Flask, bob: str, panel: Panel, database: Database, settings: Settings
) -> None:
    receive(database, settings, BOB)
    own = Browser.logged_in(app.test_client(), BOB)
    run(settings.database, f"UPDATE mail_addresses SET owner = 'maria' WHERE address = '{BOB}';")
    assert own.get("/folders/inbox").status_code == 303 and log_in(app.test_client()) == 403
    assert receive(database, settings, BOB) == "maria"
    listed = panel.acting_for("demo").get(PATH).get_json()["mailbox_users"]
    assert [each["state"] for each in listed] == ["address_gone"]
    made = panel.acting_for("maria").post(PATH, {"address": BOB, "password": "another one"})
    assert made.status_code == 201 and made.get_json()["messages"] == 0
    theirs = app.test_client()
    assert log_in(theirs, BOB, "another one") == 303 and "Quokka" not in theirs.get("/folders/inbox").text
    # The former one's mail is where it was, and goes where their panel user says.
    assert panel.acting_for("demo").delete(PATH, address=BOB, mail="owner").status_code == 204
    moving.finish(database)
    assert database.read(lambda tx: mailbox.list_page(tx, "demo", "inbox")).rows


def test_a_panel_that_writes_all_addresses_anew_ends_nobody(
    app: Flask, bob: str, database: Database, settings: Settings
) -> None:
    again = f"INSERT INTO mail_addresses (address, owner) VALUES ('{BOB}', 'demo')"
    run(settings.database, f"BEGIN; DELETE FROM mail_addresses; {again}; COMMIT;")
    assert log_in(app.test_client()) == 303 and receive(database, settings, BOB) == bob


def test_a_row_that_a_script_deletes_shuts_out_at_once_and_its_mail_is_set_aside(
    app: Flask, bob: str, panel: Panel, database: Database, settings: Settings
) -> None:
    receive(database, settings, BOB)
    run(settings.database, "DELETE FROM mailbox_users;")
    assert log_in(app.test_client()) == 403
    changes.work_off(database, 1)
    moving.finish(database)
    (owner,) = (database.read(lambda tx: tx.execute("SELECT DISTINCT owner FROM emails").get),)
    assert str(owner).startswith("~") and receive(database, settings, BOB) == "demo"
    make(panel)
    assert account_of(database) != bob


def test_who_departs_takes_their_mailbox_users_along_and_brings_them_back(
    app: Flask, bob: str, database: Database, settings: Settings
) -> None:
    receive(database, settings, BOB)
    database.write(lambda tx: app_passwords.create(tx, bob, None, "Phone", 1))
    queue(database, "you@remote.example", owner=bob)
    database.write(lambda tx: changes.make(tx, UserChangeRequest("remove", "demo", "test"), 1))
    moving.finish(database)
    assert log_in(app.test_client()) == 403
    owners = database.read(lambda tx: tx.execute("SELECT owner FROM emails UNION SELECT owner FROM outbox").fetchall())
    assert all(str(owner).startswith("~") for (owner,) in owners)
    assert database.read(lambda tx: tx.execute("SELECT DISTINCT status FROM outbox").fetchall()) == [("cancelled",)]
    give_address(database, BOB, "maria")
    assert receive(database, settings, BOB) == "maria"
    database.write(lambda tx: addresses.remove(tx, Address.parse(BOB)))
    database.write(lambda tx: changes.make(tx, UserChangeRequest("restore", "demo", "test"), 1))
    moving.finish(database)
    own = Browser.logged_in(app.test_client(), BOB)
    assert "Quokka" in own.text_of("/folders/inbox")
    assert len(database.read(lambda tx: app_passwords.list_for(tx, bob))) == 1
    assert receive(database, settings, BOB) == bob


def test_what_a_purged_panel_user_had_goes_with_their_mailbox_users(
    bob: str, database: Database, settings: Settings
) -> None:
    receive(database, settings, BOB)
    database.write(lambda tx: changes.make(tx, UserChangeRequest("remove", "demo", "test"), 1))
    moving.finish(database)
    database.write(lambda tx: changes.make(tx, UserChangeRequest("purge", "demo", "test"), 1))
    deleting.finish(database)
    assert database.read(lambda tx: tx.execute("SELECT count(*) FROM emails").get) == 0
    assert database.read(lambda tx: tx.execute("SELECT count(*) FROM departures").get) == 0


def test_a_renamed_panel_user_keeps_them(app: Flask, bob: str, database: Database, settings: Settings) -> None:
    add_user(settings, "demi")
    database.write(lambda tx: changes.make(tx, UserChangeRequest("rename", "demo", "test", "demi"), 1))
    moving.finish(database)
    assert log_in(app.test_client()) == 303 and receive(database, settings, BOB) == bob


# Looking into their mail


@pytest.fixture
def visiting(settings: Settings, database: Database, change: Any) -> FlaskClient:
    """A client of an app where panel users may read mailbox users' mail."""
    client: FlaskClient = change(owners_read_mailboxes=True)
    return client


def test_nobody_looks_into_their_mail_unless_a_setting_lets_them(bob: str, app: Flask) -> None:
    demo = Browser.logged_in(app.test_client(), "demo")
    assert demo.post("/mailbox-users", {"do": "visit", "address": BOB}).status_code == 403
    assert "Read their mail" not in demo.text_of("/mailbox-users")


def test_a_panel_user_who_may_reads_and_changes_nothing_and_the_mailbox_user_sees_it(
    bob: str, visiting: FlaskClient, database: Database, settings: Settings
) -> None:
    receive(database, settings, BOB)
    (number,) = [row.id for row in database.read(lambda tx: mailbox.list_page(tx, bob, "inbox")).rows]
    mine = deliver(database, subject="Owner's own")
    demo = Browser.logged_in(visiting, "demo")
    entered = demo.post("/mailbox-users", {"do": "visit", "address": BOB}, follow_redirects=True)
    assert entered.status_code == 200 and entered.request.path == "/folders/inbox"
    page = demo.text_of("/folders/inbox")
    assert "You are reading the mailbox of bob@example.test" in page and "Owner's own" not in page
    assert demo.get(f"/messages/{number}").status_code == 200 and demo.get(f"/messages/{mine}").status_code == 404
    assert demo.get("/api/mail/read", query_string={"id": number, "mark_read": 1}).status_code == 403
    for path in ("/compose", "/app-passwords", "/sessions", "/password", "/mailbox-users", "/outbox", "/labels"):
        assert demo.get(path).status_code == 403, path
    for path in ("/act", "/compose", "/api/mail/send", "/api/mail/delete", "/app-passwords"):
        assert demo.post(path, {"ids": number, "action": "trash"}).status_code in (403, 404), path
    assert database.read(lambda tx: mailbox.get(tx, bob, number)).is_read is False  # type: ignore[union-attr]
    seen = database.read(
        lambda tx: tx.execute("SELECT action, actor FROM audit_events WHERE owner = ?", (bob,)).fetchall()
    )
    assert ("mailbox-user.visit", "user:demo") in seen and ("mail.read", "user:demo") in seen
    assert demo.post("/mailbox-users/leave").status_code == 303
    assert "Owner's own" in demo.text_of("/folders/inbox")


def test_a_visit_ends_with_the_setting_and_with_the_address(
    bob: str, visiting: FlaskClient, settings: Settings, database: Database, app: Flask
) -> None:
    demo = Browser.logged_in(visiting, "demo")
    demo.post("/mailbox-users", {"do": "visit", "address": BOB})
    cookie = visiting.get_cookie("onifast_mail")
    assert cookie is not None
    elsewhere = create_app(settings, database).test_client()
    elsewhere.set_cookie("onifast_mail", cookie.value)
    assert "You are reading" not in elsewhere.get("/folders/inbox").text
    run(settings.database, "UPDATE mail_addresses SET owner = 'maria' WHERE address = 'bob@example.test';")
    assert "You are reading" not in demo.text_of("/folders/inbox")


def test_maria_visits_nobody_of_demos(bob: str, visiting: FlaskClient) -> None:
    maria = Browser.logged_in(visiting, "maria")
    assert maria.post("/mailbox-users", {"do": "visit", "address": BOB}).status_code == 404


# Pages


def test_the_page_makes_one_and_shows_the_password_once(app: Flask, database: Database) -> None:
    give_address(database, BOB, "demo")
    demo = Browser.logged_in(app.test_client(), "demo")
    made = demo.post("/mailbox-users", {"do": "create", "address": BOB, "kind": "make"})
    assert made.status_code == 201
    found = re.search(r'id="fresh-password">([^<]+)<', made.text)
    assert found and log_in(app.test_client(), BOB, found[1]) == 303
    assert found[1] not in demo.get("/mailbox-users").text


def test_the_page_changes_space_senders_and_whether_they_may_log_in(
    app: Flask, bob: str, database: Database, settings: Settings
) -> None:
    demo = Browser.logged_in(app.test_client(), "demo")
    form = {"do": "set", "address": BOB, "quota": "1 MiB", "send_as": "demo@example.test"}
    assert demo.post("/mailbox-users", form).status_code == 303
    assert database.read(lambda tx: quotas.of(tx, "owner", bob, settings)).limit == 1024 * 1024
    assert database.read(lambda tx: mailbox_users.senders_of(tx, bob)) == ["demo@example.test"]
    assert demo.post("/mailbox-users", form | {"quota": "much"}).status_code == 422
    assert demo.post("/mailbox-users", {"do": "disable", "address": BOB}).status_code == 303
    assert log_in(app.test_client()) == 403 and "Disabled" in demo.text_of("/mailbox-users")
