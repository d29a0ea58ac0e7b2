"""Refuses to send to suppressed recipients at once, and names them: better than a bounce a moment later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from onifast_shared.db.database import Connection
from onifast_shared.message.compose import DraftError
from onifast_shared.queue import suppressions
from onifast_shared.queue.suppressions import Suppression
from onifast_shared.values.address import Address

_MOST_NAMED = 5


class Suppressed(DraftError):
    """A field names `recipients`, as they are stored, whom the owner's mail is not sent to."""

    def __init__(self, field: str, found: Sequence[Suppression]) -> None:
        super().__init__(field, _sentence(found))
        self.recipients = tuple(each.recipient for each in found)


def check(tx: Connection, owner: str | None, named: Mapping[str, Sequence[Address]], now: float) -> None:
    """Raises Suppressed at the first field with recipients that mail of this owner is not sent to."""
    if owner is None:
        return
    for field, recipients in named.items():
        if found := suppressions.find(tx, owner, recipients, now):
            raise Suppressed(field, list(found.values()))


def _sentence(found: Sequence[Suppression]) -> str:
    page = "on the page Suppressed addresses"
    if len(found) == 1:
        why = found[0].why(_day(found[0].created_ts)).removesuffix(".")
        return f"{why} – lift that {page}, or send without it"
    names = ", ".join(each.recipient for each in found[:_MOST_NAMED])
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return f"mail to {names}{more} came back or was suppressed by you – lift these {page}, or send without them"


def _day(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%d %B %Y").lstrip("0")
