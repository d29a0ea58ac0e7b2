"""Unknown senders: whose mail a user has kept apart, and which senders they have accepted or blocked.

A user may choose that mail of whom they do not know lies in an own folder until they say whether they want it. Known is
whom they have written to, who answers them, whom they accepted (with the list that a message came by), who sends from
an account here, and whose earlier mail lies in their inbox or archive. What comes from whom they blocked, an address
or a whole domain, goes to junk or to trash, as they say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from onifast_shared.acts import steps
from onifast_shared.acts.journal import AskedAct, ListAct, SenderDecision
from onifast_shared.db.database import Connection
from onifast_shared.junk.judging import ArrivedMessage, JunkVerdict
from onifast_shared.mailboxes import contents, labelling, labels, mailbox, preferences, sender_choices
from onifast_shared.mailboxes.labels import Label, LabelError
from onifast_shared.mailboxes.sender_choices import SenderChoice
from onifast_shared.message import mailing_list
from onifast_shared.message.headers import split_head
from onifast_shared.message.parsing import Parsed, Summary, parse
from onifast_shared.recipients import correspondents
from onifast_shared.values.address import Address

FOLDER = "Unknown senders"
"""What the own folder is called as it is made; its owner may give it another name."""

_LIST = "list:"
_MOST_ANSWERED = 10
_MOST_LOOKED_AT = 200  # earlier messages of a sender that are looked at
_MOST_MOVED = 1000
_MOST_HEAD = 16 * 1024
_TRIES = 20
_MOST_LABELS = 10  # of a domain


@dataclass(frozen=True)
class MessageOrigin:
    """By what a message's sender can be known: who wrote it, by which list it came, and what it answers."""

    author: Address | None = None
    list_id: str = ""
    answered: Sequence[str] = ()


def origin_of(parsed: Parsed) -> MessageOrigin:
    """What a message says of where it is from."""
    answered = dict.fromkeys([*parsed.in_reply_tos, *reversed(parsed.references)])
    list_id = mailing_list.list_id(parsed.header("list-id") or "")
    return MessageOrigin(parsed.sender, list_id, list(answered)[:_MOST_ANSWERED])


def judge(tx: Connection, arrived: ArrivedMessage, verdict: JunkVerdict, origin: MessageOrigin) -> JunkVerdict:
    """The verdict, with what its owner chose about the sender, and whether it is to lie apart."""
    sender, choice = _choice(tx, arrived.owner, origin)
    if choice == "blocked":
        folder = "trash" if preferences.blocked_to_trash(tx, arrived.owner) else "junk"
        reason = f"You have blocked {sender.removeprefix(_LIST).removeprefix('@')}."
        return replace(verdict, folder=folder, reason=reason, is_blocked=True)
    if choice == "accepted":
        by_words = verdict.folder == "junk" != arrived.folder and verdict.score is not None and verdict.is_proven
        return replace(verdict, folder=arrived.folder, reason="") if by_words else verdict
    if verdict.folder != "inbox" or not preferences.keeps_unknown_apart(tx, arrived.owner):
        return verdict
    return replace(verdict, is_apart=not _is_known(tx, arrived, verdict, origin))


def folder_of(tx: Connection, owner: str) -> Label | None:
    """The own folder that mail of unknown senders is put into; None where there is none yet."""
    label_id = preferences.unknown_folder(tx, owner)
    found = None if label_id is None else labels.get(tx, owner, label_id)
    return found if found is not None and found.is_folder else None


def put_apart(tx: Connection, owner: str, email_id: int, now: float) -> bool:
    """Puts a message into that folder, which is made where it is not there; False where it cannot be."""
    label = folder_of(tx, owner) or _make_folder(tx, owner, now)
    return label is not None and labelling.assign(tx, label, [email_id]) > 0


def is_apart(tx: Connection, owner: str, email_id: int) -> bool:
    """Whether a message lies in the folder of unknown senders."""
    sql = "SELECT EXISTS (SELECT 1 FROM email_labels WHERE email_id = ? AND label_id = ?)"
    return bool(tx.execute(sql, (email_id, preferences.unknown_folder(tx, owner))).get)


def decide(tx: Connection, owner: str, ids: Iterable[int], choice: SenderChoice, *, came: str, now: float) -> ListAct:
    """Accepts or blocks who wrote messages of this owner's: they go to the inbox, or to where blocked mail goes.

    All of theirs that lies apart goes along. Who is accepted is so with the list that it came by. `came` is the place
    in which that was asked for. The act can be undone, the choice too.
    """
    names, moved = dict[str, None](), dict[int, None]()
    for email_id in ids:
        origin = origin_of(parse(mailbox.raw(tx, email_id)))
        names |= dict.fromkeys([origin.author.key] if origin.author is not None else [])
        names |= dict.fromkeys([f"{_LIST}{origin.list_id}"] if origin.list_id and choice == "accepted" else [])
        moved |= dict.fromkeys([email_id, *_apart_from(tx, owner, origin, with_list=choice == "accepted")])
    before = sender_choices.of(tx, owner, names)
    for name in names:
        sender_choices.choose(tx, owner, name, choice, now)
    folder = "inbox" if choice == "accepted" else "trash" if preferences.blocked_to_trash(tx, owner) else "junk"
    target = SenderDecision(folder, {name: None if was is None else was.choice for name, was in before.items()})
    return steps.act(tx, AskedAct(owner, choice, target.to_json(), came), list(moved), now)


def _choice(tx: Connection, owner: str, origin: MessageOrigin) -> tuple[str, SenderChoice | None]:
    """What was chosen about the author, or else about the list, or their domain and those above it; and about whom."""
    names = [origin.author.key] if origin.author else []
    names += [f"{_LIST}{origin.list_id}"] if origin.list_id else []
    names += [f"@{each}" for each in _domains(origin.author.domain)] if origin.author else []
    sql = "SELECT choice FROM sender_choices WHERE username = ? AND sender = ?"
    found = ((name, tx.execute(sql, (owner, name)).get) for name in names)
    return next(((name, choice) for name, choice in found if choice in ("accepted", "blocked")), ("", None))


def _domains(domain: str) -> list[str]:
    """A domain and those above it, without the last label alone."""
    parts = domain.split(".")[-_MOST_LABELS:]
    return [".".join(parts[start:]) for start in range(max(1, len(parts) - 1))]


def _is_known(tx: Connection, arrived: ArrivedMessage, verdict: JunkVerdict, origin: MessageOrigin) -> bool:
    if arrived.submitted_by is not None and (verdict.is_proven or not arrived.reverse_path):
        return True  # an account here, or this server itself
    if verdict.correspondent in ("written", "known") or _answers(tx, arrived.owner, origin.answered):
        return True
    if origin.author is None:
        return False
    known = correspondents.find(tx, arrived.owner, origin.author)
    return bool(known and known.written_ts is not None) or _has_let_in(tx, arrived, origin.author)


def _answers(tx: Connection, owner: str, message_ids: Sequence[str]) -> bool:
    """Whether a message answers one that its recipient sent."""
    marks = ", ".join("?" * len(message_ids))
    sql = (
        f"SELECT EXISTS (SELECT 1 FROM sent_messages m JOIN outbox o ON o.content_id = m.content_id"
        f" WHERE m.message_id IN ({marks}) AND o.owner = ? AND o.origin NOT IN ('bounce', 'forward'))"
    )
    return bool(message_ids) and bool(tx.execute(sql, (*message_ids, owner)).get)


def _has_let_in(tx: Connection, arrived: ArrivedMessage, author: Address) -> bool:
    """Whether earlier mail from that address lies where its owner reads it; what is not judged yet is no earlier."""
    sql = """
        SELECT EXISTS (
            SELECT 1 FROM (SELECT id, folder, judged FROM emails
                           WHERE owner = ?1 AND lower(sender) = lower(?2) AND id <> ?3 LIMIT ?5) e
            WHERE e.folder IN ('inbox', 'archive') AND e.judged = 1
              AND NOT EXISTS (SELECT 1 FROM email_labels l WHERE l.email_id = e.id AND l.label_id = ?4))
    """
    apart = preferences.unknown_folder(tx, arrived.owner)
    return bool(tx.execute(sql, (arrived.owner, str(author), arrived.email_id, apart, _MOST_LOOKED_AT)).get)


def _make_folder(tx: Connection, owner: str, now: float) -> Label | None:
    """The folder, anew; a name that is taken gets a number."""
    for number in range(1, _TRIES):
        name = FOLDER if number == 1 else f"{FOLDER} {number}"
        try:
            label = labels.create(tx, owner, name, is_folder=True, now=now)
        except LabelError:
            continue
        preferences.put_unknown_folder(tx, owner, label.id)
        return label
    return None  # they have as many labels as they may


def _apart_from(tx: Connection, owner: str, origin: MessageOrigin, *, with_list: bool) -> list[int]:
    """The messages of an author, or by a list, that lie apart."""
    sql = """
        SELECT e.id, lower(coalesce(e.sender, '')), e.content_id FROM email_labels l JOIN emails e ON e.id = l.email_id
        WHERE l.label_id = ? AND e.owner = ? ORDER BY l.is_shown DESC, l.received_ts DESC LIMIT ?
    """
    rows: Sequence[tuple[Any, ...]] = tx.execute(
        sql, (preferences.unknown_folder(tx, owner), owner, _MOST_MOVED)
    ).fetchall()
    author = str(origin.author).lower() if origin.author else None
    by_list = origin.list_id if with_list else ""
    return [row[0] for row in rows if row[1] == author or (by_list and _list_of(tx, row[2]) == by_list)]


def _list_of(tx: Connection, content_id: int | None) -> str:
    try:
        found = Summary(split_head(contents.head(tx, content_id or 0, _MOST_HEAD))[0])
    except KeyError:
        return ""
    return mailing_list.list_id(found.header("list-id") or "")
