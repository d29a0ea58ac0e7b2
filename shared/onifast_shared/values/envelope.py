"""The envelope: who a message is from and for as SMTP says it, which need not be what its header says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from onifast_shared.values.address import Address

Body = Literal["7BIT", "8BITMIME", "BINARYMIME"]
Ret = Literal["FULL", "HDRS"]
Event = Literal["SUCCESS", "FAILURE", "DELAY"]


@dataclass(frozen=True)
class Recipient:
    """One RCPT TO. `notify` and `orcpt` are its DSN parameters as given (RFC 3461 sections 4.1 and 4.2)."""

    address: Address
    notify: str | None = None
    orcpt: str | None = None

    def wants(self, event: Event) -> bool:
        """Whether the sender is to be told of `event`; unless they said otherwise, of failures and delays."""
        if self.notify is None:
            return event != "SUCCESS"
        return event in self.notify.upper().split(",")


@dataclass(frozen=True)
class Envelope:
    """One mail transaction. `mail_from` None is the null reverse-path `<>`, which no bounce may be sent to.

    `ret` and `envid` are those of RFC 3461 sections 4.3 and 4.4; `requiretls` is RFC 8689's.
    """

    mail_from: Address | None
    rcpt_to: tuple[Recipient, ...]
    body: Body = "8BITMIME"
    smtputf8: bool = False
    ret: Ret | None = None
    envid: str | None = None
    requiretls: bool = False

    def only(self, *recipients: Recipient) -> Envelope:
        """The same transaction for just these recipients."""
        return self if recipients == self.rcpt_to else replace(self, rcpt_to=recipients)
