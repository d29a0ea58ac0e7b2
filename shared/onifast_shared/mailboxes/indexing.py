"""What is left to do for a message after its 250: parsing for list and search, and the copy in its owner's home."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NamedTuple

from onifast_shared.db.database import Connection, SqlValue
from onifast_shared.values import times
from onifast_shared.values.mailbox_accounts import ANY_MAILBOX
from onifast_shared.values.set_aside import LIVE

RETRY_FILING = 300
"""Seconds until a copy that could not be written is tried again."""


@dataclass(frozen=True)
class UnindexedMessage:
    """A row to be parsed. `received_at` is the column as it stands, `is_ours` whether this program wrote the row."""

    id: int
    received_at: Any
    is_ours: bool


@dataclass(frozen=True)
class MessageIndex:
    """What parsing found; see `onifast_shared.message.parsing`. `text` is what search looks through, and shows."""

    sender: str
    sender_name: str
    subject: str
    text: str
    snippet: str
    message_id: str
    has_attachments: bool


@dataclass(frozen=True)
class UnfiledMessage:
    """A message whose copy is wanted. `received_ts` and `id` make the copy's name; `queue_id` finds it in the logs.

    The copy goes to the home of the panel user `home`, in a folder of its own for a mailbox user's `address`.
    """

    id: int
    owner: str
    received_ts: int
    queue_id: str = ""
    home: str = ""
    address: str = ""


class FiledCopy(NamedTuple):
    """A copy that should be there: whose home it lies in, and as which file."""

    id: int
    home: str
    path: str
    address: str


def has_unindexed(tx: Connection) -> bool:
    """Whether `unindexed` would find any; one seek."""
    return bool(tx.execute("SELECT EXISTS (SELECT 1 FROM emails WHERE indexed = 0)").get)


def unindexed(tx: Connection, limit: int = 50) -> list[UnindexedMessage]:
    """Rows that were not parsed yet, oldest first."""
    sql = "SELECT id, received_at, content_id IS NOT NULL FROM emails WHERE indexed = 0 ORDER BY id LIMIT ?"
    return [UnindexedMessage(row[0], row[1], bool(row[2])) for row in tx.execute(sql, (limit,))]


def set_index(tx: Connection, item: UnindexedMessage, index: MessageIndex) -> bool:
    """Stores what parsing found. A second call for the same row does nothing: False."""
    if tx.execute("SELECT indexed FROM emails WHERE id = ?", (item.id,)).get != 0:
        return False
    columns: dict[str, SqlValue] = {
        "snippet": index.snippet,
        "message_id": index.message_id,
        "has_attachments": int(index.has_attachments),
    }
    if item.is_ours:
        columns |= {
            "sender": index.sender,
            "sender_name": index.sender_name,
            "subject": index.subject,
            "body": index.text,
        }
    else:
        columns |= {"sender_name": index.sender_name} | _mended_time(item)
    assignments = ", ".join(f"{name} = ?" for name in columns)
    tx.execute(f"UPDATE emails SET indexed = 1, {assignments} WHERE id = ?", (*columns.values(), item.id))
    return True


def has_unfiled(tx: Connection, now: float) -> bool:
    """Whether `unfiled` may find any."""
    sql = "SELECT EXISTS (SELECT 1 FROM emails WHERE filing = 1 AND filing_retry_ts <= ? AND judged = 1)"
    return bool(tx.execute(sql, (int(now),)).get)


def unfiled(tx: Connection, now: float, limit: int = 50) -> list[UnfiledMessage]:
    """Messages whose copy in the owner's home is wanted and not there, oldest first; each is judged before."""
    sql = f"""
        SELECT e.id, e.owner, e.received_ts, coalesce(e.queue_id, ''),
               coalesce(m.owner, e.owner), coalesce(m.address, '')
        FROM emails e LEFT JOIN mailbox_users m ON m.account = e.owner
        WHERE e.filing = 1 AND e.filing_retry_ts <= ? AND e.judged = 1 AND {_FILED} ORDER BY e.id LIMIT ?
    """
    return [UnfiledMessage(*row) for row in tx.execute(sql, (int(now), limit))]


def is_owners(tx: Connection, item: UnfiledMessage) -> bool:
    """Whether a message is still there, and its owner's: another may have their name, and their home, by now."""
    return tx.execute("SELECT 1 FROM emails WHERE id = ? AND owner IS ?", (item.id, item.owner)).fetchone() is not None


def set_filed(tx: Connection, email_id: int, path: str) -> None:
    """The copy is on disk."""
    tx.execute("UPDATE emails SET filing = 2, filing_error = NULL, file_path = ? WHERE id = ?", (path, email_id))


def set_filing_failed(tx: Connection, email_id: int, error: str, now: float, *, permanent: bool) -> None:
    """The copy could not be written; it is tried again later unless that is pointless."""
    sql = "UPDATE emails SET filing = ?, filing_error = ?, filing_retry_ts = ? WHERE id = ?"
    tx.execute(sql, (3 if permanent else 1, error, int(now) + RETRY_FILING, email_id))


def filed(tx: Connection, after: int = 0, limit: int = 500) -> list[FiledCopy]:
    """Copies that should be there, for the check at start."""
    sql = f"""
        SELECT e.id, coalesce(m.owner, e.owner), e.file_path, coalesce(m.address, '')
        FROM emails e LEFT JOIN mailbox_users m ON m.account = e.owner
        WHERE e.filing = 2 AND e.id > ? AND {_FILED} ORDER BY e.id LIMIT ?
    """
    return [FiledCopy(int(row[0]), str(row[1]), str(row[2]), str(row[3])) for row in tx.execute(sql, (after, limit))]


# Of a mailbox user who is no more there is no home.
_FILED = f"{LIVE.replace('owner', 'e.owner')} AND (m.account IS NOT NULL OR e.owner NOT GLOB '{ANY_MAILBOX}')"


def copy_folder(address: str) -> str:
    """What stands before the name of a mailbox user's copy: a folder of their own. "" for a panel user's."""
    name = address.replace("%", "%25").replace("/", "%2F")
    return f"{'%2E' + name[1:] if name.startswith('.') else name}/" if name else ""


def is_copy_of(tx: Connection, email_id: int, home: str, name: str) -> bool:
    """Whether a file of that name in that home is the copy of the message."""
    sql = """
        SELECT coalesce(e.file_path, '') FROM emails e LEFT JOIN mailbox_users m ON m.account = e.owner
        WHERE e.id = ? AND coalesce(m.owner, e.owner) = ?
    """
    return PurePath(str(tx.execute(sql, (email_id, home)).get or "")).name == name


def refile(tx: Connection, email_id: int) -> None:
    """A copy is missing: it is to be written anew."""
    tx.execute("UPDATE emails SET filing = 1, filing_retry_ts = 0 WHERE id = ? AND filing IN (2, 3)", (email_id,))


def _mended_time(item: UnindexedMessage) -> dict[str, Any]:
    timestamp = times.parse(item.received_at)
    if timestamp is None:
        return {}
    return {"received_ts": timestamp, "received_at": times.stored(timestamp)}
