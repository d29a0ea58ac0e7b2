"""The commands of onifast-mailctl about a user's labels and own folders."""

from __future__ import annotations

import argparse
import time
from typing import Any

from onifast_shared.ctl.tools import (
    DONE,
    NOTHING,
    UsageError,
    add,
    complain,
    known_account,
    of_account,
    opened,
    outcome,
    read,
    show_one,
    show_rows,
    write,
)
from onifast_shared.db.database import Connection
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import labels
from onifast_shared.mailboxes.labels import Label, LabelError
from onifast_shared.values.label_names import COLOURS

_STRIPPED_AT_ONCE = 1000


def declare(area: Any) -> None:
    """Adds the commands to their area."""
    add(area, "list", of_account(_list), "id, name, label or folder, colour, messages, unread", "user")
    making = add(area, "add", of_account(_add), "make a label, and what it lies in", "user", "name")
    making.add_argument("--folder", action="store_true", help="an own folder instead")
    making.add_argument("--colour", choices=COLOURS, default="", help="what it looks like")
    add(
        area,
        "rename",
        of_account(_rename),
        "give a label another name, with all that lie in it",
        "user",
        "name",
        "new_name",
    )
    colouring = add(area, "colour", of_account(_colour), "give a label another colour", "user", "name")
    colouring.add_argument("colour", choices=[*COLOURS, "none"])
    add(area, "remove", of_account(_remove), "end a label with all that lie in it; messages stay", "user", "name")


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    found = read(settings, lambda tx: labels.list_all(tx, arguments.user))
    return show_rows(arguments, map(_row, found))


def _add(arguments: argparse.Namespace, settings: Settings) -> int:
    known_account(settings, arguments.user)

    def create(tx: Connection) -> Label:
        return labels.create(
            tx, arguments.user, arguments.name, colour=arguments.colour, is_folder=arguments.folder, now=time.time()
        )

    return _shown(arguments, settings, create)


def _rename(arguments: argparse.Namespace, settings: Settings) -> int:
    return _shown(arguments, settings, lambda tx: _renamed(tx, arguments))


def _renamed(tx: Connection, arguments: argparse.Namespace) -> Label | None:
    label = labels.find(tx, arguments.user, arguments.name)
    return label and labels.rename(tx, label, arguments.new_name, time.time())


def _colour(arguments: argparse.Namespace, settings: Settings) -> int:
    def change(tx: Connection) -> Label | None:
        label = labels.find(tx, arguments.user, arguments.name)
        if label is not None:
            labels.set_colour(tx, label, arguments.colour.replace("none", ""))
        return label and labels.get(tx, arguments.user, label.id)

    return _shown(arguments, settings, change)


def _remove(arguments: argparse.Namespace, settings: Settings) -> int:
    with opened(settings) as database:
        label = database.read(lambda tx: labels.find(tx, arguments.user, arguments.name))
        if label is None:
            return outcome(None, f"{arguments.user} has no label {arguments.name!r}")
        while database.write(lambda tx: labels.strip_some(tx, label, _STRIPPED_AT_ONCE)):
            pass
        database.write(lambda tx: labels.delete(tx, label))
    return DONE


def _shown(arguments: argparse.Namespace, settings: Settings, change: Any) -> int:
    """What became of a label, once it is on disk."""
    try:
        label: Label | None = write(settings, change)
    except LabelError as error:
        raise UsageError(f"{error.field}: {error}") from None
    if label is None:
        return complain(f"{arguments.user} has no label {arguments.name!r}", NOTHING)
    return show_one(arguments, _row(label), str(label.id))


def _row(label: Label) -> dict[str, Any]:
    return {
        "id": label.id,
        "name": label.name,
        "kind": "folder" if label.is_folder else "label",
        "colour": label.colour,
        "total": label.total,
        "unread": label.unread,
    }
