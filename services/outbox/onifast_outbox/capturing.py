"""Which of a claim's recipients are captured instead of delivered to, and by whose sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onifast_shared.addresses import Remote
from onifast_shared.config import Settings
from onifast_shared.db.database import Connection
from onifast_shared.distribution import Place
from onifast_shared.message.parsing import Summary
from onifast_shared.queue import sandbox
from onifast_shared.queue.store import Submission


@dataclass(frozen=True)
class Captured:
    """The rows that are kept here; `domain` is the one whose sandbox does it, None for the whole installation's."""

    row_ids: frozenset[int] = frozenset()
    domain: str | None = None


def look(tx: Connection, what: Submission, head: Summary, places: Mapping[int, Place], settings: Settings) -> Captured:
    """What of a message the sandboxes capture: all of it, or what is for other sites; never what somebody let out."""
    senders = (what.sender.rpartition("@")[2], head.sender.domain if head.sender else "")
    domain = sandbox.captures(tx, what.origin, senders)
    if domain is not None:
        caught = set(places)
    elif settings.delivery == "sandbox":
        caught = {row_id for row_id, place in places.items() if isinstance(place.destination, Remote)}
    else:
        return Captured()
    return Captured(frozenset(caught - sandbox.let_out(tx, caught)), domain)
