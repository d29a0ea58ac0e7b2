"""Destinations in API and webmail: administrators see how they are found, and limit them."""

from __future__ import annotations

import pytest
from flask import Flask
from onifast_shared.db.database import Database
from onifast_shared.queue import destinations
from onifast_shared.queue.destinations import StoredState

from web.support import Browser, Clock, Panel

API = "/api/mail/destinations"


def test_administrators_see_what_cannot_be_reached(panel: Panel, database: Database, clock: Clock) -> None:
    dead = StoredState("dead.test", "1", 0, 1, 1_700_000_000, 1_700_000_060, "451 4.4.1 no answer")
    database.write(lambda tx: destinations.publish(tx, "1", [dead], clock.now))
    (state,) = panel.get(API).get_json()["states"]
    assert (state["destination"], state["dead_since"], state["last_error"]) == (
        "dead.test",
        "2023-11-14T22:13:20Z",
        "451 4.4.1 no answer",
    )


def test_limits_are_set_and_given_back(panel: Panel) -> None:
    body = {"destination": "Remote.Test", "messages_per_minute": 30}
    limits = {"destination": "remote.test", "concurrency": None, "messages_per_minute": 30}
    assert panel.post(API, body).get_json() == limits
    assert panel.get(API).get_json()["limits"] == [limits]
    panel.post(API, {"destination": "remote.test"})
    assert panel.get(API).get_json()["limits"] == []


@pytest.mark.parametrize(
    "body", [{"destination": "a b"}, {"destination": "a.test", "concurrency": 0}, {"concurrency": 1}]
)
def test_what_makes_no_sense_is_refused(panel: Panel, body: dict[str, object]) -> None:
    assert panel.post(API, body).status_code == 422


def test_users_see_and_change_nothing(panel: Panel) -> None:
    demo = panel.acting_for("demo")
    assert demo.get(API).status_code == 403
    assert demo.post(API, {"destination": "a.test"}).status_code == 403


def test_the_page_shows_what_is_dead_and_limits_destinations(app: Flask, database: Database, clock: Clock) -> None:
    dead = StoredState("dead.test", "1", 0, 1, 1_700_000_000, 1_700_000_060, "451 4.4.1 no answer")
    database.write(lambda tx: destinations.publish(tx, "1", [dead], clock.now))
    browser = Browser.logged_in(app.test_client(), "root-admin")
    assert "451 4.4.1 no answer" in browser.text_of("/destinations")
    form = {"do": "set", "destination": "Remote.Test", "concurrency": "2"}
    assert browser.post("/destinations", form).status_code == 303
    assert [each.destination for each in database.read(destinations.list_limits)] == ["remote.test"]
    assert browser.post("/destinations", {"do": "remove", "destination": "remote.test"}).status_code == 303
    assert browser.post("/destinations", {"do": "remove", "destination": "remote.test"}).status_code == 404


@pytest.mark.parametrize(
    "form",
    [
        {"destination": "a b", "concurrency": "1"},
        {"destination": "a.test"},
        {"destination": "a.test", "per_minute": "many"},
        {"destination": "a.test", "concurrency": "0"},
    ],
)
def test_a_form_that_makes_no_sense_says_what_is_wrong(app: Flask, form: dict[str, str]) -> None:
    browser = Browser.logged_in(app.test_client(), "root-admin")
    assert browser.post("/destinations", form | {"do": "set"}).status_code == 422


def test_the_page_is_for_administrators(app: Flask) -> None:
    assert Browser.logged_in(app.test_client(), "demo").get("/destinations").status_code == 403
