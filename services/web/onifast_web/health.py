"""What a service manager, a proxy or a monitor asks this program: is it alive, and can it serve.

Both answer anybody, in a word: a proxy shows them to the world. What is wrong with one tenant's certificate or with the
queue is told by `onifast-mailctl health`, not here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from flask import Flask, Response, current_app
from onifast_shared.db.errors import DatabaseError

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import Web, current
from onifast_web.http.problems import Problem, from_database

KEPT_SECONDS = 1.0
"""How long an answer holds, so that those who ask often cost no more than one does."""

PATIENCE = 3.0
"""Seconds that the database has to let a write in."""

_READINESS = "onifast_readiness"


class Readiness:
    """Whether the database takes writes, as it was found lately; safe to use from any thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._problem: Problem | None = None

    def problem(self, web: Web) -> Problem | None:
        """Why it does not; None where it does."""
        with self._lock:
            now = self._clock()
            if not 0 <= now - self._looked_at < KEPT_SECONDS:
                self._problem = _found(web)
                self._looked_at = self._clock()
            return self._problem


def register(app: Flask) -> None:
    """Adds the paths."""
    app.add_url_rule("/healthz", "health:alive", _alive, provide_automatic_options=False)
    app.add_url_rule("/readyz", "health:ready", _ready, provide_automatic_options=False)


@allow(Who.ANYONE)
def _alive() -> Response:
    return Response("alive\n", mimetype="text/plain")


@allow(Who.ANYONE)
def _ready() -> Response:
    web = current()
    readiness: Readiness = current_app.extensions.setdefault(_READINESS, Readiness(web.clock))
    if (problem := readiness.problem(web)) is not None:
        raise problem
    return Response("ready\n", mimetype="text/plain")


def _found(web: Web) -> Problem | None:
    try:
        web.database.write(lambda tx: tx.execute("SELECT 1").fetchall(), timeout=PATIENCE)
    except DatabaseError as error:
        return from_database(error)
    return None
