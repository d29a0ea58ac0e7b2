"""What administrators see of TLS outwards."""

from __future__ import annotations

from flask import Flask
from onifast_shared.db.database import Connection, Database
from onifast_shared.tls import history as tls_history
from onifast_shared.tls import sts_policies

from web.support import Browser, Panel

NOW = 1_800_000_000


def remember(database: Database) -> None:
    def write(tx: Connection) -> None:
        tls_history.note_good(tx, "good.test", "dane", "mx.good.test", NOW)
        tls_history.note_good(tx, "less.test", "verified", "mx.less.test", NOW)
        tls_history.note_less(
            tx, "less.test", level="none", host="mx.less.test", why="no <STARTTLS>", times=3, now=NOW + 60
        )
        sts_policies.put(tx, "good.test", "1", "enforce", b"mode: enforce\n", max_age=86400, now=NOW)

    database.write(write)


def test_downgrades_come_first(panel: Panel, database: Database) -> None:
    remember(database)
    shown = panel.get("/api/mail/tls").json
    assert shown is not None
    less, good = shown["domains"]
    assert (less["domain"], less["level"]) == ("less.test", "verified")
    assert less["downgrade"] == {
        "connections": 3,
        "at": "2027-01-15T08:01:00Z",
        "level": "none",
        "host": "mx.less.test",
        "why": "no <STARTTLS>",
    }
    assert (good["domain"], good["downgrade"]) == ("good.test", None)
    assert [(policy["domain"], policy["mode"]) for policy in shown["policies"]] == [("good.test", "enforce")]
    only = panel.get("/api/mail/tls", downgraded="true").json
    assert only is not None
    assert [item["domain"] for item in only["domains"]] == ["less.test"]


def test_a_domain_can_be_forgotten(panel: Panel, database: Database) -> None:
    remember(database)
    assert panel.delete("/api/mail/tls", domain="less.test").status_code == 204
    assert panel.delete("/api/mail/tls", domain="less.test").status_code == 404
    assert panel.delete("/api/mail/tls", domain="not a domain").status_code == 404


def test_it_is_for_administrators(panel: Panel) -> None:
    assert panel.acting_for("demo").get("/api/mail/tls").status_code == 403
    assert panel.acting_for("demo").delete("/api/mail/tls", domain="a.test").status_code == 403


def test_the_page_shows_and_forgets_downgrades(app: Flask, database: Database) -> None:
    admin = Browser.logged_in(app.test_client(), "root-admin")
    assert "Nothing yet" in admin.text_of("/tls")
    remember(database)
    text = admin.text_of("/tls")
    assert "less.test mx.less.test certificate" in text
    assert "3 connections" in text and "no <STARTTLS>" in text
    assert "good.test enforce" in text
    answer = admin.post("/tls", {"domain": "less.test"})
    assert "Forgotten." in admin.text_of(answer.headers["Location"])
    assert admin.post("/tls", {"domain": "less.test"}).status_code == 404


def test_the_page_is_for_administrators(browser: Browser) -> None:
    assert browser.get("/tls").status_code == 403
