"""What a notification from elsewhere says, and how it came, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from onifast_shared.queue.returns import ReportKind
from onifast_shared.values.reply import Reply

Action = Literal["failed", "delayed", "delivered", "relayed", "expanded"]

NO_REASON = Reply(550, "5.0.0", "")
"""Where a notification does not say why."""


@dataclass(frozen=True)
class RecipientReport:
    """What is said of one recipient. `address` is who it failed for, `original` whom it was sent to, or "".

    Addresses are as they are written there: nothing says that they are well formed. `host` is who gave `reply`, or "".
    `log_id` is the name of the message in its log.
    """

    address: str
    original: str = ""
    action: Action = "failed"
    reply: Reply = NO_REASON
    host: str = ""
    log_id: str = ""


@dataclass(frozen=True)
class ReturnReport:
    """A notification: a delivery status (RFC 3464, or in words alone), a complaint (RFC 5965), a program's answer
    (RFC 3834), or a read receipt (RFC 8098). `message_ids` name what it is about, the likeliest first; `reporter`
    wrote it, "" if unknown.

    `queue_ids` are those in the header section that is sent back. `feedback` is the type of a complaint (RFC 5965
    section 3.1, IANA's registry).
    """

    kind: ReportKind
    recipients: tuple[RecipientReport, ...]
    message_ids: tuple[str, ...] = ()
    envid: str = ""
    reporter: str = ""
    feedback: str = ""
    queue_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class ArrivedNotification:
    """How a message came: into whose mailbox and folder, for which address, and what is known of its origin.

    `author` is the address in From, "" without one. `is_ours` says that it was written here: then its sender knows
    already what became of their mail.
    """

    email_id: int
    owner: str
    recipient: str
    reverse_path: str
    folder: str
    authentication: Mapping[str, Any]
    author: str = ""
    is_ours: bool = False
