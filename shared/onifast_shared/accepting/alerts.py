"""Alerts: mail of the host's own to its people. It has the null sender, so that no bounce answers it, and no limit."""

from __future__ import annotations

from collections.abc import Sequence

from onifast_shared.accepting import accept
from onifast_shared.db.database import Connection
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes.contents import ContentRef
from onifast_shared.message import compose
from onifast_shared.message.compose import Draft
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.values.address import Address

_HEADER = b"Auto-Submitted: auto-generated\r\nPrecedence: bulk\r\n"  # no vacation note answers it (RFC 3834)


def postmaster(settings: Settings) -> Address:
    """Who looks after the host."""
    return Address("postmaster", settings.hostname)


def send(tx: Connection, people: Sequence[Address], subject: str, text: str, settings: Settings) -> None:
    """Queues an alert, in the transaction of what it tells of."""
    draft = Draft(
        from_=f"Mail server <{postmaster(settings)}>",
        to=[str(address) for address in people],
        subject=subject,
        text=text,
    )
    raw = _HEADER + compose.build(draft, settings.hostname)
    submission = Submission(
        sender="",
        origin="bounce",
        subject=subject,
        body_type="7BIT" if raw.isascii() else "8BITMIME",
        smtputf8=any(address.needs_smtputf8 for address in people),
    )
    recipients = [QueuedRecipient(str(address), notify="NEVER") for address in people]
    accept.submit_in(tx, ContentRef(len(raw), raw, None), submission, recipients)
