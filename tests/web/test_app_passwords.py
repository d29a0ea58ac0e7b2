"""App passwords, by API and page: made, shown once, used, revoked."""

from __future__ import annotations

import re
import time

import pytest
from flask.testing import FlaskClient
from onifast_shared.accounts import api_tokens, app_passwords
from onifast_shared.accounts.api_tokens import ALL_SCOPES
from onifast_shared.accounts.app_passwords import AppPasswordVerifier
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings

from web.support import Browser, Clock, Panel, words

API = "/api/mail/app-passwords"
PAGE = "/app-passwords"


def opened(database: Database, username: str, password: str) -> AppPasswordVerifier | None:
    """What smtpd would find for that password."""
    secret = database.write(app_passwords.make_salt_secret)
    found = database.read(lambda tx: app_passwords.verifiers_of(tx, username, None, secret))
    return app_passwords.opened_by(found, password)


def test_a_program_makes_lists_and_revokes_app_passwords(panel: Panel, database: Database, clock: Clock) -> None:
    demo = panel.acting_for("demo")
    answer = demo.post(API, {"name": " Phone "})
    assert answer.status_code == 201
    made = answer.get_json()
    assert (made["username"], made["name"]) == ("demo", "Phone")
    lock = opened(database, "demo", made["password"])
    assert lock is not None
    database.write(lambda tx: app_passwords.touch(tx, lock.id, clock.now, "192.0.2.7"))
    (row,) = demo.get(API).get_json()["app_passwords"]
    assert set(row) == {"id", "name", "created_at", "used_at", "used_from"}
    assert row["used_from"] == "192.0.2.7"
    assert row["used_at"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(clock.now))
    assert demo.delete(API, id=made["id"]).status_code == 204
    assert demo.delete(API, id=made["id"]).status_code == 404
    assert opened(database, "demo", made["password"]) is None


def test_another_users_app_passwords_are_not_there(panel: Panel, database: Database) -> None:
    made = panel.acting_for("demo").post(API, {"name": "Phone"}).get_json()
    for other in (panel.acting_for("maria"), panel.acting_for("root-admin")):
        assert other.get(API).get_json() == {"app_passwords": []}
        assert other.delete(API, id=made["id"]).status_code == 404
    assert opened(database, "demo", made["password"])


def test_the_service_token_has_none_of_its_own(panel: Panel) -> None:
    assert panel.get(API).status_code == 403
    assert panel.post(API, {"name": "x"}).status_code == 403
    assert panel.delete(API, id=1).status_code == 403


@pytest.mark.parametrize("name", ["", "   ", "a\x00b", "x" * 65, "Phone", 7])
def test_a_name_that_will_not_do_is_told(panel: Panel, name: object) -> None:
    demo = panel.acting_for("demo")
    demo.post(API, {"name": "Phone"})
    answer = demo.post(API, {"name": name})
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["field"] == "name"


def test_a_user_file_of_no_use_is_trouble_on_our_side(panel: Panel, settings: Settings) -> None:
    (settings.users_dir / "maria.json").write_text('{"password": "x", "scram": "SCRAM-SHA-256$broken"}')
    assert panel.acting_for("maria").post(API, {"name": "Phone"}).status_code == 503


def test_the_page_shows_a_new_password_once(browser: Browser, database: Database) -> None:
    assert "No app passwords yet" in browser.text_of(PAGE)
    answer = browser.post(PAGE, {"do": "create", "name": "Phone & <more>"})
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    found = re.search(r'id="fresh-password">([^<]+)<', answer.text)
    assert found
    assert opened(database, "demo", found[1])
    assert "Password for Phone & <more>" in words(answer.text)
    page = browser.get(PAGE).text
    assert "Phone &amp; &lt;more&gt;" in page
    assert found[1] not in page


def test_the_page_revokes(browser: Browser, database: Database) -> None:
    browser.post(PAGE, {"do": "create", "name": "Phone"})
    (row,) = database.read(lambda tx: app_passwords.list_for(tx, "demo"))
    answer = browser.post(PAGE, {"do": "revoke", "id": row.id})
    assert answer.status_code == 303
    assert "Password revoked." in browser.text_of(answer.headers["Location"])
    assert browser.post(PAGE, {"do": "revoke", "id": row.id}).status_code == 404
    assert browser.post(PAGE, {"do": "revoke", "id": "x"}).status_code == 404


def test_the_page_tells_what_is_wrong_with_a_name(browser: Browser) -> None:
    browser.post(PAGE, {"do": "create", "name": "Phone"})
    answer = browser.post(PAGE, {"do": "create", "name": "Phone"})
    assert answer.status_code == 422
    assert "There is an app password of this name already." in words(answer.text)
    assert 'value="Phone"' in answer.text


def test_nothing_is_made_or_revoked_without_the_sessions_token(browser: Browser) -> None:
    assert browser.post(PAGE, {"do": "create", "name": "Phone", "csrf_token": "x"}).status_code == 403
    assert "No app passwords yet" in browser.text_of(PAGE)


def test_no_password_reaches_the_log(browser: Browser, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    answer = browser.post(PAGE, {"do": "create", "name": "Phone"})
    found = re.search(r'id="fresh-password">([^<]+)<', answer.text)
    assert found
    assert "app-password-created" in caplog.text
    assert found[1] not in caplog.text


def test_a_token_that_ends_makes_none_that_would_outlive_it(
    client: FlaskClient, database: Database, clock: Clock
) -> None:
    ends = int(clock.now + 3600)
    for expires_ts, status in ((ends, 403), (None, 201)):
        made = database.write(
            lambda tx, expires_ts=expires_ts: api_tokens.create(  # type: ignore[misc]
                tx, "demo", "x", clock.now, scopes=ALL_SCOPES, expires_ts=expires_ts
            )
        )
        assert Panel(client, made[0]).post(API, {"name": "Phone"}).status_code == status
    assert len(database.read(lambda tx: app_passwords.list_for(tx, "demo"))) == 1
