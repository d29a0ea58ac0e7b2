"""Addressees: whom each user wrote to and got mail from, in the order in which completion offers them. Kept by outbox.

Unlike correspondents, who are believed to be whom they say, these are only suggested, and nothing hangs on them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import contents
from onifast_shared.message.headers import split_head
from onifast_shared.message.parsing import Summary
from onifast_shared.recipients.contacts import folded, words_of
from onifast_shared.values import submitters
from onifast_shared.values.address import Address, AddressError

MOST = 2000
"""Addressees of one user that are kept: the first in their order."""
BATCH = 200
HALF_LIFE = 30 * 86_400
"""Seconds after which a message counts half as much as a new one."""
MANY = 50
"""Recipients from which on a message is no letter."""

_WRITTEN, _HEARD = "addressees outbox", "addressees emails"
_WEIGHTS = {True: 4.0, False: 1.0}  # who was written to is meant more often than who wrote
# Machines, which nobody means to write to.
_MACHINES = re.compile(
    r"(?:.*[._+-])?(?:no-?_?reply|do-?not-?reply|mailer-daemon|postmaster|bounces?|notifications?|newsletters?|unsubscribe)(?:[._+-].*)?"
    r"|.*[0-9a-f]{16}.*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Addressee:
    """Somebody whom a user may want to write to. `written` and `heard` are numbers of messages to and from them."""

    address: str
    name: str
    written: int = 0
    heard: int = 0
    last_ts: int = 0


@dataclass(frozen=True)
class _Use:
    """One message between a user and somebody."""

    owner: str
    address: Address
    name: str
    at: int
    is_written: bool


def suggest(tx: Connection, owner: str, q: str, limit: int) -> list[Addressee]:
    """Those whose name or address has words that begin with those of `q`, the most used first; all for no words."""
    sql, values = f"SELECT {_COLUMNS} FROM addressees WHERE owner = ? AND is_hidden = 0", [owner]
    for word in q.split()[:8]:
        if folded(word).strip():
            sql, values = (
                f"{sql} AND instr(words, ?)",
                [*values, f" {word.casefold()}" if "@" in word else folded(word)],
            )
    return [Addressee(*row) for row in tx.execute(f"{sql} ORDER BY rank DESC LIMIT ?", (*values, limit))]


def find(tx: Connection, owner: str, address: Address) -> Addressee | None:
    """What there was between a user and an address."""
    sql = f"SELECT {_COLUMNS} FROM addressees WHERE owner = ? AND address = ?"
    row = tx.execute(sql, (owner, address.key)).fetchone()
    return None if row is None else Addressee(*row)


def hide(tx: Connection, owner: str, address: Address) -> bool:
    """Suggests somebody no more, until they are written to again; whether they were."""
    sql = "UPDATE addressees SET is_hidden = 1 WHERE owner = ? AND address = ? AND is_hidden = 0 RETURNING 1"
    return bool(tx.execute(sql, (owner, address.key)).get)


def is_behind(tx: Connection) -> bool:
    """Whether there are messages to learn from, without a writer's turn."""
    return bool(_rows(tx, _SENT, _WRITTEN, 1) or _rows(tx, _ARRIVED, _HEARD, 1))


def gather(tx: Connection) -> int:
    """Learns from the next messages that were sent and received; how many it looked at, 0 once all are known."""
    sent, written = _sent(tx)
    arrived, heard = _arrived(tx)
    for use in (*written, *heard):
        _note(tx, use)
    for owner in {use.owner for use in (*written, *heard)}:
        _forget_last(tx, owner)
    return sent + arrived


_COLUMNS = "shown, name, written, heard, last_ts"
_SENT = "SELECT id, owner, recipient, queued_ts, submitted_by, content_id FROM outbox WHERE id > ? ORDER BY id LIMIT ?"
_ARRIVED = """
    SELECT id, owner, sender, received_ts, sender_name, folder FROM emails
    WHERE id > ? AND id < coalesce((SELECT min(id) FROM emails WHERE indexed = 0), 9223372036854775807)
    ORDER BY id LIMIT ?
"""


def _sent(tx: Connection) -> tuple[int, list[_Use]]:
    rows = _rows(tx, _SENT, _WRITTEN, BATCH)
    names: dict[int, dict[str, str]] = {}
    uses = []
    for _, owner, recipient, at, submitted_by, content_id in rows:
        address = _parse(recipient)
        if not owner or not submitters.user_of(submitted_by) or address is None:
            continue
        if content_id not in names:
            names[content_id] = _names(tx, content_id)
        if (name := names[content_id].get(address.key, names[content_id].get(""))) is not None:
            uses.append(_Use(owner, address, name, int(at or 0), is_written=True))
    _advance(tx, _WRITTEN, rows)
    return len(rows), uses


def _arrived(tx: Connection) -> tuple[int, list[_Use]]:
    rows = _rows(tx, _ARRIVED, _HEARD, BATCH)
    uses = [
        _Use(owner, address, name or "", int(at or 0), is_written=False)
        for _, owner, sender, at, name, folder in rows
        if owner and folder in ("inbox", "archive") and (address := _parse(sender))
        if not _MACHINES.fullmatch(address.local)
    ]
    _advance(tx, _HEARD, rows)
    return len(rows), uses


def _names(tx: Connection, content_id: int) -> dict[str, str]:
    """What the recipients of a message are called in it, "" for one who is not named there; nobody, where a program
    wrote it or it went to many."""
    sql = "SELECT count(*) FROM (SELECT 1 FROM outbox WHERE content_id = ? LIMIT ?)"
    if int(tx.execute(sql, (content_id, MANY)).get) >= MANY:
        return {}
    try:
        found = Summary(split_head(contents.head(tx, content_id))[0])
    except (KeyError, ValueError):
        return {}
    if (found.header("auto-submitted") or "no").partition(";")[0].strip().lower() != "no":
        return {}
    entries = [each for field in ("to", "cc") for each in found.mailboxes(field)]
    return {"": ""} | {each.key: each.name for each in entries if each.key}


def _note(tx: Connection, use: _Use) -> None:
    row = tx.execute(
        "SELECT name, rank FROM addressees WHERE owner = ? AND address = ?", (use.owner, use.address.key)
    ).fetchone()
    # What somebody calls others is typed once; what these call themselves counts.
    name = (use.name if not use.is_written or row is None or not row[0] else row[0])[:200] or (row[0] if row else "")
    name = "" if "@" in name else name
    rank = _added(None if row is None else float(row[1]), use)
    tx.execute(
        """
        INSERT INTO addressees (owner, address, shown, name, words, rank, written, heard, last_ts)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NOT ?7, ?8)
        ON CONFLICT (owner, address) DO UPDATE SET
            name = ?4, words = ?5, rank = ?6, written = written + ?7, heard = heard + NOT ?7,
            last_ts = max(last_ts, ?8), is_hidden = is_hidden AND NOT ?7
        """,
        (
            use.owner,
            use.address.key,
            use.address.display,
            name,
            words_of(name, use.address.display),
            rank,
            int(use.is_written),
            use.at,
        ),
    )


def _added(rank: float | None, use: _Use) -> float:
    """The rank with one more message: log2 of the sum of weight * 2^(time / HALF_LIFE), whose order no time changes."""
    one = use.at / HALF_LIFE + math.log2(_WEIGHTS[use.is_written])
    if rank is None:
        return one
    high, low = max(one, rank), min(one, rank)
    return high + math.log2(1 + 2 ** max(low - high, -1000))


def _forget_last(tx: Connection, owner: str) -> None:
    tx.execute(
        "DELETE FROM addressees WHERE owner = ?1 AND address IN ("
        " SELECT address FROM addressees WHERE owner = ?1 ORDER BY rank DESC LIMIT -1 OFFSET ?2)",
        (owner, MOST),
    )


def _rows(tx: Connection, sql: str, source: str, limit: int) -> Sequence[Sequence[Any]]:
    seen = tx.execute("SELECT last_id FROM correspondents_seen WHERE source = ?", (source,)).get
    return tx.execute(sql, (seen or 0, limit)).fetchall()


def _advance(tx: Connection, source: str, rows: Iterable[Sequence[Any]]) -> None:
    ids = [row[0] for row in rows]
    if ids:
        sql = "INSERT INTO correspondents_seen (source, last_id) VALUES (?, ?) ON CONFLICT DO UPDATE SET last_id = ?2"
        tx.execute(sql, (source, ids[-1]))


def _parse(text: object) -> Address | None:
    try:
        return Address.parse(str(text or ""))
    except AddressError:
        return None
