"""The overview of the administration: what is wrong first, then what goes in and out."""

from __future__ import annotations

import time

from flask import Flask
from onifast_shared.db.database import Connection, Database
from onifast_shared.metrics import store
from onifast_web.webmail import charts

from web.support import Browser, queue


def _count(tx: Connection, name: str, labels: str, number: float, ago: float = 0) -> None:
    store.add(tx, "smtpd", {(name, labels): number}, time.time() - ago)


def test_it_says_what_is_wrong_first_and_adds_up_what_went_in_and_out(app: Flask, database: Database) -> None:
    def fill(tx: Connection) -> None:
        _count(tx, "received_messages", "service=smtp", 1200, 3600)
        _count(tx, "received_messages", "service=submission", 30, 3600)
        _count(tx, "received_messages", "service=web", 4, 3600)
        _count(tx, "bounces", "reason=blocklist", 7, 3600)
        _count(tx, "refusals", "command=RCPT,kind=permanent,reason=policy", 5, 20 * 86400)

    database.write(fill)
    admin = Browser.logged_in(app.test_client(), "root-admin")
    day = admin.text_of("/overview")
    assert day.index("outbox is not running") < day.index("Mail in") < day.index("Why mail is not delivered")
    assert "by SMTP 1,200 from users 34" in day
    assert "Our address is on a block list 7 0" in day
    assert "for good 0" in day
    assert "for good 5" in admin.text_of("/overview?span=month")
    assert "from users 0" in admin.text_of("/overview?span=hour")


def test_what_is_to_be_sent_later_is_not_in_the_queue_since_then(app: Flask, database: Database) -> None:
    (row,) = queue(database, "ann@remote.test")
    later = int(time.time()) + 86400
    sql = "UPDATE outbox SET queued_ts = ?, next_attempt_ts = ?, ready = 0, domain = 'remote.test' WHERE id = ?"
    database.write(lambda tx: tx.execute(sql, (later, later, row)))
    assert "Oldest in the queue none" in Browser.logged_in(app.test_client(), "root-admin").text_of("/overview")


def test_it_is_for_administrators_alone(browser: Browser) -> None:
    assert browser.get("/overview").status_code == 403


def test_the_upper_edge_of_a_chart_is_a_round_number() -> None:
    assert [charts.nice_top(each) for each in (0, 1, 7, 10, 11, 99, 4_001)] == [1, 1, 8, 10, 20, 100, 5_000]
