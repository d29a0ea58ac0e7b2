"""Users and usage: who stores and sends how much, in an order of one's choice."""

from __future__ import annotations

from flask import Flask
from onifast_shared.db.database import Database

from web.support import Browser, deliver


def test_users_and_domains_with_what_they_use(app: Flask, database: Database) -> None:
    for _ in range(3):
        deliver(database, subject="Stored", text="Text.\n" * 50)
    admin = Browser.logged_in(app.test_client(), "root-admin")
    by_name = admin.text_of("/users")
    assert by_name.index("demo") < by_name.index("maria") < by_name.index("root-admin administrator")
    assert "3 messages" in by_name
    assert admin.text_of("/users?order=stored").index("3 messages") < admin.text_of("/users?order=stored").index(
        "maria"
    )
    assert "maria" not in admin.text_of("/users?q=dem")
    assert "Nothing here matches" in admin.text_of("/users?q=nobody")
    assert "example.test" in admin.text_of("/users/domains?order=sent")


def test_it_is_for_administrators_alone(browser: Browser) -> None:
    assert browser.get("/users").status_code == 403
    assert browser.get("/users/domains").status_code == 403
