"""The API of destinations: administrators see how they are found, and limit them."""

from __future__ import annotations

import pytest
from onifast_shared import destinations
from onifast_shared.db import Database
from onifast_shared.destinations import StoredState

from web.support import Clock, Panel

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
