"""What a notification speaks of, and who gets one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from onifast_shared.values.address import Address
from onifast_shared.values.envelope import Recipient, Ret
from onifast_shared.values.reply import Deferred, Delivered, Failed, Outcome, Reply

_PARAMETER = re.compile(r"[!-~]{1,500}")

Action = Literal["failed", "delayed", "delivered", "relayed"]


@dataclass(frozen=True)
class ReturnedMessage:
    """The message that a notification is about, and whose it was. `arrived` is epoch seconds.

    `raw` may be its header alone, or nothing where it is kept no more.
    """

    raw: bytes
    sender: Address
    arrived: int
    ret: Ret | None = None
    envid: str | None = None


@dataclass(frozen=True)
class RecipientFate:
    """What became of one recipient, after so many attempts.

    `said` is the answer that led to it, where the outcome's own reply is this server's verdict on it. `tried` is when
    it was tried last, `until` for how long it will be, in epoch seconds. `queue_id` finds it in the logs. `reason`
    is (what happened, what the sender can do) where the reply alone does not tell; `outlook` one more sentence.
    """

    recipient: Recipient
    outcome: Outcome
    attempts: int
    said: Reply | None = None
    tried: int | None = None
    until: int | None = None
    queue_id: str = ""
    reason: tuple[str, str] | None = None
    outlook: str = ""

    @property
    def answer(self) -> Reply:
        """What the other side said, or this server where it asked nobody."""
        return self.said or self.outcome.reply

    @property
    def action(self) -> Action:
        """RFC 3464 section 2.3.3. `relayed` is said of a next hop that sends no notices of its own."""
        if isinstance(self.outcome, Delivered):
            return "relayed" if self.outcome.host else "delivered"
        return "delayed" if isinstance(self.outcome, Deferred) else "failed"


def clean(parameter: str | None) -> str | None:
    """A DSN parameter of a row as it may go into a command or a report; other programs can write these columns too."""
    return parameter if parameter and _PARAMETER.fullmatch(parameter) else None


def is_wanted(
    sender: Address | None, recipient: Recipient, outcome: Outcome, *, passed_on: bool = False, forwarded: bool = False
) -> bool:
    """Whether the sender is to be told. Never about a bounce, whose sender is null (RFC 5321 section 6.1).

    A sender without NOTIFY is told of failures, and of delays (RFC 3461 section 4.1 leaves that to us), but not of
    delays beyond a forward, which they know nothing of. `passed_on`: the next server does notifications itself, and has
    taken over those of a delivery.
    """
    if sender is None:
        return False
    if isinstance(outcome, Failed):
        return recipient.wants("FAILURE")
    if isinstance(outcome, Deferred):
        return recipient.wants("DELAY") and not (forwarded and recipient.notify is None)
    return recipient.wants("SUCCESS") and not passed_on
