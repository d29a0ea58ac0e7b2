"""Mailboxes: the rows of `emails`, seen by their owner.

`owner` None stands for an administrator, who sees every row but those that are set aside (`departed`). A row that is
not indexed yet is summarised from its bytes, so that a message shows in the webmail from the moment of its 250.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from typing import Any

from onifast_shared.db.database import Connection, SqlValue
from onifast_shared.mailboxes import contents, labelling, team_marks
from onifast_shared.mailboxes.email_rows import SELECT, SELECT_FROM, EmailRow, row_of
from onifast_shared.mailboxes.labels import Label
from onifast_shared.mailboxes.summaries import Summaries
from onifast_shared.mailboxes.team_marks import TeamFilter
from onifast_shared.message import columns
from onifast_shared.message.headers import split_head, without_mbox_lines
from onifast_shared.values import paging, stored_forms, times
from onifast_shared.values.address import Address, AddressError
from onifast_shared.values.paging import Page
from onifast_shared.values.set_aside import LIVE

FOLDERS = ("inbox", "drafts", "sent", "junk", "archive", "trash")

PURGED = ("trash", "junk", "drafts")
"""Where messages lie that may be deleted for good."""

LAST = 1 << 62
"""More than any time of a message, and than any id."""


def add(
    tx: Connection,
    *,
    owner: str,
    recipient: str,
    reverse_path: str,
    content_id: int,
    size: int,
    now: float,
    folder: str = "inbox",
    trace: bytes = b"",
    is_read: bool = False,
    authentication: dict[str, Any] | None = None,
    file_copy: bool = False,
    queue_id: str | None = None,
    is_judged: bool = True,
) -> int:
    """Puts a message into a mailbox; `trace` holds header lines of this copy alone. Outbox indexes and files it.

    `queue_id` is the message's name in logs and replies; None for what is only written here, as drafts are. What is not
    judged yet outbox judges by what its owner taught (`junk.judging`).
    """
    row: dict[str, SqlValue] = {
        "sender": reverse_path,
        "recipient": recipient,
        "received_at": times.stored(now),
        "received_ts": int(now),
        "is_read": int(is_read),
        "folder": folder,
        "owner": owner,
        "content_id": content_id,
        "trace": trace,
        "reverse_path": reverse_path,
        "size": size + len(trace),
        "authentication": json.dumps(authentication) if authentication else None,
        "filing": int(file_copy),
        "queue_id": queue_id,
        "judged": int(is_judged),
    }
    tx.execute(
        f"INSERT INTO emails (subject, body, raw_content, file_path, {', '.join(row)})"
        f" VALUES ('', '', '', '', {', '.join('?' * len(row))})",
        tuple(row.values()),
    )
    return tx.last_insert_rowid()


def get(tx: Connection, owner: str | None, email_id: int) -> EmailRow | None:
    """A message; None where it does not exist or is somebody else's."""
    sql = f"{SELECT} WHERE e.id = ?1 AND (?2 IS NULL OR e.owner = ?2) AND {LIVE}"
    row = tx.execute(sql, (email_id, owner)).fetchone()
    return None if row is None else row_of(tx, row)


def get_some(tx: Connection, owner: str | None, ids: Sequence[int]) -> list[EmailRow]:
    """Messages in the order of their ids; without those that do not exist or are somebody else's."""
    sql = f"""
        {SELECT_FROM} json_each(?1) page CROSS JOIN emails e ON e.id = page.value
        WHERE (?2 IS NULL OR e.owner = ?2) AND {LIVE.replace("owner", "e.owner")} ORDER BY page.key
    """
    return [row_of(tx, row) for row in tx.execute(sql, (json.dumps(list(ids)), owner)).fetchall()]


def list_page(
    tx: Connection,
    owner: str | None,
    folder: str | None,
    *,
    label: Label | None = None,
    starred: bool = False,
    unread: bool = False,
    address: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
    summaries: Summaries | None = None,
    by_conversation: bool = False,
    team: TeamFilter | None = None,
) -> Page[EmailRow]:
    """A folder's messages, newest first; those to or from `address`, if given.

    With `by_conversation` it is the newest message of each conversation that the list has, for an owner's list.
    `team` says which of them, by the marks of a shared mailbox; it goes without `address`. With `summaries` it is found
    out once about messages that outbox has not indexed yet.

    Without a folder, all with a label, or all with a star, that lie neither in trash nor in junk; or else all.
    """
    if address:
        also = _also(label, starred=starred, unread=unread, by_conversation=by_conversation and owner is not None)
        folders = (folder,) if folder else _SHOWN if label or starred else FOLDERS
        return _address_page(tx, owner, folders, address, also, limit=limit, cursor=cursor)
    source, where, bind = "", list[str](), list[Any]()
    order = "e.received_ts DESC, e.id DESC"
    if folder is not None:
        where.append("e.folder = ?")
        bind.append(folder)
    if label is not None:
        # The label's rows lead, in their order.
        source = " CROSS JOIN emails e ON e.id = l.email_id"
        where.append("l.label_id = ? AND l.is_shown = 1")
        bind.append(label.id)
        order = "l.received_ts DESC, l.email_id DESC"
    if starred:
        where.append("e.is_starred <> 0")
    if unread:
        where.append("coalesce(e.is_read, 0) = 0")
    if starred and folder is None:
        where.append("e.folder <> 'trash' AND e.folder <> 'junk'")
    if team is not None:
        marked, bound = team_marks.condition(team)
        where.append(marked)
        bind += bound
    if owner is None:
        where.append(LIVE)
    else:
        where.append("e.owner = ?")
        bind.append(owner)
    if cursor:
        where.append("(l.received_ts, l.email_id) < (?, ?)" if label else "(e.received_ts, e.id) < (?, ?)")
        bind += paging.time_and_id(cursor)
    if by_conversation and owner is not None:
        where.append(_newest_of_list(folder, label, starred=starred, unread=unread))
    select = f"{SELECT_FROM} email_labels l{source}" if label else SELECT
    if by_conversation and owner is not None and folder is not None and label is None and not starred:
        select += " INDEXED BY emails_conversation_page"  # which tells of the many that are passed over
    sql = f"{select} WHERE {' AND '.join(where)} ORDER BY {order} LIMIT ?"
    found = tx.execute(sql, (*bind, limit + 1)).fetchall()
    rows = [row_of(tx, row, summaries) for row in found[:limit]]
    return Page(rows, f"{rows[-1].received_ts}-{rows[-1].id}" if len(found) > limit else None)


def _address_page(
    tx: Connection,
    owner: str | None,
    folders: Sequence[str],
    address: str,
    also: tuple[str, Sequence[Any]],
    *,
    limit: int,
    cursor: str | None,
) -> Page[EmailRow]:
    """The messages to or from an address: those of each form that it may stand as, from an index that has it."""
    below = paging.time_and_id(cursor) if cursor else [LAST, LAST]
    mine = LIVE.replace("owner", "e.owner") if owner is None else "e.owner = ?"
    found = set[tuple[int, int]]()
    for form, column, folder in itertools.product({each.lower() for each in _forms(address)}, _ADDRESSES, folders):
        sql = f"""
            SELECT e.received_ts, e.id FROM emails e INDEXED BY emails_by_{column}
            WHERE lower(e.{column}) = lower(?) AND {mine} AND e.folder = ?
              AND (e.received_ts, e.id) < (?, ?) AND {also[0]}
            ORDER BY e.received_ts DESC, e.id DESC LIMIT ?
        """
        bind = (form, *(() if owner is None else (owner,)), folder, *below, *also[1], limit + 1)
        found.update((received_ts, email_id) for received_ts, email_id in tx.execute(sql, bind))
    keys = sorted(found, reverse=True)
    rows = get_some(tx, owner, [email_id for _, email_id in keys[:limit]])
    return Page(rows, f"{keys[limit - 1][0]}-{keys[limit - 1][1]}" if len(keys) > limit else None)


def _newest_of_list(folder: str | None, label: Label | None, *, starred: bool, unread: bool) -> str:
    """The condition that no newer message of a conversation is in the same list."""
    also = ["n.folder = e.folder" if folder is not None else "n.folder <> 'trash' AND n.folder <> 'junk'"]
    if label is not None:
        also.append("EXISTS (SELECT 1 FROM email_labels x WHERE x.email_id = n.id AND x.label_id = l.label_id)")
    if starred:
        also.append("n.is_starred <> 0")
    if unread:
        also.append("coalesce(n.is_read, 0) = 0")
    return f"""NOT EXISTS (
        SELECT 1 FROM emails n INDEXED BY emails_conversation WHERE n.conversation_id = e.conversation_id
        AND (n.received_ts, n.id) > (e.received_ts, e.id) AND n.owner = e.owner AND {" AND ".join(also)})"""


def _also(
    label: Label | None, *, starred: bool, unread: bool, by_conversation: bool = False
) -> tuple[str, Sequence[Any]]:
    """The condition that a message has a label, a star, and is unread, as far as these are wanted; what is bound."""
    where = ["1", *(["e.is_starred <> 0"] if starred else ()), *(["coalesce(e.is_read, 0) = 0"] if unread else ())]
    if by_conversation:
        where.append(
            """NOT EXISTS (
            SELECT 1 FROM emails n INDEXED BY emails_conversation WHERE n.conversation_id = e.conversation_id
            AND (n.received_ts, n.id) > (e.received_ts, e.id) AND n.owner = e.owner AND n.folder = e.folder
            AND lower(n.recipient) = lower(e.recipient))"""
        )
    if label is None:
        return " AND ".join(where), ()
    where.append("EXISTS (SELECT 1 FROM email_labels l WHERE l.email_id = e.id AND l.label_id = ?)")
    return " AND ".join(where), (label.id,)


def size_of(tx: Connection, owner: str | None, email_id: int) -> int:
    """How many octets an owner's message has, or anybody's (None); 0 for an id that is not there."""
    sql = "SELECT size FROM emails WHERE id = ?1 AND (?2 IS NULL OR owner = ?2)"
    return int(tx.execute(sql, (email_id, owner)).get or 0)


def trace_of(tx: Connection, email_id: int) -> bytes:
    """The header lines that this copy alone has before the stored bytes."""
    return bytes(tx.execute("SELECT trace FROM emails WHERE id = ?", (email_id,)).get or b"")


def raw(tx: Connection, email_id: int) -> bytes:
    """A message's bytes. A row that another program wrote without any gets them made from its columns.

    A message that another program took from an mbox file has no `From ` line any more. Raises KeyError for an id that
    is not there.
    """
    stored = _in_pieces(tx, email_id) or tx.execute("SELECT bytes FROM email_bytes WHERE id = ?", (email_id,)).get
    if stored:
        data = bytes(stored)
        return without_mbox_lines(data, split_head(data)[0])[0] if data.startswith((b"From ", b">")) else data
    row = tx.execute(
        "SELECT coalesce(sender, ''), coalesce(recipient, ''), coalesce(subject, ''), coalesce(body, ''), received_ts"
        " FROM emails WHERE id = ?",
        (email_id,),
    ).fetchone()
    if row is None:
        raise KeyError(email_id)
    return columns.to_message(*row)


def _in_pieces(tx: Connection, email_id: int) -> bytes | None:
    """The bytes of a large message; the view would make it in SQLite's memory, and copy it from there."""
    sql = "SELECT c.id, e.trace FROM emails e JOIN contents c ON c.id = e.content_id WHERE e.id = ? AND c.data IS NULL"
    row = tx.execute(sql, (email_id,)).fetchone()
    return None if row is None else contents.read(tx, int(row[0]), before=bytes(row[1] or b""))


def move(tx: Connection, owner: str | None, ids: Iterable[int], folder: str) -> int:
    """Moves messages, out of their own folders too; returns how many there were. The caller has checked the name."""
    sql, moved = f"UPDATE emails SET folder = ? WHERE {_MINE}", 0
    for email_id in ids:
        if _changed(tx, sql, (folder, email_id, owner)):
            labelling.leave_folder(tx, email_id)
            moved += 1
    return moved


def set_read(tx: Connection, owner: str | None, ids: Iterable[int], is_read: bool) -> int:
    """Marks messages; returns how many there were."""
    sql = f"UPDATE emails SET is_read = ? WHERE {_MINE}"
    return sum(_changed(tx, sql, (int(is_read), email_id, owner)) for email_id in ids)


def purge(tx: Connection, owner: str | None, ids: Iterable[int]) -> int:
    """Removes messages for good, from the folders `PURGED` only; returns how many."""
    sql = f"SELECT 1 FROM emails WHERE id = ?2 AND {_MINE} AND folder IN {PURGED}"
    return erase(tx, [email_id for email_id in ids if tx.execute(sql, (None, email_id, owner)).fetchone()])


def erase(tx: Connection, ids: Iterable[int]) -> int:
    """Removes messages for good, whoever's they are and wherever they lie; returns how many."""
    removed = 0
    for email_id in ids:
        row = tx.execute("SELECT content_id FROM emails WHERE id = ?", (email_id,)).fetchone()
        if row is None:
            continue
        tx.execute("DELETE FROM emails WHERE id = ?", (email_id,))
        if row[0] is not None:
            contents.remove_unused(tx, [row[0]])
        removed += 1
    return removed


def received_by(tx: Connection, owner: str, address: Address, limit: int) -> list[int]:
    """Messages of an owner's that came to an address; none that they wrote."""
    forms = {form.lower() for form in stored_forms.of_address(address)}
    sql = f"""
        SELECT id FROM emails WHERE lower(recipient) IN ({", ".join("?" * len(forms))}) AND owner = ?
        AND folder NOT IN ('sent', 'drafts') LIMIT ?
    """
    return [int(row[0]) for row in tx.execute(sql, (*sorted(forms), owner, limit))]


def give(tx: Connection, ids: Iterable[int], owner: str, to: str) -> int:
    """Gives messages of an owner's to somebody else, with another place for their copies; how many."""
    sql = """
        UPDATE emails SET owner = ?, filing = CASE WHEN filing IN (2, 3) THEN 1 ELSE filing END, filing_retry_ts = 0
        WHERE id = ? AND owner = ?
    """
    given = 0
    for each in ids:
        tx.execute(sql, (to, each, owner))
        given += tx.changes()
    return given


def some_of(tx: Connection, owner: str, *, limit: int, octets: int) -> list[int]:
    """Some of an owner's messages, set aside or not: `limit` at the most, and no more after so many octets."""
    found, size = list[int](), 0
    sql = "SELECT id, coalesce(size, 0) FROM emails WHERE owner = ? LIMIT ?"
    for email_id, its_size in tx.execute(sql, (owner, limit)):
        found.append(int(email_id))
        size += its_size
        if size >= octets:
            break
    return found


_ADDRESSES = ("recipient", "sender")
_SHOWN = ("inbox", "drafts", "sent", "archive")  # where labels and stars are looked for
_MINE = f"id = ?2 AND (?3 IS NULL OR owner = ?3) AND {LIVE}"


def _forms(address: str) -> tuple[str, ...]:
    try:
        return stored_forms.of_address(Address.parse(address.strip()))
    except AddressError:
        return (address,)


def _changed(tx: Connection, sql: str, values: Sequence[Any]) -> int:
    tx.execute(sql, values)
    return tx.changes()
