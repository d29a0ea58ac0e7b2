"""Where the files of large messages lie among their stored bytes: one is sent piece by piece, and none of the others.

What a stranger's message holds is found by parsing all of it, which takes its memory and time; that is done once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from onifast_shared.db.database import Connection, Database
from onifast_shared.mailboxes import contents
from onifast_shared.message import transfer
from onifast_shared.message.parsing import Parsed

LARGE = 1024 * 1024
"""Octets from which a message is large."""

MOST = 200
"""Files of a message whose places are kept."""


class AttachmentPlace(NamedTuple):
    """Where a file lies: its number among the attachments, its octets in the message, and what it is decoded."""

    place: int
    begins: int
    ends: int
    encoding: str
    size: int
    filename: str
    content_type: str


@dataclass(frozen=True)
class StoredAttachment:
    """A file among stored bytes. `filename` is as the message has it, made safe to be one."""

    content_id: int
    at: AttachmentPlace

    @property
    def mark(self) -> str:
        """What tells these octets from any others in this database; stored bytes never change."""
        return f"{self.content_id}.{self.at.begins}.{self.at.ends}.{self.at.size}"

    def chunks(self, db: Database) -> Iterator[bytes]:
        """It, decoded, piece by piece; each is read by itself, so that no snapshot lasts as long as a slow client.

        Raises KeyError where the message was removed meanwhile, DatabaseError.
        """
        octets = contents.octets(db, self.content_id, self.at.begins, self.at.ends)
        return transfer.base64_stream(octets) if self.at.encoding == "base64" else octets


@dataclass(frozen=True)
class LargeBytes:
    """A large message's stored bytes, and the octets of trace that its row has before them."""

    content_id: int
    size: int
    trace: int


def bytes_of(tx: Connection, email_id: int) -> LargeBytes | None:
    """Those of a message; None where they are few, or not stored in pieces."""
    sql = """
        SELECT c.id, c.size, length(coalesce(e.trace, x'')) FROM emails e JOIN contents c ON c.id = e.content_id
        WHERE e.id = ? AND c.size >= ? AND c.data IS NULL
    """
    row = tx.execute(sql, (email_id, LARGE)).fetchone()
    return None if row is None else LargeBytes(*row)


def unknown_bytes(tx: Connection, email_id: int) -> LargeBytes | None:
    """The same of a message of which no file's place is known."""
    found = bytes_of(tx, email_id)
    sql = "SELECT 1 FROM stored_attachments WHERE content_id = ? LIMIT 1"
    return None if found is None or tx.execute(sql, (found.content_id,)).get else found


def places_of(parsed: Parsed, stored: LargeBytes) -> list[AttachmentPlace]:
    """Those of a message's files that lie in it as they are, or by base64; decodes them to know their sizes."""
    if parsed.octets != stored.trace + stored.size:
        return []  # it was read otherwise than it lies there
    found = list[AttachmentPlace]()
    for item in parsed.attachments[:MOST]:
        extent = parsed.extent_of(item)
        if extent is None:
            continue
        begins, ends = extent.start - stored.trace, extent.end - stored.trace
        at = AttachmentPlace(item.index, begins, ends, extent.encoding, item.size, item.filename, item.content_type)
        found.append(at)
    return found


def note(tx: Connection, content_id: int, places: list[AttachmentPlace]) -> None:
    """Keeps the places of a message's files, if its bytes are still there."""
    if not places or tx.execute("SELECT 1 FROM contents WHERE id = ?", (content_id,)).get is None:
        return
    sql = """
        INSERT OR IGNORE INTO stored_attachments
            (content_id, place, begins, ends, encoding, size, filename, content_type)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    """
    tx.executemany(sql, [(content_id, *each) for each in places])


def find(tx: Connection, content_id: int | None, place: int) -> StoredAttachment | None:
    """A file of a large message; None where its place is not known."""
    sql = """
        SELECT place, begins, ends, encoding, size, filename, content_type FROM stored_attachments
        WHERE content_id = ? AND place = ?
    """
    row = tx.execute(sql, (content_id, place)).fetchone()
    return None if row is None or content_id is None else StoredAttachment(content_id, AttachmentPlace(*row))
