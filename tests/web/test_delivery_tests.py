"""Send a test: a real message in the queue, watched on its way."""

from __future__ import annotations

from flask import Flask
from onifast_shared.db.database import Database
from onifast_shared.queue import view as queue_view
from onifast_shared.tracing.flag import TraceFlag
from onifast_shared.tracing.recorder import TraceRecorder

from web.support import Browser, give_address


def test_an_administrator_sends_a_test_and_sees_the_dialogue(app: Flask, database: Database) -> None:
    give_address(database, "root@host.test", "root-admin")
    admin = Browser.logged_in(app.test_client(), "root-admin")
    sent = admin.post("/test-mail", {"sender": "root@host.test", "recipient": "ann@remote.test"})
    assert sent.status_code == 303
    assert TraceFlag(database.path).is_up
    outbox_id = int(sent.headers["Location"].rpartition("/")[2])
    row = database.read(lambda tx: queue_view.get(tx, None, outbox_id))
    assert row is not None
    assert (row.sender, row.recipient, row.status) == ("root@host.test", "ann@remote.test", "pending")
    path = f"/test-mail/{outbox_id}"
    assert "Not tried yet" in admin.text_of(path)
    recorder = TraceRecorder(database)
    trace = recorder.begin("abcd", "out", "mx.remote.test [192.0.2.1]")
    assert trace is not None
    trace.said("client", "RCPT TO:<ann@remote.test>")
    trace.said("server", "550 5.1.1 nobody of that name")
    recorder.close()
    assert "550 5.1.1 nobody of that name" in admin.text_of(path)
    told = admin.get(f"/api/mail/delivery-tests?outbox_id={outbox_id}").json
    assert told is not None
    assert (told["status"], told["is_over"]) == ("pending", False)
    assert [line["who"] for line in told["dialogue"]] == ["client", "server"]
    assert "Test message sent" in admin.text_of("/activity")


def test_a_wrong_address_is_said_and_nothing_is_sent(app: Flask, database: Database) -> None:
    give_address(database, "root@host.test", "root-admin")
    admin = Browser.logged_in(app.test_client(), "root-admin")
    assert admin.post("/test-mail", {"recipient": "nobody"}).status_code == 422
    assert database.read(lambda tx: queue_view.get(tx, None, 1)) is None


def test_tests_have_a_limit(app: Flask, database: Database) -> None:
    give_address(database, "root@host.test", "root-admin")
    admin = Browser.logged_in(app.test_client(), "root-admin")
    asked = [admin.post_json("/api/mail/delivery-tests", {"address": f"a{n}@remote.test"}) for n in range(4)]
    assert [answer.status_code for answer in asked] == [202, 202, 202, 429]


def test_others_send_none_and_see_none(browser: Browser) -> None:
    assert browser.post("/test-mail", {"recipient": "a@b.test"}).status_code == 403
    assert browser.get("/test-mail/1").status_code == 403
