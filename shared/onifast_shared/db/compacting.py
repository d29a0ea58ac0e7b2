"""Gives back to the disk what deleted rows left in the database's file, some pages at a time."""

from __future__ import annotations

from onifast_shared.db.database import Connection, Database

KEPT_PAGES = 2000
"""Free pages that stay for what is written next; to give all back would only have the file grow again."""

STEP_PAGES = 64
"""Pages of one step, which takes a few milliseconds: no writer waits longer for it."""


def free_pages(tx: Connection) -> int:
    """Pages that nothing uses."""
    return int(tx.execute("PRAGMA freelist_count").get)


def step(db: Database) -> int:
    """Gives back some pages; how many, 0 where there is nothing to give. Raises DatabaseError."""
    spare = db.read(free_pages) - KEPT_PAGES
    if spare <= 0:
        return 0
    return db.write(lambda tx: _give_back(tx, min(spare, STEP_PAGES)))


def _give_back(tx: Connection, pages: int) -> int:
    before = free_pages(tx)
    tx.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()
    return before - free_pages(tx)
