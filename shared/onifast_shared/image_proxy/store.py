"""Proxied images: a reader asks for those of a message, outbox answers with what it could fetch, kept for a while."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from onifast_shared.db.database import Connection

LARGEST = 5 * 1024 * 1024
"""Octets of one image."""

KEPT = 86400
"""Seconds for which an answer serves again."""

STALE = 60
"""Seconds after which nobody waits for an answer any more; a failure is tried again after so many."""

MOST_WAITING = 300
"""Images of one owner that may wait to be fetched."""

MOST_ROWS = 2000
"""Images of one owner that are kept, the latest; and octets of them, and of all owners together."""
MOST_OCTETS = 64 * 1024 * 1024
MOST_OCTETS_OF_ALL = 512 * 1024 * 1024

AT_ONCE_OF_ONE = 6
"""Images of one owner that are fetched at one time: as many as a browser would."""


@dataclass(frozen=True)
class ImageRequest:
    """An image that an owner's message shows, to be fetched."""

    id: int
    owner: str
    url: str


@dataclass(frozen=True)
class ProxiedImage:
    """An image, and its type by its content; without octets where none could be had."""

    content_type: str
    data: bytes


def ask(tx: Connection, owner: str, urls: Sequence[str], now: float) -> None:
    """Wants images fetched that are not there, or whose answer is too old; no more of them than there is room for."""
    sql = "SELECT count(*) FROM remote_images WHERE answered_ts IS NULL AND asked_ts > ? AND owner = ?"
    room = MOST_WAITING - int(tx.execute(sql, (int(now) - STALE, owner)).get)
    for url in missing(tx, owner, urls, now)[: max(0, room)]:
        tx.execute("DELETE FROM remote_images WHERE owner = ? AND url = ?", (owner, url))
        tx.execute("INSERT INTO remote_images (owner, url, asked_ts) VALUES (?, ?, ?)", (owner, url, int(now)))
    tx.execute(
        "DELETE FROM remote_images WHERE id IN"
        " (SELECT id FROM remote_images WHERE owner = ? ORDER BY id DESC LIMIT -1 OFFSET ?)",
        (owner, MOST_ROWS),
    )


def missing(tx: Connection, owner: str, urls: Sequence[str], now: float) -> list[str]:
    """Those of the images that have to be asked for."""
    return [url for url, state in _states(tx, owner, urls, now).items() if state == "missing"]


def waiting(tx: Connection, owner: str, urls: Sequence[str], now: float) -> int:
    """How many of the images have been asked for and have no answer yet."""
    return sum(state == "waiting" for state in _states(tx, owner, urls, now).values())


def get(tx: Connection, owner: str, url: str) -> ProxiedImage | None:
    """The answer about an image, None if there is none yet."""
    sql = "SELECT content_type, data FROM remote_images WHERE owner = ? AND url = ? AND answered_ts IS NOT NULL"
    row = tx.execute(sql, (owner, url)).fetchone()
    return None if row is None else ProxiedImage(row[0] or "", bytes(row[1] or b""))


def any_waits(tx: Connection) -> bool:
    """Whether `unanswered` may find any; one seek."""
    return bool(tx.execute("SELECT EXISTS (SELECT 1 FROM remote_images WHERE answered_ts IS NULL)").get)


def unanswered(tx: Connection, now: float, limit: int) -> list[ImageRequest]:
    """Images that somebody waits for: of each owner the first few, so that none waits behind another's many."""
    sql = """
        SELECT id, owner, url FROM (
            SELECT id, owner, url, row_number() OVER (PARTITION BY owner ORDER BY id) AS place
            FROM remote_images WHERE answered_ts IS NULL AND asked_ts > ?)
        WHERE place <= ? ORDER BY place, id LIMIT ?
    """
    return [ImageRequest(*row) for row in tx.execute(sql, (int(now) - STALE, AT_ONCE_OF_ONE, limit))]


def answer(tx: Connection, request: ImageRequest, image: ProxiedImage | None, now: float) -> None:
    """Stores an image, or that there is none; the oldest make room for it."""
    found = image or ProxiedImage("", b"")
    tx.execute(
        "UPDATE remote_images SET answered_ts = ?, content_type = ?, data = ?, size = ? WHERE id = ?",
        (int(now), found.content_type or None, found.data or None, len(found.data), request.id),
    )
    _make_room(tx, "owner = ?1", request.owner, MOST_OCTETS)
    _make_room(tx, "?1 = ''", "", MOST_OCTETS_OF_ALL)


def sweep(tx: Connection, now: float) -> int:
    """Forgets what was asked for a day ago; returns how many."""
    tx.execute("DELETE FROM remote_images WHERE asked_ts <= ?", (int(now) - KEPT,))
    return tx.changes()


def _states(tx: Connection, owner: str, urls: Sequence[str], now: float) -> dict[str, str]:
    sql = """
        SELECT j.value,
               CASE WHEN r.id IS NULL OR r.asked_ts <= ?3 - ?4 THEN 'missing'
                    WHEN r.answered_ts IS NULL THEN iif(r.asked_ts > ?3 - ?5, 'waiting', 'missing')
                    WHEN r.content_type IS NULL AND r.answered_ts <= ?3 - ?5 THEN 'missing'
                    ELSE 'answered' END
        FROM json_each(?2) j LEFT JOIN remote_images r ON r.owner = ?1 AND r.url = j.value
    """
    return dict(tx.execute(sql, (owner, json.dumps(list(urls)), int(now), KEPT, STALE)))


def _make_room(tx: Connection, condition: str, value: str, most: int) -> None:
    used = int(tx.execute(f"SELECT coalesce(sum(size), 0) FROM remote_images WHERE {condition}", (value,)).get)
    if used <= most:
        return
    tx.execute(
        f"""
        DELETE FROM remote_images WHERE id IN (
            SELECT id FROM (SELECT id, sum(size) OVER (ORDER BY id DESC) AS together FROM remote_images
                            WHERE {condition} AND answered_ts IS NOT NULL)
            WHERE together > ?2)
        """,
        (value, most),
    )
