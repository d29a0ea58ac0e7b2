"""Messages that are put off until a time: they lie in the archive, and come back to the top of the inbox, unread."""

from __future__ import annotations

from collections.abc import Iterable

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import labelling, mailbox
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.values import paging
from onifast_shared.values.paging import Page
from onifast_shared.values.set_aside import LIVE

AT_ONCE = 100
"""Messages that one transaction wakes."""


def put_off(tx: Connection, owner: str | None, ids: Iterable[int], until: int) -> int:
    """Puts messages off until an epoch second, out of their folders; returns how many there were."""
    found = 0
    for email_id in ids:
        if not mailbox.move(tx, owner, [email_id], "archive"):
            continue
        tx.execute("UPDATE emails SET snoozed_until = ? WHERE id = ?", (int(until), email_id))
        found += 1
    return found


def page(tx: Connection, owner: str, *, limit: int = 50, cursor: str | None = None) -> Page[EmailRow]:
    """An owner's messages that are put off, the next one to come back first."""
    above = paging.time_and_id(cursor) if cursor else [0, 0]
    sql = """
        SELECT snoozed_until, id FROM emails INDEXED BY emails_snoozed
        WHERE owner = ? AND snoozed_until IS NOT NULL AND (snoozed_until, id) > (?, ?)
        ORDER BY snoozed_until, id LIMIT ?
    """
    keys = [(int(str(row[0])), int(str(row[1]))) for row in tx.execute(sql, (owner, *above, limit + 1))]
    rows = mailbox.get_some(tx, owner, [email_id for _, email_id in keys[:limit]])
    return Page(rows, f"{keys[limit - 1][0]}-{keys[limit - 1][1]}" if len(keys) > limit else None)


def count(tx: Connection, owner: str) -> int:
    """How many messages of an owner's are put off."""
    sql = "SELECT count(*) FROM emails INDEXED BY emails_snoozed WHERE owner = ? AND snoozed_until IS NOT NULL"
    return int(tx.execute(sql, (owner,)).get)


def is_due(tx: Connection, now: float) -> bool:
    """Whether `wake_due` would find any; one seek."""
    sql = f"SELECT EXISTS (SELECT 1 FROM emails WHERE snoozed_until <= ? AND {LIVE})"
    return bool(tx.execute(sql, (int(now),)).get)


def wake_due(tx: Connection, now: float) -> int:
    """Brings back some of the messages whose time has come; how many.

    Of a conversation only the newest is marked as unread and goes to the top: the others are read.
    """
    sql = f"""
        SELECT id, coalesce(conversation_id, -id) FROM emails
        WHERE snoozed_until <= ? AND {LIVE} ORDER BY snoozed_until, received_ts, id LIMIT ?
    """
    due = [(int(str(row[0])), int(str(row[1]))) for row in tx.execute(sql, (int(now), AT_ONCE))]
    newest = {conversation: email_id for email_id, conversation in due}
    for email_id, conversation in due:
        _wake(tx, email_id, now, to_top=newest[conversation] == email_id)
    return len(due)


def wake_answered(tx: Connection, email_id: int) -> int:
    """Brings back what is put off of the conversation that a new message in the inbox belongs to; how many."""
    row = tx.execute("SELECT conversation_id, owner, folder FROM emails WHERE id = ?", (email_id,)).fetchone()
    if row is None or row[0] is None or row[2] != "inbox":
        return 0
    sql = """
        SELECT id FROM emails INDEXED BY emails_conversation
        WHERE conversation_id = ? AND owner IS ? AND snoozed_until IS NOT NULL
    """
    ids = [int(str(each[0])) for each in tx.execute(sql, (row[0], row[1]))]
    mailbox.move(tx, None, ids, "inbox")
    return len(ids)


def restore(tx: Connection, email_id: int, until: int | None) -> None:
    """Puts an archived message off again, as it was."""
    if until is not None:
        labelling.leave_folder(tx, email_id)
        tx.execute("UPDATE emails SET snoozed_until = ? WHERE id = ? AND folder = 'archive'", (until, email_id))


def _wake(tx: Connection, email_id: int, now: float, *, to_top: bool) -> None:
    if not to_top:
        tx.execute("UPDATE emails SET folder = 'inbox' WHERE id = ?", (email_id,))
        return
    sql = """
        UPDATE emails
        SET folder = 'inbox', is_read = 0, woken_from_ts = coalesce(woken_from_ts, received_ts), received_ts = ?
        WHERE id = ?
    """
    tx.execute(sql, (int(now), email_id))
