"""The API over mail that waits: sent later, called back, put off; and over the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import mailbox
from onifast_shared.message import parsing
from onifast_shared.queue import sandbox
from onifast_shared.values import times
from werkzeug.test import TestResponse

from web.support import Clock, Panel, give_address, queue

LETTER = {"from": "demo@example.test", "to": ["ann@remote.example"], "subject": "Later", "text": "Hello"}
DAY = 86400


@pytest.fixture
def demo(panel: Panel) -> Panel:
    return panel.acting_for("demo")


def at(clock: Clock, seconds: float) -> str:
    return times.rfc3339(clock() + seconds)


def send(demo: Panel, **more: Any) -> dict[str, Any]:
    answer = demo.post("/api/mail/send", LETTER | more)
    assert answer.status_code == 202 and answer.json is not None, answer.text
    return dict(answer.json)


def act(caller: Panel, ids: list[int], action: str, **more: Any) -> TestResponse:
    return caller.post("/api/mail/outbox", {"ids": ids, "action": action} | more)


def rows(caller: Panel) -> list[dict[str, Any]]:
    answer = caller.get("/api/mail/outbox").json
    assert answer is not None
    return list(answer["outbox"])


def test_a_message_is_sent_at_its_time(demo: Panel, clock: Clock, database: Database) -> None:
    moment = at(clock, DAY)
    sent = send(demo, send_at=moment)
    assert sent["release_at"] == moment
    assert [(row["release_at"], row["next_attempt_at"]) for row in rows(demo)] == [(moment, moment)]
    (copy,) = demo.get("/api/mail/list", folder="sent").json["emails"]  # type: ignore[index]
    assert copy["release_at"] == moment == copy["received_at"]
    shown = demo.get("/api/mail/read", id=sent["email_id"]).json
    assert shown is not None and shown["release_at"] == moment == shown["date"]
    assert demo.get("/api/mail/counts").json["scheduled"] == 1  # type: ignore[index]
    clock.advance(DAY + 1)
    (copy,) = demo.get("/api/mail/list", folder="sent").json["emails"]  # type: ignore[index]
    assert "release_at" not in copy and "scheduled" not in (demo.get("/api/mail/counts").json or {})


def test_a_time_in_another_zone_is_the_same_moment(demo: Panel, clock: Clock) -> None:
    moment = int(clock()) + DAY
    text = times.rfc3339(moment + 19800).replace("Z", "+05:30")
    assert send(demo, send_at=text)["release_at"] == times.rfc3339(moment)


@pytest.mark.parametrize(
    "send_at",
    ["tomorrow", "2026-13-01T00:00:00Z", "2099-01-01T00:00:00Z", "2001-01-01T00:00:00Z", "2099-01-01 00:00", 1],
)
def test_a_time_that_is_none_or_out_of_bounds_is_refused(demo: Panel, send_at: Any) -> None:
    answer = demo.post("/api/mail/send", LETTER | {"send_at": send_at})
    assert answer.status_code == 422 and "send_at" in answer.text
    assert rows(demo) == []


@pytest.mark.parametrize("undo", [-1, 601, "x", 1.5])
def test_seconds_for_undo_have_bounds(demo: Panel, undo: Any) -> None:
    assert demo.post("/api/mail/send", LETTER | {"undo_seconds": undo}).status_code == 422


def test_a_time_and_seconds_for_undo_exclude_each_other(demo: Panel, clock: Clock) -> None:
    body = LETTER | {"undo_seconds": 10, "send_at": at(clock, DAY)}
    assert demo.post("/api/mail/send", body).status_code == 422


def test_sending_later_can_be_switched_off(
    change: Callable[..., FlaskClient], settings: Settings, clock: Clock
) -> None:
    demo = Panel(change(max_hold=0.0), settings.panel_token_path.read_text().strip(), "demo")
    answer = demo.post("/api/mail/send", LETTER | {"send_at": at(clock, DAY)})
    assert answer.status_code == 422 and "switched off" in answer.text


def test_mail_from_the_api_leaves_at_once_unless_it_says_otherwise(demo: Panel) -> None:
    assert "release_at" not in send(demo)
    assert "release_at" in send(demo, undo_seconds=10)


def test_a_message_is_called_back_with_all_its_recipients(demo: Panel, database: Database) -> None:
    sent = send(demo, undo_seconds=10, cc=["bob@remote.example"], bcc=["eve@remote.example"])
    answer = act(demo, sent["outbox_ids"][1:2], "recall")
    assert answer.json == {"changed": sent["outbox_ids"], "drafts": [sent["email_id"]]}
    assert {row["status"] for row in rows(demo)} == {"cancelled"}
    parsed = parsing.parse(database.read(lambda tx: mailbox.raw(tx, sent["email_id"])))
    assert (parsed.to, parsed.cc, parsed.header("bcc")) == (LETTER["to"][0], "bob@remote.example", "eve@remote.example")
    assert act(demo, sent["outbox_ids"][:1], "recall").status_code == 409


def test_it_is_too_late_once_one_recipient_was_claimed(demo: Panel, database: Database) -> None:
    ids = send(demo, undo_seconds=10, cc=["bob@remote.example"])["outbox_ids"]
    database.write(lambda tx: tx.execute("UPDATE outbox SET status = 'sending' WHERE id = ?", (ids[0],)))
    answer = act(demo, ids, "recall")
    assert answer.status_code == 409 and "1 of its 2 copies" in answer.text
    assert {row["status"] for row in rows(demo)} == {"sending", "pending"}


def test_a_waiting_message_is_put_off_and_sent_now(demo: Panel, clock: Clock) -> None:
    ids = send(demo, send_at=at(clock, DAY))["outbox_ids"]
    later = at(clock, 2 * DAY)
    assert act(demo, ids, "reschedule", send_at=later).json == {"changed": ids}
    assert rows(demo)[0]["next_attempt_at"] == later
    assert act(demo, ids, "send_now").json == {"changed": ids}
    assert "release_at" not in rows(demo)[0]
    assert act(demo, ids, "send_now").status_code == 409


@pytest.mark.parametrize(
    "more",
    [
        {"action": "reschedule"},
        {"action": "redirect"},
        {"action": "cancel", "to": "ann@remote.example"},
        {"action": "retry", "send_at": "2099-01-01T00:00:00Z"},
        {"action": "redirect", "to": "no address"},
        {"action": "reschedule", "send_at": "2001-01-01T00:00:00Z"},
    ],
)
def test_an_action_takes_what_it_needs_and_nothing_else(demo: Panel, database: Database, more: dict[str, Any]) -> None:
    ids = queue(database, "ann@remote.example")
    assert demo.post("/api/mail/outbox", {"ids": ids} | more).status_code == 422


def test_somebody_elses_message_is_not_there(panel: Panel, database: Database) -> None:
    ids = queue(database, "ann@remote.example", owner="maria")
    for action in ("recall", "send_now"):
        assert act(panel.acting_for("demo"), ids, action).status_code == 404


# The sandbox


def captured(database: Database, domain: str | None = "example.test") -> list[int]:
    ids = queue(database, "ann@remote.example")
    database.write(lambda tx: tx.execute("UPDATE outbox SET status = 'sandboxed' WHERE id = ?", ids))
    database.write(lambda tx: sandbox.mark(tx, ids[0], domain))
    return ids


def test_an_owner_puts_his_domain_into_the_sandbox_and_takes_it_out(demo: Panel, database: Database) -> None:
    on = demo.post("/api/mail/sandbox", {"domain": "Example.Test", "on": True}).json
    assert on is not None and on["on"] and on["domain"] == "example.test" and on["since"]
    captured(database)
    listed = demo.get("/api/mail/sandbox").json
    assert listed is not None and not listed["everything"]
    assert [(each["domain"], each["on"], each["captured"]) for each in listed["domains"]] == [("example.test", True, 1)]
    off = demo.post("/api/mail/sandbox", {"domain": "example.test", "on": False}).json
    assert off is not None and not off["on"] and off["since"] is None and off["captured"] == 1


def test_nobody_puts_another_users_domain_into_the_sandbox(panel: Panel, database: Database) -> None:
    demo = panel.acting_for("demo")
    assert demo.post("/api/mail/sandbox", {"domain": "other.test", "on": True}).status_code == 404
    give_address(database, "demo@other.test", "demo")
    assert demo.post("/api/mail/sandbox", {"domain": "other.test", "on": True}).status_code == 403
    assert panel.post("/api/mail/sandbox", {"domain": "other.test", "on": True}).status_code == 200


def test_an_owner_releases_what_his_domains_sandbox_captured(demo: Panel, database: Database) -> None:
    ids = captured(database)
    assert rows(demo)[0]["sandbox_domain"] == "example.test"
    assert act(demo, ids, "release").json == {"changed": ids}
    assert rows(demo)[0]["status"] == "pending"


def test_an_installations_capture_is_released_by_administrators_alone(panel: Panel, database: Database) -> None:
    ids, demo = captured(database, None), panel.acting_for("demo")
    for action, more in (("release", {}), ("redirect", {"to": "demo@example.test"})):
        answer = act(demo, ids, action, **more)
        assert answer.status_code == 403 and "administrators" in answer.text
    assert act(panel, ids, "release").json == {"changed": ids}


def test_captured_mail_is_redirected(demo: Panel, database: Database) -> None:
    ids = captured(database)
    assert act(demo, ids, "redirect", to="tester@remote.example").json == {"changed": ids}
    row = rows(demo)[0]
    assert (row["recipient"], row["original_recipient"]) == ("tester@remote.example", "ann@remote.example")
