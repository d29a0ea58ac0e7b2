"""Conversations: messages of one owner that answer each other, made by outbox and read by lists.

A message joins the conversation that has, or knows of, what it refers to; or else the one with its subject among the
same people within a week. Whatever strangers write into References finds nothing of another owner's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import mailbox
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.message.parsing import Summary
from onifast_shared.message.threading import ConversationKeys, keys_of
from onifast_shared.values import paging
from onifast_shared.values.paging import Page
from onifast_shared.values.set_aside import LIVE

MOST_MESSAGES = 10_000
"""Messages that one conversation may have; what answers it then begins another."""

SUBJECT_SECONDS = 7 * 24 * 3600
"""How far apart messages may be that belong together by their subject alone."""

BATCH = 50
"""Messages from before there were conversations that one transaction puts into theirs."""

_NEWEST = 12  # messages of a conversation whose people a list names
_MOST_MERGED = 50  # that answer one that comes late
_HIDDEN = ("trash", "junk")


@dataclass(frozen=True)
class Participant:
    """Somebody who wrote a message of a conversation. `is_me` is for what its owner wrote."""

    name: str
    is_me: bool
    is_unread: bool


@dataclass(frozen=True)
class ConversationSummary:
    """What a list shows of a conversation: `people` are the authors of its first message and of the newest ones."""

    id: int
    total: int
    unread: int
    people: tuple[Participant, ...]
    has_attachments: bool
    has_draft: bool
    is_answered: bool
    is_forwarded: bool


@dataclass(frozen=True)
class MailConversation:
    """A conversation as its owner has it; counts leave out what lies in trash or junk."""

    id: int
    owner: str
    is_muted: bool
    total: int
    unread: int


@dataclass(frozen=True)
class _Unjoined:
    """A message that is in no conversation yet."""

    id: int
    owner: str
    folder: str
    recipient: str
    received_ts: int


def has_unjoined(tx: Connection) -> bool:
    """Whether `unjoined` would find any; one seek."""
    return bool(tx.execute(f"SELECT EXISTS (SELECT 1 FROM emails WHERE {_UNJOINED})").get)


def unjoined(tx: Connection, limit: int = BATCH) -> list[int]:
    """Indexed messages that are in no conversation yet, oldest first."""
    sql = f"SELECT id FROM emails WHERE {_UNJOINED} ORDER BY id LIMIT ?"
    return [int(str(row[0])) for row in tx.execute(sql, (limit,))]


def join(tx: Connection, email_id: int, message: Summary) -> int | None:
    """Puts an indexed message into its conversation, which is told; None for one that is gone, or in one already."""
    sql = f"SELECT {_UNJOINED_COLUMNS} FROM emails WHERE id = ? AND {_UNJOINED}"
    row = tx.execute(sql, (email_id,)).fetchone()
    if row is None:
        return None
    email, is_sent = _Unjoined(*row), row[2] in ("sent", "drafts")
    keys = keys_of(message, recipient=email.recipient, is_sent=is_sent)
    found = _found(tx, email, keys)
    conversation_id = _begin(tx, email.owner) if found is None else found
    tx.execute("UPDATE emails SET conversation_id = ? WHERE id = ?", (conversation_id, email.id))
    if email.folder != "drafts":  # it is written anew every few seconds
        _remember(tx, email, keys, conversation_id)
    if email.folder == "sent":
        _mark_answered(tx, email, message, conversation_id)
    return conversation_id


def settle_muted(tx: Connection, email_id: int) -> bool:
    """Archives a message that came to the inbox for a conversation that is muted, as read; whether it did."""
    tx.execute(
        """
        UPDATE emails SET folder = 'archive', is_read = 1
        WHERE id = ? AND folder = 'inbox'
          AND EXISTS (SELECT 1 FROM conversations c WHERE c.id = conversation_id AND c.is_muted <> 0)
        """,
        (email_id,),
    )
    return bool(tx.changes())


def get(tx: Connection, owner: str | None, conversation_id: int) -> MailConversation | None:
    """A conversation; None where it does not exist or is somebody else's."""
    sql = f"SELECT id, owner, is_muted FROM conversations WHERE id = ?1 AND (?2 IS NULL OR owner = ?2) AND {LIVE}"
    row = tx.execute(sql, (conversation_id, owner)).fetchone()
    if row is None:
        return None
    counted = f"""
        SELECT count(*), total(coalesce(is_read, 0) = 0) FROM emails INDEXED BY emails_conversation
        WHERE conversation_id = ? AND owner = ? AND folder NOT IN {_HIDDEN}
    """
    total, unread = tx.execute(counted, (conversation_id, row[1])).fetchone() or (0, 0)
    return MailConversation(row[0], row[1], bool(row[2]), int(total), int(unread))


def messages(
    tx: Connection,
    conversation: MailConversation,
    *,
    limit: int = 50,
    cursor: str | None = None,
    hidden: str | None = None,
) -> Page[EmailRow]:
    """A conversation's messages, newest first, without what lies in trash or junk, or that of `hidden` alone."""
    below = paging.time_and_id(cursor) if cursor else [mailbox.LAST, mailbox.LAST]
    where, bind = (f"folder NOT IN {_HIDDEN}", ()) if hidden is None else ("folder = ?", (hidden,))
    sql = f"""
        SELECT received_ts, id FROM emails INDEXED BY emails_conversation
        WHERE conversation_id = ? AND (received_ts, id) < (?, ?) AND owner = ? AND {where}
        ORDER BY received_ts DESC, id DESC LIMIT ?
    """
    values = (conversation.id, *below, conversation.owner, *bind, limit + 1)
    keys: list[tuple[Any, ...]] = tx.execute(sql, values).fetchall()
    rows = mailbox.get_some(tx, conversation.owner, [email_id for _, email_id in keys[:limit]])
    return Page(rows, f"{keys[limit - 1][0]}-{keys[limit - 1][1]}" if len(keys) > limit else None)


def ids_of(tx: Connection, owner: str, conversation_id: int, folders: Sequence[str]) -> list[int]:
    """The messages of an owner's conversation that lie in these folders, oldest first."""
    sql = f"""
        SELECT id FROM emails INDEXED BY emails_conversation
        WHERE conversation_id = ? AND owner = ? AND folder IN ({", ".join("?" * len(folders))})
        ORDER BY received_ts, id
    """
    return [int(str(row[0])) for row in tx.execute(sql, (conversation_id, owner, *folders))]


def set_muted(tx: Connection, owner: str | None, conversation_id: int, is_muted: bool) -> bool:
    """Mutes a conversation, or hears it again; whether it is there. What lies in the inbox leaves it, as read."""
    if get(tx, owner, conversation_id) is None:
        return False
    tx.execute("UPDATE conversations SET is_muted = ? WHERE id = ?", (int(is_muted), conversation_id))
    return True


def summaries(
    tx: Connection, owner: str, rows: Sequence[EmailRow], folder: str | None
) -> dict[int, ConversationSummary]:
    """What a folder's list shows of the conversations of its messages that have several, by their ids."""
    ids = list({row.conversation_id for row in rows if row.conversation_id is not None})
    where, bind = ("e.folder = ?2", (folder,)) if folder in _HIDDEN else (f"e.folder NOT IN {_HIDDEN}", (None,))
    counted = f"""
        SELECT page.value, count(*), total(coalesce(e.is_read, 0) = 0)
        FROM json_each(?1) page CROSS JOIN emails e INDEXED BY emails_conversation ON e.conversation_id = page.value
        WHERE e.owner = ?3 AND {where} GROUP BY page.value HAVING count(*) > 1
    """
    found: list[tuple[Any, ...]] = tx.execute(counted, (json.dumps(ids), *bind, owner)).fetchall()
    shown = _shown_of(tx, owner, (where, bind), [each[0] for each in found]) if found else {}
    return {each[0]: _summary(each, shown.get(each[0], [])) for each in found}


_UNJOINED = f"conversation_id IS NULL AND indexed = 1 AND owner IS NOT NULL AND {LIVE}"
_UNJOINED_COLUMNS = "id, owner, coalesce(folder, ''), coalesce(recipient, ''), coalesce(received_ts, 0)"


def note_forwarded(tx: Connection, owner: str, email_id: int) -> None:
    """Notes that a message was forwarded, for the lists to show."""
    tx.execute("UPDATE emails SET is_forwarded = 1 WHERE id = ? AND owner = ? AND is_forwarded = 0", (email_id, owner))


def _shown_of(
    tx: Connection, owner: str, within: tuple[str, Sequence[Any]], ids: Sequence[int]
) -> dict[int, list[tuple[Any, ...]]]:
    """What a list shows of conversations' messages, by their ids: of the first and the newest ones, oldest first."""
    where, bind = within
    one = f"""
        SELECT e.id FROM emails e INDEXED BY emails_conversation
        WHERE e.conversation_id = page.value AND e.owner = ?3 AND {where} ORDER BY e.received_ts
    """
    chosen = f"""
        SELECT page.value, coalesce(nullif(m.sender_name, ''), m.sender, ''), m.folder, coalesce(m.is_read, 0),
            m.has_attachments, m.is_answered, m.is_forwarded
        FROM json_each(?1) page CROSS JOIN emails m ON m.id IN (
            SELECT id FROM ({one} DESC, e.id DESC LIMIT {_NEWEST})
            UNION SELECT id FROM ({one}, e.id LIMIT 1)
        )
        ORDER BY page.id, m.received_ts, m.id
    """
    found: dict[int, list[tuple[Any, ...]]] = {}
    for conversation_id, *columns in tx.execute(chosen, (json.dumps(ids), *bind, owner)):
        found.setdefault(conversation_id, []).append(tuple(columns))
    return found


def _summary(counted: tuple[Any, ...], shown: Sequence[tuple[Any, ...]]) -> ConversationSummary:
    conversation_id, total, unread = counted
    newest = shown[-_NEWEST:]
    people = [Participant(each[0], each[1] in ("sent", "drafts"), not each[2]) for each in shown]
    return ConversationSummary(
        conversation_id,
        total,
        int(unread),
        tuple(people),
        has_attachments=any(each[3] for each in newest),
        has_draft=any(each[1] == "drafts" for each in newest),
        is_answered=any(each[4] for each in newest),
        is_forwarded=any(each[5] for each in newest),
    )


def _begin(tx: Connection, owner: str) -> int:
    tx.execute("INSERT INTO conversations (owner) VALUES (?)", (owner,))
    return tx.last_insert_rowid()


def _found(tx: Connection, email: _Unjoined, keys: ConversationKeys) -> int | None:
    """The conversation that a message belongs to, if there is room in it."""
    by_ancestors = _first(tx, email.owner, keys.ancestors)
    by_own = _first(tx, email.owner, (keys.message_id,) if keys.message_id else ())
    found = by_ancestors if by_ancestors is not None else by_own
    if found is None:
        found = _by_subject(tx, email, keys)
    elif by_own is not None and by_own != found:
        _merge(tx, email.owner, by_own, found)
    full = "SELECT 1 FROM emails WHERE conversation_id = ? LIMIT 1 OFFSET ?"
    if found is None or tx.execute(full, (found, MOST_MESSAGES - 1)).fetchone() is not None:
        return None
    return found


def _first(tx: Connection, owner: str, keys: Sequence[bytes]) -> int | None:
    sql = """
        SELECT conversation_id FROM conversation_keys WHERE owner = ? AND key = ?
        ORDER BY conversation_id DESC LIMIT 1
    """
    for key in keys:
        row = tx.execute(sql, (owner, key)).fetchone()
        if row is not None:
            return int(row[0])
    return None


def _by_subject(tx: Connection, email: _Unjoined, keys: ConversationKeys) -> int | None:
    sql = """
        SELECT conversation_id FROM conversation_keys
        WHERE owner = ? AND key = ? AND latest_ts BETWEEN ? AND ? ORDER BY conversation_id DESC LIMIT 1
    """
    span = (email.received_ts - SUBJECT_SECONDS, email.received_ts + SUBJECT_SECONDS)
    for key in keys.asked:
        row = tx.execute(sql, (email.owner, key, *span)).fetchone()
        if row is not None:
            return int(row[0])
    return None


def _merge(tx: Connection, owner: str, source: int, target: int) -> None:
    """What answers a message that came late joins the conversation of that, if it is little."""
    some = "SELECT id FROM emails WHERE conversation_id = ? AND owner = ? LIMIT ?"
    ids = tx.execute(some, (source, owner, _MOST_MERGED + 1)).fetchall()
    if len(ids) > _MOST_MERGED:
        return
    tx.execute(
        "UPDATE OR REPLACE conversation_keys SET conversation_id = ? WHERE conversation_id = ?", (target, source)
    )
    tx.executemany("UPDATE emails SET conversation_id = ? WHERE id = ?", [(target, each[0]) for each in ids])


def _remember(tx: Connection, email: _Unjoined, keys: ConversationKeys, conversation_id: int) -> None:
    sql = """
        INSERT INTO conversation_keys (owner, key, conversation_id, latest_ts) VALUES (?, ?, ?, ?)
        ON CONFLICT (owner, key, conversation_id) DO UPDATE SET latest_ts = max(latest_ts, excluded.latest_ts)
    """
    own = (keys.message_id,) if keys.message_id else ()
    found = dict.fromkeys((*own, *keys.ancestors, *keys.told))
    tx.executemany(sql, [(email.owner, key, conversation_id, email.received_ts) for key in found])


def _mark_answered(tx: Connection, email: _Unjoined, message: Summary, conversation_id: int) -> None:
    """What a message that was sent answers shows that it was."""
    answered = message.in_reply_to
    if answered:
        sql = "UPDATE emails SET is_answered = 1 WHERE conversation_id = ? AND owner = ? AND message_id = ? AND id <> ?"
        tx.execute(sql, (conversation_id, email.owner, answered, email.id))
