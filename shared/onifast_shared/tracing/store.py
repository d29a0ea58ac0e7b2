"""Who watches which dialogues, and the dialogues themselves: kept for an hour, and so many of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from onifast_shared.db.database import Connection

KEPT_SECONDS = 3600
MOST_SESSIONS = 2000
MOST_WATCHES = 20
DIRECTIONS = ("in", "out")


class TooManyWatches(Exception):
    """As many people watch as may."""


@dataclass(frozen=True)
class Watched:
    """Which sessions are wanted: all that are asked for must fit, and what is empty fits everything.

    `address` is a part of an address of the envelope, `client` the other side's IP address, a network, or a part of a
    server's name, `session` a session's name, `direction` one of DIRECTIONS.
    """

    address: str = ""
    client: str = ""
    session: str = ""
    direction: str = ""

    def may_fit(self, name: str, direction: str, peer: str) -> bool:
        """Whether a session is wanted by what is known at its beginning."""
        if self.direction and self.direction != direction:
            return False
        if self.session and self.session.lower() != name.lower():
            return False
        return not self.client or _is_peer(peer, self.client.lower())

    def fits_address(self, line: str) -> bool:
        """Whether a command names the address."""
        return not self.address or self.address.lower() in line.lower()


class TraceLine(NamedTuple):
    """One line: when (epoch seconds), who said it (client, server, or note for what happened), and what."""

    at: float
    who: str
    text: str


class TracedSession(NamedTuple):
    """A session that was written down; `ended_ts` is None while it goes on. `peer` is the other side."""

    id: int
    name: str
    direction: str
    peer: str
    begun_ts: float
    ended_ts: float | None
    envelope: str
    last: str


def watch(tx: Connection, watched: Watched, asked_by: str, now: float, until: float) -> int:
    """Notes that somebody watches; its id. Raises TooManyWatches."""
    tx.execute("DELETE FROM trace_watches WHERE until_ts < ?", (now,))
    if int(tx.execute("SELECT count(*) FROM trace_watches").get) >= MOST_WATCHES:
        raise TooManyWatches
    tx.execute(
        "INSERT INTO trace_watches (address, client, session, direction, asked_by, begun_ts, until_ts)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (watched.address, watched.client, watched.session, watched.direction, asked_by, now, until),
    )
    return tx.last_insert_rowid()


def renew(tx: Connection, watch_id: int, until: float) -> bool:
    """Watches on; False where the watch is gone."""
    tx.execute("UPDATE trace_watches SET until_ts = ? WHERE id = ?", (until, watch_id))
    return bool(tx.changes())


def end(tx: Connection, watch_id: int) -> None:
    """Watches no more."""
    tx.execute("DELETE FROM trace_watches WHERE id = ?", (watch_id,))


def end_all(tx: Connection, asked_by: str) -> None:
    """Whoever asked watches no more."""
    tx.execute("DELETE FROM trace_watches WHERE asked_by = ?", (asked_by,))


def watches(tx: Connection, now: float) -> list[Watched]:
    """What is watched now."""
    sql = "SELECT address, client, session, direction FROM trace_watches WHERE until_ts >= ?"
    rows: list[Any] = tx.execute(sql, (now,)).fetchall()
    return [Watched(*row) for row in rows]


def count_watches(tx: Connection, asked_by: str, now: float) -> int:
    """How many somebody has now."""
    sql = "SELECT count(*) FROM trace_watches WHERE asked_by = ? AND until_ts >= ?"
    return int(tx.execute(sql, (asked_by, now)).get)


def begin(tx: Connection, name: str, direction: str, peer: str, begun: float) -> int:
    """A session that is written down; its id."""
    tx.execute(
        "INSERT INTO trace_sessions (name, direction, peer, begun_ts) VALUES (?, ?, ?, ?)",
        (name, direction, peer, begun),
    )
    return tx.last_insert_rowid()


def add(tx: Connection, session_id: int, lines: Sequence[TraceLine]) -> None:
    """Writes lines of a session down."""
    tx.executemany(
        "INSERT INTO trace_lines (session_id, at_ts, who, text) VALUES (?, ?, ?, ?)",
        [(session_id, line.at, line.who, line.text) for line in lines],
    )


def describe(tx: Connection, session_id: int, envelope: str, last: str, ended: float | None) -> None:
    """What lists show of a session."""
    sql = "UPDATE trace_sessions SET envelope = ?, last = ?, ended_ts = ? WHERE id = ?"
    tx.execute(sql, (envelope, last, ended, session_id))


def sweep(tx: Connection, now: float) -> None:
    """Forgets sessions that are old, and those that are too many."""
    old = "begun_ts < ?1 OR id <= (SELECT max(id) FROM trace_sessions) - ?2"
    bind = (now - KEPT_SECONDS, MOST_SESSIONS)
    tx.execute(f"DELETE FROM trace_lines WHERE session_id IN (SELECT id FROM trace_sessions WHERE {old})", bind)
    tx.execute(f"DELETE FROM trace_sessions WHERE {old}", bind)


def sessions(tx: Connection, watched: Watched, now: float, limit: int = 100) -> list[TracedSession]:
    """Those of the last hour that are wanted, the latest first."""
    sql = """
        SELECT id, name, direction, peer, begun_ts, ended_ts, envelope, last FROM trace_sessions
        WHERE begun_ts >= ? ORDER BY id DESC
    """
    rows: list[Any] = tx.execute(sql, (now - KEPT_SECONDS,)).fetchall()
    found = (TracedSession(*row) for row in rows)
    return [
        each
        for each in found
        if watched.may_fit(each.name, each.direction, each.peer) and watched.fits_address(each.envelope)
    ][:limit]


def session(tx: Connection, session_id: int) -> TracedSession | None:
    """One session."""
    sql = "SELECT id, name, direction, peer, begun_ts, ended_ts, envelope, last FROM trace_sessions WHERE id = ?"
    row = tx.execute(sql, (session_id,)).fetchone()
    return None if row is None else TracedSession(*row)


def lines(tx: Connection, session_id: int, limit: int = 1000) -> list[TraceLine]:
    """What was said in a session, in order."""
    sql = "SELECT at_ts, who, text FROM trace_lines WHERE session_id = ? ORDER BY id LIMIT ?"
    rows: list[Any] = tx.execute(sql, (session_id, limit)).fetchall()
    return [TraceLine(*row) for row in rows]


def lines_after(tx: Connection, line_id: int, limit: int = 500) -> list[tuple[int, int, TraceLine]]:
    """Lines of all sessions after one: its number and its session's."""
    sql = "SELECT id, session_id, at_ts, who, text FROM trace_lines WHERE id > ? ORDER BY id LIMIT ?"
    rows: list[Any] = tx.execute(sql, (line_id, limit)).fetchall()
    return [(number, session_id, TraceLine(*rest)) for number, session_id, *rest in rows]


def last_line(tx: Connection) -> int:
    """The number of the last line; 0 for none."""
    return int(tx.execute("SELECT coalesce(max(id), 0) FROM trace_lines").get)


def _is_peer(peer: str, client: str) -> bool:
    try:
        network = ipaddress.ip_network(client, strict=False)
    except ValueError:
        return client in peer.lower()
    for word in peer.replace("[", " ").replace("]", " ").split():
        try:
            if ipaddress.ip_address(word) in network:
                return True
        except ValueError:
            continue
    return False
