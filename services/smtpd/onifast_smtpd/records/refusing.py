"""Keeps a record of what a mail transaction was refused, so that a mailbox's owner can be told why mail is missing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace

from onifast_shared.db.database import Connection
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import addresses
from onifast_shared.recipients.addresses import Local
from onifast_shared.refused import refusals
from onifast_shared.refused.refusals import Refusal
from onifast_shared.values.address import Address

from onifast_smtpd.clients.client import Origin
from onifast_smtpd.protocol.command import Bare
from onifast_smtpd.protocol.replies import TOO_MANY_RECIPIENTS, Refused
from onifast_smtpd.records.deferred_writes import DeferredWrites

MOST_RECIPIENTS = 100  # of one refused message, that get a record each


class Recorder:
    """Makes records of refusals; one for a program."""

    def __init__(self, settings: Settings, deferred_writes: DeferredWrites) -> None:
        self._settings = settings
        self._deferred_writes = deferred_writes

    def record(
        self,
        refused: Refused,
        stage: str,
        origin: Origin,
        sender: object,
        recipients: Iterable[Address | Bare] = (),
    ) -> None:
        """Makes a record of a refusal; one at MAIL has no recipients yet."""
        if refused.reply.enhanced != TOO_MANY_RECIPIENTS:
            self._record(refused, stage, origin, sender, list(recipients)[:MOST_RECIPIENTS])

    def _record(
        self, refused: Refused, stage: str, origin: Origin, sender: object, recipients: list[Address | Bare]
    ) -> None:
        refusal = Refusal(
            client=origin.client.address,
            helo=origin.helo,
            submitted_by=origin.submitted_by if origin.may_relay else "",
            sender=str(sender or ""),
            recipient="",
            owner=origin.account if origin.may_relay else None,
            stage=stage,
            code=refused.reply.code,
            enhanced=refused.reply.enhanced,
            reason=refused.reply.text,
            authentication=refused.authentication,
        )
        now, kept = time.time(), refused.kept
        self._deferred_writes.jot(lambda tx: self._write(tx, refusal, recipients, kept, now))

    def _write(
        self,
        tx: Connection,
        refusal: Refusal,
        recipients: list[Address | Bare],
        kept: Mapping[str, int],
        now: float,
    ) -> None:
        if not recipients:
            refusals.add(tx, refusal, now)
        for recipient in recipients:
            owner = refusal.owner or self._owner(tx, recipient)
            kept_id = kept.get(recipient.key) if isinstance(recipient, Address) else None
            refusals.add(tx, replace(refusal, recipient=str(recipient), owner=owner), now, kept_id)

    def _owner(self, tx: Connection, recipient: Address | Bare) -> str | None:
        """Whose mail it would have been: the mailbox's owner, or else the domain's."""
        if isinstance(recipient, Bare):
            return None
        resolution = addresses.resolve(tx, recipient, self._settings)
        if isinstance(resolution, Local):
            return resolution.owner
        return addresses.domain_owner(tx, recipient.domain)
