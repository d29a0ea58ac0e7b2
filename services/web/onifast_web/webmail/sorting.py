"""How a message is sorted, for its page: its labels, the folder that it lies in, and those that it can have."""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import labelling, labels
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.mailboxes.labels import Label

from onifast_web.webmail import places
from onifast_web.webmail.places import ListPlace


@dataclass(frozen=True)
class Sorting:
    """`place` is where the message lies, `chosen` its labels, `own_folders` and `labels` all that its owner has."""

    place: ListPlace
    chosen: list[Label]
    own_folders: list[Label]
    labels: list[Label]

    @property
    def url(self) -> str:
        """Where the list is that the message lies in."""
        return places.url(self.place.key)


def of(tx: Connection, owner: str, row: EmailRow) -> Sorting:
    """How a message of this owner's is sorted; raises Problem(404)."""
    has = labelling.of_messages(tx, [row.id]).get(row.id, [])
    lies_in = next((f"label:{each.id}" for each in has if each.is_folder), row.folder)
    known = labels.list_all(tx, owner)
    return Sorting(
        places.of(tx, owner, lies_in),
        [each for each in has if not each.is_folder],
        [each for each in known if each.is_folder],
        [each for each in known if not each.is_folder],
    )
