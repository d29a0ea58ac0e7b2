"""Deletes what departed users left once it has been kept long enough: some rows at a time, so that no writer waits."""

from __future__ import annotations

from typing import Any

from onifast_shared.db.database import Connection, Database
from onifast_shared.departed import store
from onifast_shared.departed.belongings import FEW, MANY
from onifast_shared.departed.store import BootTime, Departure, UserChangeError
from onifast_shared.mailboxes import mailbox

AT_ONCE = 100
"""Rows that one transaction deletes."""

OCTETS_AT_ONCE = 16 * 1024 * 1024
"""Octets of mail after which a transaction ends."""

CERTAINTY_MS = 3_600_000
"""How long what may go has to have been so on the boot clock: a date that was wrong for a while deletes nothing."""


def mark_over(tx: Connection, kept: float, now: float, clock: BootTime) -> list[int]:
    """Marks what has been kept for `kept` seconds; returns the departures (none moving) whose deletion begins."""
    sql = "SELECT id, departed_ts + ?, over_boot, over_ms FROM departures WHERE NOT deleting"
    rows: list[tuple[Any, ...]] = tx.execute(sql, (int(kept),)).fetchall()
    begun = []
    for departure_id, end, over_boot, over_ms in rows:
        if end > now:
            if over_boot is not None:
                tx.execute("UPDATE departures SET over_boot = NULL WHERE id = ?", (departure_id,))
        elif kept and over_boot != clock.boot_id:
            values = (clock.boot_id, clock.ms, departure_id)
            tx.execute("UPDATE departures SET over_boot = ?, over_ms = ? WHERE id = ?", values)
        elif (not kept or clock.ms - over_ms >= CERTAINTY_MS) and not store.find(tx, departure_id).is_moving:
            tx.execute("UPDATE departures SET deleting = 1 WHERE id = ?", (departure_id,))
            begun.append(int(departure_id))
    return begun


def is_due(tx: Connection, kept: float, now: float) -> bool:
    """Whether there is anything to mark."""
    sql = "SELECT 1 FROM departures WHERE NOT deleting AND (departed_ts + ? <= ? OR over_boot IS NOT NULL) LIMIT 1"
    return tx.execute(sql, (int(kept), int(now))).fetchone() is not None


def begin(tx: Connection, departure: Departure) -> None:
    """Has what a departed user left deleted now. Raises UserChangeError while it is being moved."""
    if departure.is_moving:
        raise UserChangeError("What they had is still being moved; try again in a moment.")
    delete_soon(tx, departure.id)
    sql = (
        "SELECT json_extract(content, '$.account') FROM departed_rows WHERE departure_id = ? AND kind = 'mailbox_users'"
    )
    mailboxes: list[tuple[Any, ...]] = tx.execute(sql, (departure.id,)).fetchall()
    tx.executemany("UPDATE departures SET deleting = 1 WHERE username = ?", mailboxes)


def delete_soon(tx: Connection, departure_id: int) -> None:
    """Has what is kept of a departure deleted, once all of it is there."""
    tx.execute("UPDATE departures SET deleting = 1 WHERE id = ?", (departure_id,))


def finish(database: Database) -> list[Departure]:
    """Deletes all whose time has come; returns whose it was. Blocks; raises DatabaseError."""
    gone = database.read(_begun)
    for departure in gone:
        while database.write(lambda tx, departure=departure: _delete_some(tx, departure)):  # type: ignore[misc]
            pass
    return gone


def _begun(tx: Connection) -> list[Departure]:
    found: list[tuple[Any, ...]] = tx.execute("SELECT id FROM departures WHERE deleting ORDER BY id").fetchall()
    # What is still under way there would be left over.
    return [each for row in found if not (each := store.find(tx, row[0])).is_moving]


def _delete_some(tx: Connection, departure: Departure) -> bool:
    """One step; False if it was the last."""
    ids = mailbox.some_of(tx, departure.name, limit=AT_ONCE, octets=OCTETS_AT_ONCE)
    if ids:
        mailbox.erase(tx, ids)
        return True
    # What others sent in their name is theirs.
    for column in (*(each for each in MANY if each.indexed), *FEW):
        if _delete_rows(tx, column.table, column.condition, column.value(departure.name)):
            return True
    tx.execute("DELETE FROM departed_rows WHERE departure_id = ?", (departure.id,))
    tx.execute("DELETE FROM mail_usage WHERE scope = 'owner' AND name = ?", (departure.name,))
    tx.execute("DELETE FROM folder_counts WHERE owner = ?", (departure.name,))
    tx.execute("DELETE FROM correspondents_versions WHERE owner = ?", (departure.name,))
    tx.execute("DELETE FROM departures WHERE id = ?", (departure.id,))
    return False


def _delete_rows(tx: Connection, table: str, condition: str, value: str) -> int:
    chosen = f"SELECT rowid FROM {table} WHERE {condition} LIMIT ?"
    tx.execute(f"DELETE FROM {table} WHERE rowid IN ({chosen})", (value, AT_ONCE))
    return int(tx.changes())
