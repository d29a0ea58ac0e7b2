"""Who has seen a list or the counts already is told so: 304, as long as nothing of it is another."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from typing import Any

import apsw
import pytest
import sqlite_shell
from flask.testing import FlaskClient
from onifast_shared.db.database import Connection, Database
from werkzeug.test import TestResponse

from web.support import Browser, Clock, Live, Panel, deliver, index

PATHS = {"list": "/api/mail/list", "counts": "/api/mail/counts", "sent": "/api/mail/list?folder=sent"}


def asked(browser: Browser, path: str, etag: str = "") -> TestResponse:
    return browser.get(path, headers={"If-None-Match": etag} if etag else {})


@pytest.mark.parametrize("name", PATHS)
def test_what_has_not_changed_is_not_sent_again(browser: Browser, database: Database, name: str) -> None:
    deliver(database)
    first = asked(browser, PATHS[name])
    assert first.status_code == 200
    second = asked(browser, PATHS[name], first.headers["ETag"])
    assert (second.status_code, second.data) == (304, b"")
    assert second.headers["ETag"] == first.headers["ETag"]
    assert second.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("form", ["W/{}", '"x", {}', "*"])
def test_every_form_of_the_field_is_understood(browser: Browser, form: str) -> None:
    etag = asked(browser, PATHS["counts"]).headers["ETag"]
    assert asked(browser, PATHS["counts"], form.format(etag)).status_code == 304


@pytest.mark.parametrize("etag", ['"x"', "x", '"', "\xff"])
def test_another_etag_gets_the_answer(browser: Browser, etag: str) -> None:
    assert asked(browser, PATHS["counts"], etag).status_code == 200


def is_seen(browser: Browser, path: str, change: Callable[[], Any]) -> bool:
    """Whether a change makes another answer."""
    etag = asked(browser, path).headers["ETag"]
    change()
    return asked(browser, path, etag).status_code == 200


def test_new_mail_is_seen(browser: Browser, database: Database) -> None:
    for path in (PATHS["list"], PATHS["counts"]):
        assert is_seen(browser, path, lambda: deliver(database))
    assert is_seen(browser, PATHS["list"], lambda: index(database))


def test_mail_that_a_script_changes_is_seen(browser: Browser, database: Database) -> None:
    deliver(database)
    read = "UPDATE emails SET is_read = 1;"
    assert is_seen(browser, PATHS["list"], lambda: sqlite_shell.run(database.path, read))
    assert is_seen(browser, PATHS["counts"], lambda: sqlite_shell.run(database.path, "DELETE FROM emails;"))


def test_what_goes_on_in_other_folders_and_mailboxes_is_not(browser: Browser, database: Database) -> None:
    deliver(database)
    assert not is_seen(browser, PATHS["list"], lambda: deliver(database, folder="junk"))
    assert not is_seen(browser, PATHS["counts"], lambda: deliver(database, owner="root2"))


def test_a_correspondent_who_is_learnt_later_is_seen(browser: Browser, database: Database) -> None:
    deliver(database)
    learn = """
        INSERT INTO correspondents (owner, address, domain, name, known_ts, last_ts)
        VALUES ('demo', 'x@remote.test', 'remote.test', 'X', 1, 1);
    """
    assert is_seen(browser, PATHS["list"], lambda: sqlite_shell.run(database.path, learn))


@pytest.mark.parametrize("name", ["sent", "counts"])
def test_the_time_at_which_mail_leaves_is_seen(browser: Browser, database: Database, clock: Clock, name: str) -> None:
    schedule = f"""
        INSERT INTO contents (id, size, data, created_ts) VALUES (900, 1, 'x', 1);
        INSERT INTO outbox (sender, recipient, owner, content_id, status, release_ts)
        VALUES ('demo@example.test', 'a@b.test', 'demo', 900, 'pending', {int(clock()) + 100});
    """
    assert is_seen(browser, PATHS[name], lambda: sqlite_shell.run(database.path, schedule))
    put_off = "UPDATE outbox SET release_ts = release_ts + 50;"
    assert is_seen(browser, PATHS[name], lambda: sqlite_shell.run(database.path, put_off))
    assert not is_seen(browser, PATHS[name], lambda: clock.advance(1))
    assert is_seen(browser, PATHS[name], lambda: clock.advance(200))


def test_another_user_and_other_settings_have_other_etags(
    browser: Browser, panel: Panel, change: Callable[..., FlaskClient]
) -> None:
    mine = asked(browser, PATHS["counts"]).headers["ETag"]
    everybodys = panel.get("/api/mail/counts")
    theirs = panel.client.get("/api/mail/counts", headers=panel.headers | {"If-None-Match": mine})
    assert everybodys.headers["ETag"] != mine and theirs.status_code == 200
    other = change(well_known_domains=("bank.test",)).get("/api/mail/counts", headers=panel.headers)
    assert other.headers["ETag"] != everybodys.headers["ETag"]


def test_each_page_of_a_list_has_its_own(browser: Browser, database: Database) -> None:
    for _ in range(3):
        deliver(database)
    first = asked(browser, "/api/mail/list?limit=1")
    next_page = f"/api/mail/list?limit=1&cursor={first.json['next_cursor']}" if first.json else ""
    assert asked(browser, next_page, first.headers["ETag"]).status_code == 200


def test_a_search_is_always_answered(browser: Browser, database: Database) -> None:
    deliver(database)
    answer = asked(browser, "/api/mail/list?q=lunch")
    assert "ETag" not in answer.headers
    assert asked(browser, "/api/mail/list?q=lunch", "*").status_code == 200


def test_who_is_not_logged_in_learns_nothing(browser: Browser, client: FlaskClient) -> None:
    etag = asked(browser, PATHS["counts"]).headers["ETag"]
    assert client.get(PATHS["counts"], headers={"If-None-Match": etag}).status_code == 401
    assert client.get(PATHS["counts"], headers={"If-None-Match": "*"}).status_code == 401


def test_the_connection_is_kept_for_the_next_look(live: Live, panel: Panel) -> None:
    etag = panel.get("/api/mail/counts").headers["ETag"]
    connection = http.client.HTTPConnection(live.host, live.port, timeout=30)
    headers = panel.headers | {"If-None-Match": etag}
    for _ in range(2):
        connection.request("GET", "/api/mail/counts", headers=headers)
        answer = connection.getresponse()
        assert (answer.status, answer.read(), answer.getheader("Connection")) == (304, b"", None)
        assert connection.sock is not None
    connection.request("GET", "/api/mail/counts", headers=headers | {"Connection": "close"})
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Connection")) == (304, "close")


def test_a_look_reads_no_message(browser: Browser, database: Database) -> None:
    """What an open page asks every two seconds costs the same beside one message and beside a million."""
    deliver(database)
    etags = {path: asked(browser, path).headers["ETag"] for path in PATHS.values()}
    read = set[str]()

    def note(table: object) -> int:
        read.add(str(table))
        return apsw.SQLITE_OK

    def watch(tx: Connection) -> None:
        tx.set_authorizer(lambda _action, table, *_: note(table))

    database.read(watch)  # this thread's connection, which the client's requests have too
    try:
        for path, etag in etags.items():
            assert asked(browser, path, etag).status_code == 304
    finally:
        database.read(lambda tx: tx.set_authorizer(None))
    assert "folder_counts" in read and "emails" not in read
