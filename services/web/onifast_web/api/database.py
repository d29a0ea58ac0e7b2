"""The database itself, for administrators: whether it serves, and what troubles with it the programs have noted."""

from __future__ import annotations

from typing import Literal

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.db import troubles
from onifast_shared.values import times

from onifast_web.access.caller import Who
from onifast_web.api.endpoint import Call, Endpoint, Moment
from onifast_web.http.models import Model


class DatabaseTrouble(Model):
    """`kind` is refused (another database, or none), damaged, or long-reader; `text` says it in words."""

    kind: str
    text: str
    count: int
    since: Moment
    last: Moment


class DatabaseState(Model):
    """`closed` while web waits for an administrator; the text of the trouble says for what."""

    state: Literal["open", "closed"]
    bytes: int
    wal_bytes: int
    troubles: list[DatabaseTrouble]


def show(call: Call) -> DatabaseState:
    """How the database is. It answers the panel's service token even while there is no database."""
    database = call.web.database
    size, wal_size = database.sizes()
    found = [
        DatabaseTrouble(
            kind=each.kind,
            text=each.text,
            count=each.times,
            since=times.rfc3339(each.since),
            last=times.rfc3339(each.last),
        )
        for each in troubles.present(database.path)
    ]
    state: Literal["open", "closed"] = "closed" if database.connections is None else "open"
    return DatabaseState(state=state, bytes=size, wal_bytes=wal_size, troubles=found)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/database",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "How the database is: open or closed, its size, and troubles with it",
        show,
        answer=DatabaseState,
    ),
)
