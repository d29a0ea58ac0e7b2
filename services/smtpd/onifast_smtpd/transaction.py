"""A mail transaction (RFC 5321 section 3.3): what came between MAIL and the end of DATA."""

from __future__ import annotations

from dataclasses import dataclass

from aiosmtpd.smtp import Envelope
from onifast_shared.queue.store import QueuedRecipient
from onifast_shared.recipients.addresses import Destination
from onifast_shared.values.address import Address
from onifast_shared.values.envelope import Recipient

from onifast_smtpd.clients.client import Origin
from onifast_smtpd.protocol.parameters import NO_MAIL_OPTIONS, NO_RCPT_OPTIONS, MailOptions, RcptOptions
from onifast_smtpd.screening.screener import Screening
from onifast_smtpd.submission.outgoing import Submitter


@dataclass(frozen=True)
class AcceptedRecipient:
    """An accepted recipient."""

    address: Address
    destination: Destination
    options: RcptOptions = NO_RCPT_OPTIONS

    @property
    def recipient(self) -> Recipient:
        """The recipient with its DSN parameters."""
        return Recipient(self.address, self.options.notify, self.options.orcpt)

    @property
    def queued(self) -> QueuedRecipient:
        """The recipient as the queue takes it."""
        return QueuedRecipient(str(self.address), self.options.notify, self.options.orcpt)


class MailTransaction(Envelope):
    """A mail transaction between MAIL and the end of DATA: aiosmtpd's `Envelope`, and what was found out for it.

    Of aiosmtpd's fields, `mail_from` is None before MAIL and "" for the null path; `rcpt_tos` has the accepted
    recipients, each once; `content` the message as it came. Incoming mail has no submitter.
    """

    origin: Origin
    screening: Screening
    content: bytes | None

    def __init__(self) -> None:
        super().__init__()
        self.queue_id = ""
        self.sender: Address | None = None
        self.options = NO_MAIL_OPTIONS
        self.submitter: Submitter | None = None
        self.targets: dict[str, AcceptedRecipient] = {}

    @property
    def has_begun(self) -> bool:
        """Whether there was a MAIL that was accepted."""
        return self.mail_from is not None

    def begin(self, origin: Origin, sender: Address | None, options: MailOptions, queue_id: str) -> None:
        """MAIL is accepted."""
        self.origin, self.sender, self.options, self.queue_id = origin, sender, options, queue_id
        self.mail_from, self.smtp_utf8 = str(sender or ""), options.smtputf8

    def add(self, recipient: AcceptedRecipient) -> None:
        """RCPT is accepted."""
        if recipient.address.key not in self.targets:
            self.targets[recipient.address.key] = recipient
            self.rcpt_tos.append(str(recipient.address))

    @property
    def is_binary(self) -> bool:
        """Whether its message's parts may hold any octets, in no lines (RFC 3030)."""
        return self.options.body == "BINARYMIME"

    @property
    def recipients(self) -> list[Address]:
        """The accepted recipients, in the order of their RCPT."""
        return [target.address for target in self.targets.values()]
