"""What an act does to some messages, and how it is undone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from onifast_shared.acts import journal
from onifast_shared.acts.journal import ListAct, SenderDecision
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import labelling, labels, mailbox, sender_choices, snoozing
from onifast_shared.mailboxes.labels import Label
from onifast_shared.mailboxes.mailbox import PURGED
from onifast_shared.mailboxes.sender_choices import SenderChoice
from onifast_shared.values.set_aside import SET_ASIDE

DELETED = f"{SET_ASIDE}deleted"
"""The owner of what was deleted, until that is final: nobody sees it."""


def apply(tx: Connection, act: ListAct, ids: Sequence[int]) -> int:
    """Does an act to messages of its owner, and notes how they were; returns how many there were.

    Raises TooManyLabels. An own folder that is gone meanwhile stands for the archive.
    """
    found = [email_id for email_id in ids if _note(tx, act, email_id)]
    match act.action:
        case "move":
            _move(tx, act.owner, found, act.target)
        case "accepted" | "blocked":
            mailbox.move(tx, act.owner, found, SenderDecision.of(act).folder)
        case "read" | "unread":
            mailbox.set_read(tx, act.owner, found, act.action == "read")
        case "star" | "unstar":
            labelling.set_starred(tx, act.owner, found, act.action == "star")
        case "label":
            for label_id in label_ids(act.target):
                label = labels.get(tx, act.owner, abs(label_id))
                if label is not None and not label.is_folder:
                    (labelling.assign if label_id > 0 else labelling.take_off)(tx, label, found)
        case "snooze":
            snoozing.put_off(tx, act.owner, found, int(act.target))
        case "delete":
            tx.executemany("UPDATE emails SET owner = ? WHERE id = ?", [(DELETED, each) for each in found])
    return len(found)


def revert(tx: Connection, act: ListAct, email_id: int, was: dict[str, Any]) -> bool:
    """Puts back what an act changed of a message, unless somebody else has changed that since; whether it did."""
    now = _state(tx, DELETED if act.action == "delete" else act.owner, email_id)
    if now is None:
        return False
    match act.action:
        case "move" | "snooze" | "accepted" | "blocked":
            if _place_of(now) != _made(act) or (act.action == "snooze" and now["snoozed"] != int(act.target)):
                return False
            _put_back(tx, act.owner, email_id, was)
        case "read" | "unread":
            mailbox.set_read(tx, act.owner, [email_id], was["read"])
        case "star" | "unstar":
            labelling.set_starred(tx, act.owner, [email_id], was["starred"])
        case "label":
            _set_labels(tx, act.owner, email_id, was["labels"], [abs(each) for each in label_ids(act.target)])
        case "delete":
            _bring_back(tx, act.owner, email_id, was)
    return True


def take_back(tx: Connection, act: ListAct) -> None:
    """Takes back what an act did besides its messages: a choice about senders, as far as it is the same still."""
    if act.action in ("accepted", "blocked"):
        made: SenderChoice = "accepted" if act.action == "accepted" else "blocked"
        sender_choices.take_back(tx, act.owner, made, SenderDecision.of(act).before)


def erase(tx: Connection, act: ListAct, limit: int) -> int:
    """Removes for good some of what an act deleted; how many it looked at."""
    some = journal.remembered(tx, act, limit)
    for email_id, _ in some:
        if _state(tx, DELETED, email_id) is not None:
            mailbox.erase(tx, [email_id])
        journal.drop(tx, act, email_id)
    return len(some)


def label_ids(target: str) -> list[int]:
    """The labels that an act of that target gives, and, below zero, those that it takes off."""
    return [int(each) for each in target.split()]


def _note(tx: Connection, act: ListAct, email_id: int) -> bool:
    was = _state(tx, act.owner, email_id)
    if was is None or (act.action == "delete" and was["folder"] not in PURGED):
        return False
    return journal.remember(tx, act, email_id, was)


def _state(tx: Connection, owner: str, email_id: int) -> dict[str, Any] | None:
    """What acts change of a message; None for one that is not its owner's."""
    sql = """
        SELECT folder, coalesce(is_read, 0), is_starred, snoozed_until, conversation_id,
               (SELECT json_group_array(label_id) FROM email_labels WHERE email_id = e.id AND is_folder = 0),
               (SELECT label_id FROM email_labels WHERE email_id = e.id AND is_folder <> 0)
        FROM emails e WHERE id = ? AND owner = ?
    """
    row: tuple[Any, ...] | None = tx.execute(sql, (email_id, owner)).fetchone()
    if row is None:
        return None
    names = ("folder", "read", "starred", "snoozed", "conversation", "labels", "own")
    found = dict(zip(names, row, strict=True))
    return found | {"read": bool(row[1]), "starred": bool(row[2]), "labels": json.loads(row[5])}


def _place_of(state: dict[str, Any]) -> str:
    return f"label:{state['own']}" if state["own"] else str(state["folder"])


def _made(act: ListAct) -> str:
    """Where an act put its messages."""
    if act.action in ("accepted", "blocked"):
        return SenderDecision.of(act).folder
    return "archive" if act.action == "snooze" else act.target


def _folder(tx: Connection, owner: str, key: str | int) -> Label | None:
    number = str(key).rpartition(":")[2]
    found = labels.get(tx, owner, int(number)) if number.isdecimal() else None
    return found if found and found.is_folder else None


def _move(tx: Connection, owner: str, ids: Sequence[int], target: str) -> None:
    if not target.startswith("label:"):
        mailbox.move(tx, owner, ids, target)
        return
    own = _folder(tx, owner, target)
    if own is None:
        mailbox.move(tx, owner, ids, "archive")
    else:
        labelling.assign(tx, own, ids)


def _put_back(tx: Connection, owner: str, email_id: int, was: dict[str, Any]) -> None:
    own = _folder(tx, owner, was["own"]) if was["own"] else None
    if own is not None:
        labelling.assign(tx, own, [email_id])
        return
    mailbox.move(tx, owner, [email_id], was["folder"])
    if was["snoozed"] is not None:
        snoozing.restore(tx, email_id, was["snoozed"])


def _set_labels(tx: Connection, owner: str, email_id: int, wanted: Sequence[int], among: Sequence[int]) -> None:
    for label_id in among:
        label = labels.get(tx, owner, label_id)
        if label is not None and not label.is_folder:
            (labelling.assign if label_id in wanted else labelling.take_off)(tx, label, [email_id])


def _bring_back(tx: Connection, owner: str, email_id: int, was: dict[str, Any]) -> None:
    sql = """
        UPDATE emails SET owner = ?1, conversation_id =
            (SELECT id FROM conversations WHERE id = ?2 AND owner = ?1) WHERE id = ?3
    """
    tx.execute(sql, (owner, was["conversation"], email_id))
    _set_labels(tx, owner, email_id, was["labels"], was["labels"])
