"""Refused messages that are kept whole for a while: what a recipient would get is what they can fetch back.

Nobody is told but the recipients, in their list of refused mail: the client gets its refusal in any case.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from onifast_shared.accepting import rescue
from onifast_shared.accepting.distribution import distribute
from onifast_shared.db.database import Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import contents
from onifast_shared.message.headers import prepend
from onifast_shared.message.parsing import Summary
from onifast_shared.recipients.addresses import Expansion, RewrittenSender
from onifast_shared.refused.kept import RefusedCopy, network_of
from onifast_shared.values.address import Address
from onifast_shared.values.envelope import Recipient

from onifast_smtpd import maillog
from onifast_smtpd.screening.screener import ScreenedMessage


@dataclass(frozen=True)
class RefusedEnvelope:
    """Between whom a refused message went."""

    client: str
    mail_from: Address | None
    places: Mapping[Recipient, Expansion | RewrittenSender]
    queue_id: str


class RefusedKeeper:
    """Keeps what is refused for its authentication or score, where the settings ask for that; one for a program."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    async def keep(self, judged: ScreenedMessage, received: bytes, envelope: RefusedEnvelope) -> dict[str, int]:
        """Keeps a message for whom there is room; under which numbers, by the recipients' keys. Raises nothing."""
        copies = _copies(judged, envelope) if self._settings.refused_kept_whole else {}
        if not copies:
            return {}
        message, now = traced(judged, received), time.time()
        try:
            ref = await contents.astore(self._database, message)
            kept = await self._database.awrite(
                lambda tx: rescue.keep(tx, ref, list(copies.values()), self._settings, now)
            )
        except DatabaseError as error:
            maillog.database_trouble("keeping a refused message", error)
            return {}
        return {key: kept[copy.recipient] for key, copy in copies.items() if copy.recipient in kept}


def _copies(judged: ScreenedMessage, envelope: RefusedEnvelope) -> dict[str, RefusedCopy]:
    """For each recipient with a mailbox here its first one: that of whoever sees the record of the refusal."""
    summary = Summary.of(judged.message.head)
    found = {}
    for recipient, place in envelope.places.items():
        for delivery in distribute(envelope.mail_from, {recipient: place}).deliveries[:1]:
            found[recipient.address.key] = RefusedCopy(
                delivery.owner,
                delivery.recipient,
                str(envelope.mail_from or ""),
                delivery.trace,
                network_of(envelope.client),
                summary.people("from"),
                summary.subject,
                envelope.queue_id,
            )
    return found


def traced(judged: ScreenedMessage, received: bytes) -> bytes:
    """The message's octets with our own trace fields on top."""
    return prepend(judged.message.octets, judged.headers + received)
