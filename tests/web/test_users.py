"""Users who are removed, restored or renamed, by API and on the administrators' page."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlite_shell
from flask import Flask
from flask.testing import FlaskClient
from onifast_shared.db.database import Database
from onifast_shared.departed import moving, watching
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address
from onifast_web.api import ENDPOINTS

from web.support import Browser, Clock, Panel, deliver, queue

USERS = "/api/panel/users"


def subjects(panel: Panel, name: str) -> list[str]:
    answer = panel.acting_for(name).get("/api/mail/list")
    assert answer.json is not None, answer.text
    return [row["subject"] for row in answer.json["emails"]]


def vanish(database: Database, *names: str) -> None:
    """These users' files were not there at the last look, with many others."""
    columns = "username, missing_since_ts, missing_boot, missing_ms, held"
    gone = f"INSERT INTO seen_users ({columns}) VALUES (?, 1, 'b', 1, 1)"
    database.write(lambda tx: tx.executemany(gone, [(name,) for name in names]))


def test_the_panel_removes_and_restores(panel: Panel, database: Database) -> None:
    deliver(database, subject="Hello")
    answer = panel.post(f"{USERS}/remove", {"username": "demo"})
    assert answer.status_code == 200
    assert answer.json == {"id": 1, "username": "demo", "done": True, "lost": []}
    assert subjects(panel, "demo") == []
    kept = panel.get(f"{USERS}/departed").json
    assert kept is not None and kept["missing"] == []
    (row,) = kept["departed"]
    assert (row["username"], row["asked_by"], row["messages"], row["moving"]) == ("demo", "panel", 1, False)
    assert panel.post(f"{USERS}/restore", {"username": "demo"}).status_code == 200
    assert subjects(panel, "demo") == ["Hello"]
    assert panel.post(f"{USERS}/restore", {"username": "demo"}).status_code == 404


def test_what_is_restored_does_not_mix(panel: Panel, database: Database) -> None:
    deliver(database, subject="old")
    panel.post(f"{USERS}/remove", {"username": "demo"})
    panel.post("/api/mail/addresses", {"address": "new@example.test", "owner": "demo"})
    refused = panel.post(f"{USERS}/restore", {"username": "demo"})
    assert refused.status_code == 409 and refused.content_type == "application/problem+json"
    assert subjects(panel, "demo") == []
    assert panel.post(f"{USERS}/restore", {"username": "demo", "merge": True}).status_code == 200
    assert subjects(panel, "demo") == ["old"]


def test_a_user_is_renamed(panel: Panel, database: Database, settings: Settings) -> None:
    deliver(database, subject="Hello")
    assert panel.post(f"{USERS}/rename", {"username": "demo", "new_name": "maria"}).status_code == 409
    assert panel.post(f"{USERS}/rename", {"username": "demo", "new_name": "shop"}).status_code == 200
    Path(settings.users_dir, "demo.json").rename(Path(settings.users_dir, "shop.json"))
    assert subjects(panel, "shop") == ["Hello"]


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("remove", {"username": "../demo"}),
        ("remove", {"username": ""}),
        ("remove", {}),
        ("rename", {"username": "demo", "new_name": "~1:demo"}),
        ("rename", {"username": "demo", "new_name": "demo"}),
        ("confirm", {"usernames": []}),
    ],
)
def test_what_makes_no_sense_is_refused(panel: Panel, action: str, body: dict[str, object]) -> None:
    assert panel.post(f"{USERS}/{action}", body).status_code == 422


def test_only_the_panel_and_administrators_may(panel: Panel) -> None:
    for action in ("remove", "restore"):
        assert panel.acting_for("demo").post(f"{USERS}/{action}", {"username": "maria"}).status_code == 403
    assert panel.acting_for("demo").get(f"{USERS}/departed").status_code == 403
    assert panel.acting_for("root-admin").get(f"{USERS}/departed").status_code == 200


def test_nobody_gets_in_before_what_the_former_user_had_is_away(
    panel: Panel, browser: Browser, client: FlaskClient, database: Database
) -> None:
    deliver(database, subject="secret")
    sqlite_shell.run(database.path, "INSERT INTO user_changes (action, username) VALUES ('remove', 'demo');")
    answer = panel.acting_for("demo").get("/api/mail/list")
    assert answer.status_code == 503 and "Retry-After" in answer.headers
    assert browser.get("/folders/inbox").status_code == 503
    assert panel.post("/api/panel/sso-token", {"username": "demo"}).status_code == 503
    assert panel.acting_for("maria").get("/api/mail/list").status_code == 200


def test_a_session_of_the_former_user_is_no_way_in(panel: Panel, browser: Browser) -> None:
    assert browser.get("/folders/inbox").status_code == 200
    panel.post(f"{USERS}/remove", {"username": "demo"})
    assert browser.get("/folders/inbox").status_code == 303


def test_what_is_kept_is_deleted_at_a_wish(panel: Panel, database: Database, clock: Clock) -> None:
    deliver(database)
    panel.post(f"{USERS}/remove", {"username": "demo"})
    assert panel.delete(f"{USERS}/departed", id=1).status_code == 204
    assert panel.delete(f"{USERS}/departed", id=99).status_code == 404
    moving.finish(database)
    answer = panel.post(f"{USERS}/restore", {"username": "demo"})
    assert answer.status_code == 409 and "being deleted" in answer.text


def test_an_administrator_confirms_who_vanished_with_many(panel: Panel, database: Database) -> None:
    vanish(database, "eve")
    kept = panel.get(f"{USERS}/departed").json
    assert kept is not None
    assert kept["missing"] == [
        {"username": "eve", "missing_since": "1970-01-01T00:00:01Z", "waits": True, "confirmed_by": None}
    ]
    assert panel.post(f"{USERS}/confirm", {"usernames": ["eve", "demo"]}).json == {"confirmed": ["eve"]}
    assert panel.post(f"{USERS}/confirm", {"usernames": ["eve"]}).json == {"confirmed": []}


@pytest.mark.parametrize("owner", ["nobody", "../x", "~1:demo", ""])
def test_a_new_address_needs_an_owner_who_is_a_user(panel: Panel, database: Database, owner: str) -> None:
    answer = panel.post("/api/mail/addresses", {"address": "x@example.test", "owner": owner})
    assert answer.status_code == 422
    assert answer.json is not None and answer.json["errors"][0]["field"] == "owner"
    assert repr(owner) in answer.json["detail"]
    assert panel.post("/api/mail/quotas", {"scope": "owner", "name": owner or "-", "bytes": 1}).status_code == 422
    # A row that a script INSERTs counts all the same.
    row = f"INSERT INTO mail_addresses (address, owner) VALUES ('x@example.test', '{owner}');"
    sqlite_shell.run(database.path, row)
    assert len(database.read(lambda tx: addresses.list_for(tx, owner))) == 1
    assert database.read(lambda tx: addresses.has_mailbox(tx, Address.parse("x@example.test"))) is bool(owner)


# The administrators' page


@pytest.fixture
def admin(app: Flask) -> Browser:
    """An administrator who has logged in."""
    return Browser.logged_in(app.test_client(), "root-admin")


def test_the_page_restores_and_deletes(admin: Browser, panel: Panel, database: Database) -> None:
    assert "Nobody is gone" in admin.text_of("/departed")
    deliver(database, subject="Hello")
    panel.post(f"{USERS}/remove", {"username": "demo"})
    text = admin.text_of("/departed")
    assert "1 message" in text and "by panel" in text and "30 days" in text
    assert admin.post("/departed", {"do": "restore", "id": "1"}).status_code == 303
    assert subjects(panel, "demo") == ["Hello"]
    panel.post(f"{USERS}/remove", {"username": "demo"})
    panel.post("/api/mail/addresses", {"address": "new@example.test", "owner": "demo"})
    refused = admin.post("/departed", {"do": "restore", "id": "2"})
    assert refused.status_code == 409 and "has mail or addresses already" in refused.text
    assert admin.post("/departed", {"do": "purge", "id": "2"}).status_code == 303
    for nonsense in ({"do": "purge", "id": "9"}, {"do": "purge", "id": "x"}, {"do": "dance", "id": "2"}):
        assert admin.post("/departed", nonsense).status_code == 404


def test_the_page_confirms_and_every_page_of_administrators_asks_for_it(
    admin: Browser, browser: Browser, database: Database
) -> None:
    vanish(database, "eve", "mia")
    for path in ("/folders/inbox", "/departed"):
        assert "2 users' files are missing" in admin.text_of(path)
    assert "missing" not in browser.text_of("/folders/inbox")
    assert admin.post("/departed", {"do": "confirm", "users": ["eve"]}).status_code == 303
    assert database.read(watching.waiting) == ["mia"]
    assert "Confirmed by root-admin" in admin.text_of("/departed")


def test_the_page_is_for_administrators(browser: Browser) -> None:
    assert browser.get("/departed").status_code == 403
    assert "Departed users" not in browser.text_of("/outbox")


def test_no_list_shows_what_is_set_aside(panel: Panel, admin: Browser, database: Database) -> None:
    deliver(database, subject="unspeakable")
    queue(database, "customer@unspeakable.test")
    rows = """
        INSERT INTO suppressions (owner, recipient, origin, created_ts)
            VALUES ('demo', 'a@unspeakable.test', 'manual', 1);
        INSERT INTO refusals (refused_ts, client, recipient, owner, stage, code, enhanced, reason)
            VALUES (2000000000, '192.0.2.1', 'demo@unspeakable.test', 'demo', 'RCPT', 550, '5.7.1', 'no');
        INSERT INTO webhooks (owner, url, events, secret, created_ts)
            VALUES ('demo', 'https://unspeakable.test/', '', '', 1);
        INSERT INTO hold_rules (owner, note, created_ts) VALUES ('demo', 'unspeakable', 1);
        INSERT INTO mail_quotas (scope, name, bytes) VALUES ('owner', 'demo', 7);
        INSERT INTO sending_limits (scope, name, messages_per_hour) VALUES ('user', 'demo', 7);
        INSERT INTO mail_forwards (address, target, owner) VALUES ('x@unspeakable.test', 'y@unspeakable.test', 'demo');
    """
    sqlite_shell.run(database.path, rows)
    panel.post(f"{USERS}/remove", {"username": "demo"})
    lists = [each.path for each in ENDPOINTS if each.method == "GET" and each.path != f"{USERS}/departed"]
    texts = {path: panel.get(path).text for path in lists}
    pages = [
        "outbox",
        "refusals",
        "suppressions",
        "hold-rules",
        "limits",
        "addresses",
        "forwards",
        "webhooks",
        "sending",
    ]
    texts |= {path: admin.text_of(f"/{path}") for path in pages}
    assert [path for path, text in texts.items() if "~1:" in text or "unspeakable" in text] == []
