"""What is done to messages: labels, stars, marks, folders, and an end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import labelling, labels, mailbox
from onifast_shared.mailboxes.labels import Label

from onifast_web.access.context import Web
from onifast_web.http.problems import Problem, not_found
from onifast_web.languages.texts import _

_STRIPPED_AT_ONCE = 1000


def label_of(tx: Connection, owner: str | None, label_id: int, *, is_folder: bool | None = None) -> Label:
    """A label of this owner's, an own folder or none if that is asked for; raises Problem(404)."""
    found = labels.get(tx, owner, label_id) if 0 < label_id < 2**63 else None
    if found is None or is_folder not in (None, found.is_folder):
        raise not_found("own folder" if is_folder else "label")
    return found


def relabel(tx: Connection, ids: Sequence[int], add: Iterable[Label], remove: Iterable[Label]) -> int:
    """Gives messages labels and takes others off; returns how many of them are there, for all these labels.

    Raises Problem(422) for a message that would have too many.
    """
    found = len(ids)
    for label in remove:
        found = min(found, labelling.take_off(tx, label, ids))
    try:
        for label in add:
            found = min(found, labelling.assign(tx, label, ids))
    except labelling.TooManyLabels as error:
        raise Problem(422, f"{str(error)[0].upper()}{str(error)[1:]}.") from None
    return found


def delete_label(web: Web, label: Label) -> int:
    """Deletes a label with those that lie in it; returns how many. Their messages stay where they are."""
    while web.database.write(lambda tx: labels.strip_some(tx, label, _STRIPPED_AT_ONCE)):
        pass
    return web.database.write(lambda tx: labels.delete(tx, label))


def delete(tx: Connection, owner: str | None, ids: Sequence[int]) -> int:
    """Deletes messages for good; raises Problem(404), Problem(409) for one where that is not done."""
    rows = [mailbox.get(tx, owner, email_id) for email_id in ids]
    if not all(rows):
        raise not_found()
    outside = [row for row in rows if row and row.folder not in mailbox.PURGED]
    if outside:
        where = _("message %(id)s lies in %(folder)s", id=outside[0].id, folder=outside[0].folder)
        raise Problem(
            409,
            _(
                "Only what lies in %(purged)s is deleted for good; %(where)s.",
                purged=", ".join(mailbox.PURGED),
                where=where,
            ),
        )
    return mailbox.purge(tx, owner, ids)
