"""Where a list of messages is: one of the six folders, an own folder, a label, what is starred, or what is put off.

Forms and redirects name a place by its key: `inbox`, `label:3` (an own folder too), `starred`, `snoozed`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from flask import url_for
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes.labels import Label
from onifast_shared.mailboxes.mailbox import FOLDERS

from onifast_web.actions import messages
from onifast_web.http.problems import not_found
from onifast_web.languages.texts import _
from onifast_web.webmail.filters import folder_title

STARRED = "starred"
SNOOZED = "snoozed"
_LABEL = re.compile(r"label:(\d{1,18})")


@dataclass(frozen=True)
class ListPlace:
    """A list that can be opened. `folder` is None for a label's, starred and snoozed; `here` is its menu key."""

    key: str
    title: str
    here: str
    icon: str
    folder: str | None = None
    label: Label | None = None

    @property
    def own_folder(self) -> Label | None:
        """The own folder that it is, if it is one."""
        return self.label if self.label and self.label.is_folder else None


def of(tx: Connection, owner: str, key: str) -> ListPlace:
    """The place of that key; raises Problem(404) for one that is not this owner's."""
    if key in FOLDERS:
        return ListPlace(key, folder_title(key), key, key, key)
    if key == STARRED:
        return ListPlace(key, _("Starred"), key, "star")
    if key == SNOOZED:
        return ListPlace(key, _("Snoozed"), key, "snooze")
    match = _LABEL.fullmatch(key)
    if match is None:
        raise not_found("folder")
    label = messages.label_of(tx, owner, int(match[1]))
    return ListPlace(key, label.name, here_of(label), icon_of(label), None, label)


def here_of(label: Label) -> str:
    """The key of a label's entry in the menu."""
    return f"label-{label.id}"


def icon_of(label: Label) -> str:
    """What stands before a label's name."""
    return "folder" if label.is_folder else "label"


def url(key: str, **query: Any) -> str:
    """Where a place's list is; raises Problem(404) for what is no key of a place."""
    if key in FOLDERS:
        return url_for("webmail.folder", folder=key, **query)
    if key == STARRED:
        return url_for("webmail.starred", **query)
    if key == SNOOZED:
        return url_for("webmail.snoozed", **query)
    match = _LABEL.fullmatch(key)
    if match is None:
        raise not_found("folder")
    return url_for("webmail.labelled", label_id=int(match[1]), **query)
