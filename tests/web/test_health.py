"""/healthz and /readyz: what a monitor hears, whoever it is."""

from __future__ import annotations

from flask import Flask
from onifast_shared.db.database import Database
from onifast_shared.db.errors import DatabaseUnavailable

from web.support import Clock


def test_it_is_alive_and_ready(app: Flask) -> None:
    for path, word in (("/healthz", "alive\n"), ("/readyz", "ready\n")):
        answer = app.test_client().get(path)
        assert (answer.status_code, answer.text, answer.headers["Cache-Control"]) == (200, word, "no-store")
        assert "Set-Cookie" not in answer.headers


def test_without_its_database_it_is_alive_and_not_ready(app: Flask, database: Database, clock: Clock) -> None:
    database.lose(DatabaseUnavailable("database /secret/path is gone"))
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json()["detail"].startswith("The mail store cannot be reached")
    assert "secret" not in answer.text
    assert app.test_client().get("/healthz").status_code == 200


def test_an_answer_holds_for_a_second(app: Flask, database: Database, clock: Clock) -> None:
    assert app.test_client().get("/readyz").status_code == 200
    database.lose(DatabaseUnavailable("gone"))
    assert app.test_client().get("/readyz").status_code == 200
    clock.now += 1.0
    assert app.test_client().get("/readyz").status_code == 503
