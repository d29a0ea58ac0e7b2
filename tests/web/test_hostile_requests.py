"""Every route against what nobody means well by: impossible ids, no token, and hostile words of other servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from onifast_shared.accounts import api_tokens
from onifast_shared.db.database import Connection, Database
from onifast_web.access.caller import Who

from web.support import Browser, queue

IMPOSSIBLE = (0, 2**63, 10**40)
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
CHANGES = ("POST", "PUT", "PATCH", "DELETE")


def routes(app: Flask, *methods: str) -> Iterator[tuple[str, str, Who]]:
    """(method, path with a `{id}` for each number in it, who may call it)."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint == "static":
            continue
        path = rule.rule
        for converter in rule.arguments:
            path = path.replace(f"<int:{converter}>", "{id}").replace(f"<{converter}>", "inbox")
            path = path.replace(f"<path:{converter}>", "inbox")
        for method in sorted(set(methods) & (rule.methods or set())):
            yield method, path, vars(app.view_functions[rule.endpoint])["who"]


def test_no_change_is_made_with_a_cookie_alone(app: Flask, browser: Browser) -> None:
    for method, path, who in routes(app, *CHANGES):
        if who in (Who.USER, Who.ADMINISTRATOR):
            answer = browser.client.open(path.format(id=1), method=method, json={})
            assert answer.status_code == 403, (method, path)


@pytest.mark.parametrize("number", IMPOSSIBLE)
def test_impossible_ids_are_answered_like_foreign_ones(app: Flask, number: int) -> None:
    browser = Browser.logged_in(app.test_client(), "root-admin")
    for _, path, who in routes(app, "GET"):
        if who is not Who.ANYONE:
            answer = browser.get(path.format(id=number), query_string={"id": str(number), "cursor": str(number)})
            assert answer.status_code < 500, path


@pytest.mark.parametrize("number", IMPOSSIBLE)
def test_impossible_ids_in_forms_change_nothing(app: Flask, number: int) -> None:
    browser = Browser.logged_in(app.test_client(), "root-admin")
    actions = ("remove", "release", "redirect", "cancel", "edit", "now", "time", "test", "enable", "lift", "retry")
    for _, path, who in routes(app, "POST"):
        if who is Who.ANYONE or path == "/logout" or path.startswith("/api/"):
            continue
        for action in actions:
            form = {"id": str(number), "ids": str(number), "do": action, "action": action, "to": "a@remote.test"}
            answer = browser.post(path.format(id=number), {**form, "send_at": "2027-01-01T00:00:00Z"})
            assert answer.status_code < 500, (path, action)


def test_impossible_ids_in_the_api_are_refused(app: Flask, database: Database) -> None:
    token, _ = database.write(lambda tx: api_tokens.create(tx, "root-admin", "x", 0))
    client, headers = app.test_client(), {"Authorization": f"Bearer {token}"}
    for method, path, _ in routes(app, *CHANGES):
        if path.startswith("/api/"):
            for number in IMPOSSIBLE:
                body = {"id": number, "ids": [number], "action": "retry"}
                answer = client.open(path, method=method, json=body, headers=headers, query_string={"id": number})
                assert answer.status_code < 500 and answer.status_code != 401, (method, path)


def test_what_others_wrote_is_text_on_every_page(app: Flask, database: Database) -> None:
    (row_id,) = queue(database, "bob@remote.test", owner="root-admin")
    (caught,) = queue(database, "eve@remote.test", owner="root-admin")
    database.write(lambda tx: _poison(tx, row_id, caught))
    browser = Browser.logged_in(app.test_client(), "root-admin")
    pages = [path for _, path, who in routes(app, "GET") if who is not Who.ANYONE and not path.startswith("/api/")]
    shown = 0
    for path in pages:
        for number in (row_id, caught):
            answer = browser.get(path.format(id=number))
            if answer.mimetype == "text/html" and answer.status_code == 200:
                assert "<script>alert" not in answer.text and "<img src=x" not in answer.text, path
                shown += "&lt;script&gt;alert(1)" in answer.text
    assert shown >= 8


def _poison(tx: Connection, row_id: int, caught: int) -> None:
    """Hostile words wherever other servers, other users or other programs put words."""
    tx.execute(
        "UPDATE outbox SET status = 'deferred', last_error = ?1, subject = ?1, recipient = ?1, sender = ?1,"
        " original_recipient = ?1, submitted_by = ?1 WHERE id = ?2",
        (HOSTILE, row_id),
    )
    tx.execute(
        "UPDATE outbox SET status = 'sandboxed', last_error = ?1, subject = ?1, recipient = ?1 WHERE id = ?2",
        (HOSTILE, caught),
    )
    tx.execute(
        "INSERT INTO delivery_attempts (outbox_id, started_ts, outcome, host, address, tls, code, enhanced, reply,"
        " tls_level, explanation) VALUES (?1, 0, 'deferred', ?2, ?2, ?2, 451, '4.7.1', ?2, ?2, ?2)",
        (row_id, HOSTILE),
    )
    for sql in (
        "INSERT INTO suppressions (owner, recipient, origin, reason, created_ts)"
        " VALUES ('root-admin', ?1, 'bounce', ?1, 0)",
        "INSERT INTO hold_rules (sender, note, created_by, created_ts) VALUES (?1, ?1, ?1, 0)",
        "INSERT INTO sandbox_domains (domain, set_by) VALUES (?1, ?1)",
        "INSERT INTO destination_states (destination, process, in_flight, concurrency, dead_since_ts, next_probe_ts,"
        " last_error, updated_ts) VALUES (?1, ?1, 1, 1, 1, 1, ?1, strftime('%s', 'now'))",
        "INSERT INTO destination_limits (destination, concurrency) VALUES (?1, 1)",
        "INSERT INTO sts_policies VALUES (?1, ?1, 'enforce', ?1, 0, 9999999999, 0)",
        "INSERT INTO tls_memory VALUES (?1, 'verified', ?1, 1, 1, 1, 'none', ?1, ?1)",
        "INSERT INTO tls_reports VALUES ('2027-01-01', ?1, ?1, 'failed', 0, ?1)",
        "INSERT INTO routes (scope, name, host, user) VALUES ('recipient_domain', ?1, ?1, ?1)",
        "INSERT INTO source_addresses (domain, family, address, helo_name) VALUES (?1, 4, ?1, ?1)",
        "INSERT INTO webhooks (owner, url, events, secret, created_ts, problem)"
        " VALUES ('root-admin', ?1, 'delivered', 'whsec_x', 0, ?1)",
    ):
        tx.execute(sql, (HOSTILE,))


@pytest.mark.parametrize("host", ["x..y", "." * 70, "a" * 64 + ".test", "[::1", "\xfc.test"])
def test_a_host_header_that_names_no_host_is_refused(client: FlaskClient, host: str) -> None:
    for path in ("/", "/login", "/api/mail/list", "/robots.txt", "/nowhere"):
        assert client.get(path, headers={"Host": host}).status_code in {303, 400, 401, 404, 200}, path
