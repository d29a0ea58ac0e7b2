"""Correspondents: to whom each user has written, and from whom authenticated mail came. Kept by outbox, read by web.

Only what people write counts as written: what programs and scripts send goes to whoever filled in a form, and a program
of their own that answers, or passes on, says nothing of whom they know.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import contents
from onifast_shared.message.headers import split_head
from onifast_shared.message.parsing import Summary
from onifast_shared.values import submitters
from onifast_shared.values.address import Address, AddressError
from onifast_shared.values.suffixes import Suffixes

MOST = 1000
"""Correspondents of one user that are kept: those of the latest mail."""

MANY = 50
"""Recipients from which on a message is no letter."""

BATCH = 200

_PRECEDENCES = ("auto_reply", "bulk", "junk")
_WRITTEN, _RECEIVED = "outbox", "emails"


@dataclass(frozen=True)
class Correspondent:
    """Somebody whom a user knows: since when, and since when they have written to them (None: never); epoch seconds."""

    address: str
    domain: str
    name: str
    known_ts: int
    written_ts: int | None


@dataclass(frozen=True)
class ExchangedMail:
    """One message between a user and somebody."""

    owner: str
    address: Address
    at: int
    name: str = ""
    is_written: bool = False


def of(tx: Connection, owner: str) -> list[Correspondent]:
    """Whom a user corresponds with, the longest known first."""
    sql = "SELECT address, domain, name, known_ts, written_ts FROM correspondents WHERE owner = ? ORDER BY known_ts"
    return [Correspondent(*row) for row in tx.execute(sql, (owner,))]


def find(tx: Connection, owner: str, address: Address) -> Correspondent | None:
    """Whether a user corresponds with somebody, and since when."""
    sql = "SELECT address, domain, name, known_ts, written_ts FROM correspondents WHERE owner = ? AND address = ?"
    row = tx.execute(sql, (owner, address.key)).fetchone()
    return None if row is None else Correspondent(*row)


def gather(tx: Connection, suffixes: Suffixes) -> int:
    """Learns from the next messages that were sent and received; how many it looked at, 0 once all are known."""
    sent, written = _sent(tx)
    arrived, heard = _arrived(tx)
    for contact in (*written, *heard):
        _note(tx, contact, suffixes)
    for owner in {contact.owner for contact in (*written, *heard)}:
        _forget_oldest(tx, owner)
    return sent + arrived


def is_behind(tx: Connection) -> bool:
    """Whether there are messages to learn from, without a writer's turn."""
    return bool(_rows(tx, _SENT, _WRITTEN, 1) or _rows(tx, _ARRIVED, _RECEIVED, 1))


_SENT = "SELECT id, owner, recipient, queued_ts, submitted_by, content_id FROM outbox WHERE id > ? ORDER BY id LIMIT ?"
# Only what has been indexed, whose sender is the author; ids are looked through in their order, and once. Whose mail
# lies apart, since they are unknown, is not known by that.
_ARRIVED = """
    SELECT id, owner, sender, received_ts, sender_name, folder, authentication FROM emails
    WHERE id > ? AND id < coalesce((SELECT min(id) FROM emails WHERE indexed = 0), 9223372036854775807)
      AND NOT EXISTS (SELECT 1 FROM email_labels l JOIN user_preferences p ON p.unknown_folder_id = l.label_id
                      WHERE l.email_id = emails.id AND p.username = emails.owner)
    ORDER BY id LIMIT ?
"""


def _sent(tx: Connection) -> tuple[int, list[ExchangedMail]]:
    rows = _rows(tx, _SENT, _WRITTEN, BATCH)
    contacts = [
        ExchangedMail(owner, address, int(at or 0), is_written=True)
        for _, owner, recipient, at, submitted_by, content_id in rows
        if owner and submitters.user_of(submitted_by) and (address := _parse(recipient))
        if not _is_for_many(tx, content_id) and not _is_automatic(tx, content_id)
    ]
    _advance(tx, _WRITTEN, rows)
    return len(rows), contacts


def _arrived(tx: Connection) -> tuple[int, list[ExchangedMail]]:
    rows = _rows(tx, _ARRIVED, _RECEIVED, BATCH)
    contacts = [
        ExchangedMail(owner, address, int(at or 0), name or "")
        for _, owner, sender, at, name, folder, authentication in rows
        if owner and folder in ("inbox", "archive") and _is_authentic(authentication) and (address := _parse(sender))
    ]
    _advance(tx, _RECEIVED, rows)
    return len(rows), contacts


def _rows(tx: Connection, sql: str, source: str, limit: int) -> Sequence[Sequence[Any]]:
    seen = tx.execute("SELECT last_id FROM correspondents_seen WHERE source = ?", (source,)).get
    return tx.execute(sql, (seen or 0, limit)).fetchall()


def _advance(tx: Connection, source: str, rows: Sequence[Sequence[Any]]) -> None:
    if rows:
        sql = "INSERT INTO correspondents_seen (source, last_id) VALUES (?, ?) ON CONFLICT DO UPDATE SET last_id = ?2"
        tx.execute(sql, (source, rows[-1][0]))


def _note(tx: Connection, contact: ExchangedMail, suffixes: Suffixes) -> None:
    tx.execute(
        """
        INSERT INTO correspondents (owner, address, domain, name, known_ts, written_ts, last_ts)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?5)
        ON CONFLICT (owner, address) DO UPDATE SET
            name = coalesce(nullif(?4, ''), name),
            known_ts = min(known_ts, ?5),
            written_ts = min(coalesce(written_ts, ?6), coalesce(?6, written_ts)),
            last_ts = max(last_ts, ?5)
        """,
        (
            contact.owner,
            contact.address.key,
            suffixes.organizational(contact.address.domain),
            contact.name[:200],
            contact.at,
            contact.at if contact.is_written else None,
        ),
    )


def _forget_oldest(tx: Connection, owner: str) -> None:
    tx.execute(
        "DELETE FROM correspondents WHERE owner = ?1 AND address IN ("
        " SELECT address FROM correspondents WHERE owner = ?1 ORDER BY last_ts DESC LIMIT -1 OFFSET ?2)",
        (owner, MOST),
    )


def _is_for_many(tx: Connection, content_id: int) -> bool:
    sql = "SELECT count(*) FROM (SELECT 1 FROM outbox WHERE content_id = ? LIMIT ?)"
    return int(tx.execute(sql, (content_id, MANY)).get) >= MANY


def _is_automatic(tx: Connection, content_id: object) -> bool:
    """Whether a program of the user's wrote it, as a vacation note (RFC 3834 section 5), and not they themselves."""
    try:
        found = Summary(split_head(contents.head(tx, int(str(content_id))))[0])
    except (KeyError, ValueError):
        return False
    submitted = (found.header("auto-submitted") or "no").partition(";")[0].strip().lower()
    precedence = (found.header("precedence") or "").strip().lower()
    return submitted != "no" or precedence in _PRECEDENCES or found.header("x-autoreply") is not None


def _is_authentic(authentication: object) -> bool:
    try:
        found = json.loads(str(authentication or "{}"))
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("dmarc") == "pass"


def _parse(text: object) -> Address | None:
    try:
        return Address.parse(str(text or ""))
    except AddressError:
        return None
