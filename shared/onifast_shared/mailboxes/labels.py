"""Labels and own folders: what they are called and look like. `labelling` says which messages have them.

The names of an owner's labels make a tree: whatever lies in another one (`Clients/Acme`) finds that there, and is of
the same kind. A label that is renamed or deleted takes along all that lie in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.values import label_names
from onifast_shared.values.label_names import COLOURS, SEPARATOR, LabelNameError

MOST_LABELS = 500
"""Labels and own folders that one user may have."""

_AFTER_SEPARATOR = chr(ord(SEPARATOR) + 1)


@dataclass(frozen=True)
class Label:
    """A label, or an own folder where `is_folder`. Counts leave out what lies in trash or junk."""

    id: int
    owner: str
    name: str
    colour: str
    is_folder: bool
    total: int
    unread: int

    @property
    def leaf(self) -> str:
        """The last part of its name."""
        return label_names.leaf(self.name)

    @property
    def depth(self) -> int:
        """How many it lies in."""
        return self.name.count(SEPARATOR)


class LabelError(ValueError):
    """What cannot be done to a label. `field` is `name` or `colour`; the text is a phrase for who asked."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


def list_all(tx: Connection, owner: str) -> list[Label]:
    """An owner's labels and own folders in the order of their names, each before those that lie in it."""
    found = [_label(row) for row in tx.execute(f"{_SELECT} WHERE owner = ?", (owner,))]
    return sorted(found, key=lambda each: [label_names.key(part) for part in each.name.split(SEPARATOR)])


def get(tx: Connection, owner: str | None, label_id: int) -> Label | None:
    """A label; None where it does not exist or is somebody else's."""
    row = tx.execute(f"{_SELECT} WHERE id = ?1 AND (?2 IS NULL OR owner = ?2)", (label_id, owner)).fetchone()
    return None if row is None else _label(row)


def find(tx: Connection, owner: str, name: str) -> Label | None:
    """The label of that name, in any case; None where there is none."""
    row = tx.execute(f"{_SELECT} WHERE owner = ? AND name_key = ?", (owner, label_names.key(name))).fetchone()
    return None if row is None else _label(row)


def create(tx: Connection, owner: str, name: str, *, colour: str = "", is_folder: bool = False, now: float) -> Label:
    """Makes a label, and those that it lies in where these are missing; raises LabelError."""
    name = _parsed(name)
    _check_colour(colour)
    if find(tx, owner, name):
        raise LabelError("name", f"there is {name!r} already")
    name = _make_room_above(tx, owner, name, is_folder=is_folder, now=now)
    return _insert(tx, owner, name, colour, is_folder=is_folder, now=now)


def rename(tx: Connection, label: Label, name: str, now: float) -> Label:
    """Gives a label another name, and with it another place. What lies in it goes along.

    Raises LabelError, and KeyError for a label that is gone.
    """
    name = _parsed(name)
    was, there = label_names.key(label.name), find(tx, label.owner, name)
    if there is not None and there.id != label.id:
        raise LabelError("name", f"there is {name!r} already")
    if label_names.key(name).startswith(was + SEPARATOR):
        raise LabelError("name", "it cannot lie in itself")
    name = _make_room_above(tx, label.owner, name, is_folder=label.is_folder, now=now)
    below = _below(tx, label)
    new_names = {each.id: name + each.name[len(label.name) :] for each in below}
    for new_name in new_names.values():
        _parsed(new_name)
    for label_id, new_name in {label.id: name, **new_names}.items():
        values = (new_name, label_names.key(new_name), label_id)
        tx.execute("UPDATE labels SET name = ?, name_key = ? WHERE id = ?", values)
    renamed = get(tx, label.owner, label.id)
    if renamed is None:
        raise KeyError(label.id)
    return renamed


def set_colour(tx: Connection, label: Label, colour: str) -> None:
    """Gives a label a colour, "" for none of its own; raises LabelError."""
    _check_colour(colour)
    tx.execute("UPDATE labels SET colour = ? WHERE id = ?", (colour, label.id))


def strip_some(tx: Connection, label: Label, limit: int) -> int:
    """Takes a label, and those that lie in it, from some messages; returns how many. 0: none has it any more."""
    removed = 0
    for each in (*_below(tx, label), label):
        tx.execute(
            "DELETE FROM email_labels WHERE (email_id, label_id) IN"
            " (SELECT email_id, label_id FROM email_labels WHERE label_id = ? LIMIT ?)",
            (each.id, limit - removed),
        )
        removed += tx.changes()
        if removed >= limit:
            break
    return removed


def delete(tx: Connection, label: Label) -> int:
    """Deletes a label with those that lie in it; returns how many labels. Their messages stay where they are.

    Who deletes a label of many messages has them stripped of it before, some at a time.
    """
    doomed = [*_below(tx, label), label]
    tx.executemany("DELETE FROM labels WHERE id = ?", [(each.id,) for each in doomed])
    return len(doomed)


_SELECT = "SELECT id, owner, name, colour, is_folder, total, unread FROM labels"


def _label(row: Iterable[Any]) -> Label:
    label_id, owner, name, colour, is_folder, total, unread = row
    return Label(label_id, owner, name, colour, bool(is_folder), total, unread)


def _below(tx: Connection, label: Label) -> list[Label]:
    start = label_names.key(label.name)
    sql = f"{_SELECT} WHERE owner = ? AND name_key >= ? AND name_key < ?"
    return [_label(row) for row in tx.execute(sql, (label.owner, start + SEPARATOR, start + _AFTER_SEPARATOR))]


def _parsed(name: str) -> str:
    try:
        return label_names.parse(name)
    except LabelNameError as error:
        raise LabelError("name", str(error)) from None


def _check_colour(colour: str) -> None:
    if colour and colour not in COLOURS:
        raise LabelError("colour", f"there is no colour {colour!r}: one of {', '.join(COLOURS)}")


def _make_room_above(tx: Connection, owner: str, name: str, *, is_folder: bool, now: float) -> str:
    """Makes what a name lies in, where it is missing; gives the name as those write theirs."""
    above = ""
    for part in label_names.parent(name).split(SEPARATOR) if SEPARATOR in name else []:
        wanted = above + part
        found = find(tx, owner, wanted) or _insert(tx, owner, wanted, "", is_folder=is_folder, now=now)
        if found.is_folder != is_folder:
            kinds = ("a label", "own folder") if is_folder else ("an own folder", "label")
            raise LabelError("name", f"{found.name!r} is {kinds[0]}: no {kinds[1]} lies in it")
        above = found.name + SEPARATOR
    return above + label_names.leaf(name)


def _insert(tx: Connection, owner: str, name: str, colour: str, *, is_folder: bool, now: float) -> Label:
    number = int(tx.execute("SELECT count(*) FROM labels WHERE owner = ?", (owner,)).get)
    if number >= MOST_LABELS:
        raise LabelError("name", f"{MOST_LABELS} labels and own folders are the most that one user may have")
    tx.execute(
        "INSERT INTO labels (owner, name, name_key, colour, is_folder, created_ts) VALUES (?, ?, ?, ?, ?, ?)",
        (owner, name, label_names.key(name), colour, int(is_folder), int(now)),
    )
    return Label(tx.last_insert_rowid(), owner, name, colour, is_folder, 0, 0)
