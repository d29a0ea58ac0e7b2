"""Which messages have which labels, lie in which own folder, and have a star."""

from __future__ import annotations

import json
from collections.abc import Iterable

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes.labels import Label
from onifast_shared.values.set_aside import LIVE

MOST_OF_ONE = 50
"""Labels that one message may have."""

_OF_MESSAGES = """
    SELECT e.email_id, l.id, l.owner, l.name, l.colour, l.is_folder, l.total, l.unread
    FROM json_each(?) page CROSS JOIN email_labels e ON e.email_id = page.value
    JOIN labels l ON l.id = e.label_id JOIN emails m ON m.id = e.email_id AND m.owner = l.owner
    ORDER BY l.is_folder DESC, l.name_key
"""


class TooManyLabels(ValueError):
    """A message that has as many labels as it may."""

    def __init__(self) -> None:
        super().__init__(f"a message has {MOST_OF_ONE} labels at the most")


def assign(tx: Connection, label: Label, ids: Iterable[int]) -> int:
    """Gives messages of the label's owner a label; returns how many of them there were.

    Into an own folder they are put: they are archived, and leave the one that they lay in. Raises TooManyLabels.
    """
    found = [email_id for email_id in ids if _is_owned(tx, label.owner, email_id)]
    for email_id in found:
        if label.is_folder:
            leave_folder(tx, email_id)
            tx.execute("UPDATE emails SET folder = 'archive' WHERE id = ?", (email_id,))
        elif int(tx.execute("SELECT count(*) FROM email_labels WHERE email_id = ?", (email_id,)).get) >= MOST_OF_ONE:
            raise TooManyLabels
        tx.execute(
            """
            INSERT OR IGNORE INTO email_labels (label_id, is_shown, received_ts, email_id, is_unread, is_folder)
            SELECT ?1, coalesce(folder, '') NOT IN ('trash', 'junk'), coalesce(received_ts, 0), id,
                   coalesce(is_read, 0) = 0, ?3
            FROM emails WHERE id = ?2
            """,
            (label.id, email_id, int(label.is_folder)),
        )
    return len(found)


def take_off(tx: Connection, label: Label, ids: Iterable[int]) -> int:
    """Takes a label from messages of its owner; returns how many of them there were, whether they had it or not.

    What is taken out of an own folder lies in the archive.
    """
    found = [email_id for email_id in ids if _is_owned(tx, label.owner, email_id)]
    sql = "DELETE FROM email_labels WHERE email_id = ? AND label_id = ?"
    tx.executemany(sql, [(email_id, label.id) for email_id in found])
    return len(found)


def leave_folder(tx: Connection, email_id: int) -> None:
    """Takes a message out of the own folder that it lies in, if any; it stays archived."""
    tx.execute("DELETE FROM email_labels WHERE email_id = ? AND is_folder <> 0", (email_id,))


def of_messages(tx: Connection, ids: Iterable[int]) -> dict[int, list[Label]]:
    """The labels of messages, by their ids, an own folder first; a message that has none is not among them."""
    found: dict[int, list[Label]] = {}
    # One statement for all of a page: each statement costs more than the few seeks that it makes.
    for email_id, *row in tx.execute(_OF_MESSAGES, (json.dumps(list(ids)),)):
        label = Label(row[0], row[1], row[2], row[3], bool(row[4]), row[5], row[6])
        found.setdefault(email_id, []).append(label)
    return found


def set_starred(tx: Connection, owner: str | None, ids: Iterable[int], is_starred: bool) -> int:
    """Gives messages a star, or takes it away; returns how many there were."""
    sql = f"UPDATE emails SET is_starred = ?1 WHERE id = ?2 AND (?3 IS NULL OR owner = ?3) AND {LIVE}"
    changed = 0
    for email_id in ids:
        tx.execute(sql, (int(is_starred), email_id, owner))
        changed += tx.changes()
    return changed


def _is_owned(tx: Connection, owner: str, email_id: int) -> bool:
    return tx.execute("SELECT 1 FROM emails WHERE id = ? AND owner = ?", (email_id, owner)).fetchone() is not None
