"""What is kept of past calls, and for how long; and what is told of mail that is held and of limits that are hit."""

from __future__ import annotations

import json

import pytest
from onifast_shared.accepting import limit_alerts
from onifast_shared.db.database import Connection, Database
from onifast_shared.limits.subjects import Subject
from onifast_shared.limits.usage import LimitExceeded
from onifast_shared.machine.config import Settings
from onifast_shared.queue import hold_rules
from onifast_shared.queue.hold_rules import Pattern
from onifast_shared.webhooks import calls, store, telling
from onifast_shared.webhooks.calls import CallResult, PastCall
from onifast_shared.webhooks.store import WaitingEvent, Webhook

NOW = 1_795_000_000


def made(database: Database, owner: str | None = "ann", *events: str) -> Webhook:
    chosen = events or store.EVENTS
    return database.write(lambda tx: store.create(tx, owner, "https://example.com/", chosen, NOW))


def call(database: Database, webhook: Webhook, number: int, *, problem: str = "", now: int = NOW) -> None:
    event = WaitingEvent(number, f"msg_{number}", "{}", 0)
    result = CallResult(None if problem else 200, 5, "", problem)
    next_ts = now + 30 if problem else None
    database.write(lambda tx: calls.record(tx, event, webhook.id, result, next_ts=next_ts, now=now))


def listed(database: Database, webhook: Webhook, state: str = "") -> list[PastCall]:
    return database.read(lambda tx: calls.list_page(tx, webhook.id, state=state, limit=1000)).rows


def payloads(database: Database) -> list[dict[str, object]]:
    rows = database.read(lambda tx: tx.execute("SELECT payload FROM webhook_events ORDER BY id").fetchall())
    return [json.loads(str(row[0])) for row in rows]


def test_a_further_attempt_is_the_same_call(database: Database) -> None:
    webhook = made(database)
    call(database, webhook, 1, problem="It broke.")
    call(database, webhook, 1, now=NOW + 30)
    (found,) = listed(database, webhook)
    assert (found.state, found.attempts, found.called_ts, found.problem, found.next_ts) == (
        "told",
        2,
        NOW + 30,
        "",
        None,
    )


def test_what_is_kept_of_one_webhook_is_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MOST_KEPT", 3)
    monkeypatch.setattr(calls, "_CUT_EVERY", 5)
    one, other = made(database), made(database)
    call(database, other, 1)
    for number in range(1, 6):
        call(database, one, number)
    assert [each.message_id for each in listed(database, one)] == ["msg_5", "msg_4", "msg_3"]
    assert len(listed(database, other)) == 1


def test_what_is_over_is_forgotten_after_a_while_and_what_goes_on_is_not(database: Database) -> None:
    webhook = made(database)
    call(database, webhook, 1)
    call(database, webhook, 2, problem="It broke.")
    call(database, webhook, 3, now=NOW + 10)
    assert database.write(lambda tx: calls.expire(tx, NOW + 5)) == 1
    assert [each.message_id for each in listed(database, webhook)] == ["msg_3", "msg_2"]


def test_calls_go_with_their_webhook_whoever_deletes_it(database: Database) -> None:
    webhook = made(database)
    call(database, webhook, 1)
    database.write(lambda tx: tx.execute("DELETE FROM webhooks"))
    assert listed(database, webhook) == []


def test_what_fails_is_dropped_when_its_webhook_is_disabled(database: Database) -> None:
    webhook = made(database)
    call(database, webhook, 1, problem="It broke.")
    database.write(lambda tx: store.disable(tx, webhook.id, "It broke for good.", NOW))
    assert [(each.state, each.next_ts) for each in listed(database, webhook)] == [("dropped", None)]


def test_what_waits_for_its_next_attempt_gets_it_now_and_is_told_once(database: Database) -> None:
    webhook = made(database)
    database.write(lambda tx: telling.tell_listeners(tx, [webhook.id], "test", {}, NOW))
    ((_, (event,)),) = database.write(lambda tx: store.take(tx, NOW, 0, 8, 20))
    database.write(lambda tx: store.failed(tx, webhook, event, "It broke.", NOW))
    result = CallResult(500, 5, "", "It broke.")
    database.write(lambda tx: calls.record(tx, event, webhook.id, result, next_ts=NOW + 30, now=NOW))
    assert database.write(lambda tx: store.take(tx, NOW + 1, 0, 8, 20)) == []
    assert database.write(lambda tx: calls.replay(tx, webhook, [1], NOW + 1)) == [1]
    ((_, again),) = database.write(lambda tx: store.take(tx, NOW + 1, 0, 8, 20))
    assert [each.message_id for each in again] == [event.message_id]


def test_no_more_is_told_again_than_may_wait(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    webhook = made(database)
    call(database, webhook, 1)
    call(database, webhook, 2)
    monkeypatch.setattr(store, "MOST_WAITING", 1)
    with pytest.raises(calls.WaitsAlready):
        database.write(lambda tx: calls.replay(tx, webhook, [1, 2], NOW))
    assert payloads(database) == []


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"thank\r\n you", "thank you"),
        (b"\xff\xfe\x00\x1b[31mred", "\ufffd\ufffd[31mred"),
        (b"x" * 5000, "x" * calls.LONGEST_EXCERPT),
        ("\u202eevil".encode(), "evil"),
        (b"", ""),
    ],
)
def test_an_answers_beginning_is_kept_in_one_printable_line(body: bytes, shown: str) -> None:
    assert calls.excerpt(body) == shown


def test_mail_that_a_rule_holds_is_told_to_its_owner(database: Database) -> None:
    made(database, "ann", "held")
    made(database, "ben", "held")

    def hold(tx: Connection) -> set[int]:
        tx.execute(
            "INSERT INTO outbox (owner, sender, recipient, status) VALUES ('ann', 'ann@a.test', 'x@b.test', 'pending')"
        )
        row_id = tx.last_insert_rowid()
        hold_rules.add(tx, Pattern.parse(sender="a.test"), "secret note", "root", NOW)
        return hold_rules.hold(tx, [row_id], NOW)

    (row_id,) = database.write(hold)
    (told,) = payloads(database)
    assert told["type"] == "mail.held"
    data = told["data"]
    assert isinstance(data, dict) and (data["outbox_id"], data["owner"]) == (row_id, "ann")
    assert data["reason"].startswith("held by rule") and "secret" not in str(told)


def test_a_limit_that_is_hit_is_told_once_a_day(database: Database) -> None:
    made(database, "ann", "limit_hit")
    exceeded = LimitExceeded(Subject("user", "ann"), "messages_per_hour", 300, NOW + 60, "too many")
    settings = Settings(limit_alerts=False, hostname="mail.host.test")
    for now in (NOW, NOW + 1, NOW + 86400):
        database.write(lambda tx, now=now: limit_alerts.hit(tx, exceeded, settings, now))  # type: ignore[misc]
    first, _ = payloads(database)
    assert first["type"] == "mail.limit_hit"
    assert first["data"] == {
        "owner": "ann",
        "scope": "user",
        "name": "ann",
        "counted": "messages_per_hour",
        "limit": 300,
        "until": "2026-11-18T11:07:40Z",
    }
