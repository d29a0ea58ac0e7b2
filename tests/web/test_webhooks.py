"""Webhooks in the API, on their page and at the shell."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.webhooks import calls, store, telling
from onifast_shared.webhooks.calls import CallResult

from web.support import Browser, Clock, Panel, queue, words

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


@pytest.mark.parametrize("events", [[], ["read"], ["bounced"] * 10])
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


def called(database: Database, webhook_id: int, problem: str = "The receiver answered 500.", **more: Any) -> int:
    """An event that the receiver answered; returns the call's id."""
    now = 1_795_000_000
    database.write(lambda tx: telling.tell_listeners(tx, [webhook_id], "bounced", {"outbox_id": 7}, now))
    ((webhook, events),) = database.write(lambda tx: store.take(tx, now, 0, 8, 100))
    event = events[-1]
    result = CallResult(more.pop("status", 500), 12, more.pop("response", "<b>no</b>"), problem)

    def settle(tx: Connection) -> None:
        calls.record(
            tx, event, webhook_id, result, next_ts=store.next_attempt(event, now) if problem else None, now=now
        )
        if problem:
            store.failed(tx, webhook, event, problem, now)
        else:
            store.told(tx, webhook, event, now)
        store.release(tx, webhook_id, 0)

    database.write(settle)
    return database.read(lambda tx: calls.list_page(tx, webhook_id).rows[0].id)


def test_past_calls_show_what_was_answered_in_pages_and_by_state(panel: Panel, database: Database) -> None:
    demo = panel.acting_for("demo")
    made = create(demo)
    ids = [called(database, made["id"], problem) for problem in ("", "The receiver answered 500.", "")]
    first = demo.get("/api/mail/webhooks/calls", id=made["id"], limit=2).json or {}
    assert [each["id"] for each in first["calls"]] == ids[:0:-1]
    failing = first["calls"][1]
    assert (failing["state"], failing["status"], failing["milliseconds"], failing["attempts"]) == (
        "failing",
        500,
        12,
        1,
    )
    assert (failing["type"], failing["response"]) == ("mail.bounced", "<b>no</b>")
    assert failing["next_attempt_at"] and failing["payload"]["data"] == {"outbox_id": 7}
    rest = demo.get("/api/mail/webhooks/calls", id=made["id"], limit=2, cursor=first["next_cursor"]).json or {}
    assert ([each["id"] for each in rest["calls"]], rest["next_cursor"]) == (ids[:1], None)
    told = demo.get("/api/mail/webhooks/calls", id=made["id"], state="told").json or {}
    assert [each["id"] for each in told["calls"]] == [ids[2], ids[0]]
    assert demo.get("/api/mail/webhooks/calls", id=made["id"], cursor="x").status_code == 422
    assert demo.get("/api/mail/webhooks/calls", id=made["id"], state="sung").status_code == 422


def test_a_call_is_made_again_with_its_id_and_content(panel: Panel, database: Database) -> None:
    demo = panel.acting_for("demo")
    made = create(demo)
    call_id = called(database, made["id"], "")
    answer = demo.post("/api/mail/webhooks/replay", {"id": made["id"], "calls": [call_id, 999]})
    assert (answer.status_code, answer.json) == (200, {"replayed": [call_id]})
    (waiting,) = database.read(lambda tx: tx.execute("SELECT message_id, payload FROM webhook_events").fetchall())
    (past,) = database.read(lambda tx: calls.list_page(tx, made["id"]).rows)
    assert waiting == (past.message_id, past.payload) and past.state == "failing"
    assert demo.post("/api/mail/webhooks/replay", {"id": made["id"], "calls": [999]}).status_code == 404
    database.write(lambda tx: store.disable(tx, made["id"], "It broke.", 0))
    assert demo.post("/api/mail/webhooks/replay", {"id": made["id"], "calls": [call_id]}).status_code == 409


def test_what_somebody_elses_webhook_was_told_is_not_there(panel: Panel, database: Database) -> None:
    made, own = create(panel.acting_for("demo")), create(panel.acting_for("maria"))
    call_id = called(database, made["id"])
    maria = panel.acting_for("maria")
    assert maria.get("/api/mail/webhooks/calls", id=made["id"]).status_code == 404
    for webhook_id in (made["id"], own["id"]):
        answer = maria.post("/api/mail/webhooks/replay", {"id": webhook_id, "calls": [call_id]})
        assert answer.status_code == 404
    events = {"id": made["id"], "events": ["held"]}
    assert maria.client.patch("/api/mail/webhooks", json=events, headers=maria.headers).status_code == 404


def test_events_are_chosen_anew(panel: Panel, browser: Browser) -> None:
    demo = panel.acting_for("demo")
    made = create(demo, events=["bounced"])
    changed = {"id": made["id"], "events": ["login", "held"]}
    answer = demo.client.patch("/api/mail/webhooks", json=changed, headers=demo.headers)
    assert answer.json is not None and answer.json["events"] == ["held", "login"]
    form = {"do": "events", "id": made["id"], "events": ["received"]}
    assert browser.post("/webhooks", form).status_code == 303
    assert listed(demo)[0]["events"] == ["received"]
    assert browser.post("/webhooks", {"do": "events", "id": made["id"]}).status_code == 422


def test_the_page_of_past_calls_shows_them_as_text_and_makes_them_again(
    browser: Browser, panel: Panel, database: Database
) -> None:
    made = create(panel.acting_for("demo"))
    where = f"/webhooks/calls?id={made['id']}"
    assert "No calls here" in browser.text_of(where)
    called(database, made["id"])
    page = browser.get(where).text
    assert "&lt;b&gt;no" in page and "<b>no" not in page
    assert "answered 500 · 12 ms · 1 attempt · next" in words(page)
    form = {"id": made["id"], "call": 1}
    assert browser.post("/webhooks/calls", form).status_code == 303
    assert browser.get(where + "&cursor=x").status_code == 404
    assert browser.get("/webhooks/calls?id=99").status_code == 404
    assert "No calls here" in browser.text_of(where + "&state=dropped")


def test_a_login_to_the_webmail_is_told(panel: Panel, browser: Browser, database: Database) -> None:
    create(panel.acting_for("demo"), events=["login"])
    create(panel.acting_for("maria"), events=["login"])
    headers = {"User-Agent": "Phone/1.0"}
    browser.client.post("/login", data={"username": "demo", "password": "demo password"}, headers=headers)
    browser.client.post("/login", data={"username": "demo", "password": "wrong"})
    (row,) = database.read(lambda tx: tx.execute("SELECT webhook_id, payload FROM webhook_events").fetchall())
    told = json.loads(str(row[1]))
    assert (row[0], told["type"]) == (1, "mail.login")
    assert told["data"] == {"owner": "demo", "by": "password", "ip": "127.0.0.1", "user_agent": "Phone/1.0"}


def test_mail_that_is_held_by_hand_is_told(panel: Panel, database: Database) -> None:
    create(panel.acting_for("demo"), events=["held"])
    (row_id,) = queue(database, "customer@remote.test")
    assert panel.post("/api/mail/outbox", {"ids": [row_id], "action": "hold"}).status_code == 200
    (row,) = database.read(lambda tx: tx.execute("SELECT payload FROM webhook_events").fetchall())
    data = json.loads(str(row[0]))["data"]
    assert (data["outbox_id"], data["recipient"], data["owner"]) == (row_id, "customer@remote.test", "demo")


def test_the_shell_shows_past_calls_and_makes_them_again(
    panel: Panel, settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": "mail.host.test"}

    def run(*arguments: str) -> tuple[int, str]:
        status = ctl.main(["webhook", *arguments], environ)
        return status, capsys.readouterr().out

    create(panel.acting_for("demo"))
    called(database, 1, "")
    status, out = run("calls", "1", "--owner", "demo")
    assert status == 0 and out.startswith("1\tmail.bounced\ttold\t1\t")
    assert json.loads(run("calls", "1", "--owner", "demo", "--state", "dropped", "--json")[1]) == []
    assert run("replay", "1", "1", "--owner", "demo")[0] == 0
    assert run("replay", "1", "1", "9", "--owner", "demo")[0] == 1
    assert run("test", "1", "--owner", "demo")[0] == 0
    assert listed(panel.acting_for("demo"))[0]["waiting"] == 2
    assert run("set", "1", "--event", "held", "--owner", "demo")[0] == 0
    for command in (["calls", "1"], ["replay", "1", "1"], ["test", "1"], ["set", "1", "--event", "held"]):
        assert run(*command)[0] == 1, command
    database.write(lambda tx: store.disable(tx, 1, "It broke.", 0))
    assert run("test", "1", "--owner", "demo")[0] == 2
