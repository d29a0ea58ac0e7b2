"""Asks outbox for images, and waits until it has fetched them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from onifast_shared.db.database import Database
from onifast_shared.image_proxy import store

PATIENCE = 8.0
"""Seconds that a page waits for its images; those that come later are there when it is opened again."""

_LOOK = 0.05


def fetch(database: Database, owner: str, urls: Sequence[str], *, patience: float) -> None:
    """Has images fetched, if they are not there already, and waits for the answers. Blocks. Raises DatabaseError."""
    if not database.read(lambda tx: store.missing(tx, owner, urls, time.time())):
        return
    database.write(lambda tx: store.ask(tx, owner, urls, time.time()))
    deadline = time.monotonic() + patience
    while database.read(lambda tx: store.waiting(tx, owner, urls, time.time())) and time.monotonic() < deadline:
        time.sleep(_LOOK)
