"""Webhooks in the API, on their page and at the shell."""

from __future__ import annotations

import re
from typing import Any

import pytest
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.webhooks import store

from web.support import Browser, Clock, Panel, words

URL = "https://example.com/mail-events"


def create(panel: Panel, url: str = URL, **more: Any) -> dict[str, Any]:
    answer = panel.post("/api/mail/webhooks", {"url": url} | more)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json or {}
    return made


def listed(panel: Panel) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (panel.get("/api/mail/webhooks").json or {})["webhooks"]
    return found


def test_a_secret_is_shown_once(panel: Panel) -> None:
    demo = panel.acting_for("demo")
    made = create(demo, events=["bounced"])
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", made["secret"])
    (shown,) = listed(demo)
    assert (shown["id"], shown["url"], shown["events"]) == (made["id"], URL, ["bounced"])
    assert "secret" not in shown and made["secret"] not in panel.get("/api/mail/webhooks").text


def test_users_have_their_own_and_administrators_those_of_everybody_too(panel: Panel) -> None:
    demo, chief = panel.acting_for("demo"), panel.acting_for("root-admin")
    own, everybodys = create(demo), create(chief, everybody=True)
    assert [row["id"] for row in listed(demo)] == [own["id"]]
    assert [(row["id"], row["everybody"]) for row in listed(chief)] == [(everybodys["id"], True)]
    assert [row["id"] for row in listed(panel)] == [everybodys["id"]]
    assert demo.post("/api/mail/webhooks", {"url": URL, "everybody": True}).status_code == 403
    for path, body in (("/api/mail/webhooks/act", {"id": everybodys["id"], "action": "test"}),):
        assert demo.post(path, body).status_code == 404
    assert demo.delete("/api/mail/webhooks", id=everybodys["id"]).status_code == 404
    assert demo.delete("/api/mail/webhooks", id=own["id"]).status_code == 204
    assert listed(demo) == []


@pytest.mark.parametrize("url", ["http://example.com/", "https://127.0.0.1/", "https://localhost/", "nonsense", ""])
def test_a_url_that_users_may_not_name_is_refused(panel: Panel, url: str) -> None:
    answer = panel.acting_for("demo").post("/api/mail/webhooks", {"url": url})
    assert answer.status_code == 422 and answer.json is not None
    assert answer.json["errors"][0]["field"] == "url"


def test_an_administrators_own_webhook_is_held_to_the_same(panel: Panel) -> None:
    chief = panel.acting_for("root-admin")
    assert chief.post("/api/mail/webhooks", {"url": "http://127.0.0.1/"}).status_code == 422
    create(chief, "http://127.0.0.1:8080/", everybody=True)


@pytest.mark.parametrize("events", [[], ["read"], ["bounced"] * 6])
def test_events_are_those_that_there_are(panel: Panel, events: list[str]) -> None:
    assert panel.post("/api/mail/webhooks", {"url": URL, "events": events}).status_code == 422


def test_there_is_an_end_to_how_many(panel: Panel) -> None:
    demo = panel.acting_for("demo")
    for _ in range(store.MOST_PER_OWNER):
        create(demo)
    assert demo.post("/api/mail/webhooks", {"url": URL}).status_code == 409


def test_a_disabled_one_says_why_and_can_be_enabled(panel: Panel, database: Database, clock: Clock) -> None:
    demo = panel.acting_for("demo")
    made = create(demo)
    assert demo.post("/api/mail/webhooks/act", {"id": made["id"], "action": "test"}).json["waiting"] == 1  # type: ignore[index]
    database.write(lambda tx: store.disable(tx, made["id"], "The receiver answered 410.", clock()))
    (shown,) = listed(demo)
    assert shown["disabled_at"] and shown["problem"] == "The receiver answered 410." and shown["dropped"] == 1
    assert demo.post("/api/mail/webhooks/act", {"id": made["id"], "action": "test"}).status_code == 409
    enabled = demo.post("/api/mail/webhooks/act", {"id": made["id"], "action": "enable"}).json
    assert enabled is not None and enabled["disabled_at"] is None and enabled["problem"] == ""


def test_the_page_makes_tries_and_removes(browser: Browser, database: Database, clock: Clock) -> None:
    assert "No webhooks yet" in browser.text_of("/webhooks")
    form = {"do": "create", "url": URL, "events": ["delivered", "bounced"]}
    answer = browser.post("/webhooks", form)
    assert answer.status_code == 201
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", words(answer.text))
    assert secret
    shown = browser.text_of("/webhooks")
    assert secret[0] not in shown
    assert URL in shown and "Delivered, Failed" in shown and "Not called yet" in shown
    (made,) = database.read(lambda tx: store.list_for(tx, "demo"))
    assert browser.post("/webhooks", {"do": "test", "id": made.id}).status_code == 303
    assert "1 waiting" in browser.text_of("/webhooks")
    database.write(lambda tx: store.disable(tx, made.id, "It has failed for two days.", clock()))
    shown = browser.text_of("/webhooks")
    assert "Disabled" in shown and "It has failed for two days." in shown
    browser.post("/webhooks", {"do": "enable", "id": made.id})
    browser.post("/webhooks", {"do": "remove", "id": made.id})
    assert "No webhooks yet" in browser.text_of("/webhooks")


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"url": "http://example.com/", "events": "bounced"}, "Only https is allowed."),
        ({"url": URL}, "Choose at least one."),
        ({"url": URL, "events": "bounced", "everybody": "1"}, "Only administrators"),
    ],
)
def test_the_page_says_what_is_wrong(browser: Browser, form: dict[str, str], said: str) -> None:
    answer = browser.post("/webhooks", {"do": "create"} | form)
    assert answer.status_code == 422 and said in words(answer.text)


def test_foreign_webhooks_and_unknown_actions_are_refused(browser: Browser, panel: Panel) -> None:
    foreign = create(panel, everybody=True)
    assert browser.post("/webhooks", {"do": "remove", "id": foreign["id"]}).status_code == 404
    assert browser.post("/webhooks", {"do": "sing"}).status_code == 400


def test_the_shell_does_the_same(settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": "mail.host.test"}

    def run(*arguments: str) -> tuple[int, str]:
        status = ctl.main(["webhook", *arguments], environ)
        return status, capsys.readouterr().out

    assert run("add", URL, "--owner", "demo", "--event", "bounced")[1].startswith("whsec_")
    assert run("add", "http://127.0.0.1:9/")[0] == 0
    assert run("add", "http://127.0.0.1:9/", "--owner", "demo")[0] == 2
    assert run("list", "--owner", "demo") == (0, f"1\t{URL}\tbounced\tdemo\tenabled\t-\t0\t0\t-\n")
    assert run("remove", "1")[0] == 1
    assert run("enable", "1", "--owner", "demo")[0] == 0
    assert run("remove", "1", "--owner", "demo")[0] == 0
    assert run("enable", "1", "--owner", "demo")[0] == 1
