"""Which of a claim's recipients are captured instead of delivered to, and by whose sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onifast_shared.accepting.distribution import ResolvedRecipient
from onifast_shared.message.parsing import Summary
from onifast_shared.queue import sandbox
from onifast_shared.queue.store import Submission
from onifast_shared.recipients.addresses import Remote

from onifast_outbox.delivering.snapshot import DeliverySnapshot


@dataclass(frozen=True)
class CapturedRows:
    """The rows that are kept here; `domain` is the one whose sandbox does it, None for the whole installation's."""

    row_ids: frozenset[int] = frozenset()
    domain: str | None = None


def look(
    snapshot: DeliverySnapshot, submission: Submission, head: Summary, places: Mapping[int, ResolvedRecipient]
) -> CapturedRows:
    """What of a message the sandboxes capture: all of it, or what is for other sites; never what somebody let out."""
    tx, settings = snapshot.tx, snapshot.settings
    domain = sandbox.captures(tx, submission.origin, _senders(submission, head)) if snapshot.has_sandboxes else None
    if domain is not None:
        caught = set(places)
    elif settings.delivery == "sandbox":
        caught = {row_id for row_id, place in places.items() if isinstance(place.destination, Remote)}
    else:
        return CapturedRows()
    return CapturedRows(frozenset(caught - sandbox.let_out(tx, caught)), domain)


def _senders(submission: Submission, head: Summary) -> list[str]:
    """The domains of the envelope's sender and of the author."""
    return [submission.sender.rpartition("@")[2], head.sender.domain if head.sender else ""]
