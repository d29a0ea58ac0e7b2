"""Troubles with the database in API and webmail: administrators are told on every page, users are not."""

from __future__ import annotations

from flask import Flask
from onifast_shared.db.database import Database
from onifast_shared.db.troubles import DAMAGED

from web.support import Browser, Panel

API = "/api/mail/database"
TEXT = "database x.db is damaged: database disk image is malformed"


def test_administrators_see_what_was_noted(panel: Panel, database: Database) -> None:
    assert panel.get(API).get_json()["troubles"] == []
    for _ in range(3):
        database.troubles.note(DAMAGED, TEXT)
    database.troubles.flush()
    shown = panel.get(API).get_json()
    assert (shown["state"], shown["bytes"] > 0) == ("open", True)
    (trouble,) = shown["troubles"]
    assert (trouble["kind"], trouble["count"], trouble["text"]) == ("damaged", 3, TEXT)


def test_users_see_nothing(app: Flask, panel: Panel, database: Database) -> None:
    database.troubles.note(DAMAGED, TEXT)
    database.troubles.flush()
    assert panel.acting_for("demo").get(API).status_code == 403
    assert TEXT in Browser.logged_in(app.test_client(), "root-admin").text_of("/destinations")
    assert TEXT not in Browser.logged_in(app.test_client(), "demo").text_of("/outbox")
