"""The one notice about many delays: by next domain and reason, how many recipients of a sender's mail still wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from onifast_shared.message import compose
from onifast_shared.message.compose import Draft
from onifast_shared.values.address import Address, display_domain

from onifast_outbox.dsn import RecipientFate
from onifast_outbox.reasons import explain

SUBJECT = "Many of your messages are delayed"

_HEADER = b"Auto-Submitted: auto-replied\r\nPrecedence: bulk\r\n"  # no vacation note answers it (RFC 3834)
_MOST_CAUSES = 20


def build(sender: Address, fates: Sequence[RecipientFate], *, hostname: str, until: float, are_all: bool) -> bytes:
    """The summary for `sender`; `are_all` where no more recipients wait than these.

    It is no delivery report: those speak of one message each (RFC 3464 section 2.1). `until` is up to when nothing
    more is said of delays.
    """
    draft = Draft(
        from_=f"Mail Delivery System <MAILER-DAEMON@{hostname}>",
        to=[str(sender)],
        subject=SUBJECT,
        text=text(fates, hostname=hostname, until=until, are_all=are_all),
    )
    return _HEADER + compose.build(draft, hostname)


def text(fates: Sequence[RecipientFate], *, hostname: str, until: float, are_all: bool) -> str:
    """What it says."""
    number = f"{len(fates)}" if are_all else f"More than {len(fates)}"
    waits = "recipient waits" if len(fates) == 1 else "recipients wait"
    lines = [
        "Much of your mail has not reached its recipients yet. Besides those that you were told of one by one,",
        f"{number} {waits}:",
        "",
        *_causes(fates),
        "You need not do anything, nor send it again: each message will be tried further, and you will be told of each"
        " that cannot be delivered in the end.",
        "",
        f"Until {_moment(until)} you will be told of no more delays. What waits is listed on the page Outbox of the"
        " webmail, with the reason for each recipient.",
        "",
        f"This notice was written by the mail server {hostname}.",
        "",
    ]
    return "\n".join(lines)


def _causes(fates: Sequence[RecipientFate]) -> list[str]:
    found = Counter((display_domain(fate.recipient.address.domain), _why(fate)) for fate in fates)
    lines = []
    for (domain, why), number in found.most_common(_MOST_CAUSES):
        lines += [f"{number} at {domain}: {why}", ""]
    rest = found.total() - sum(number for _, number in found.most_common(_MOST_CAUSES))
    return [*lines, *([f"{rest} elsewhere, or for other reasons.", ""] if rest else [])]


def _why(fate: RecipientFate) -> str:
    return explain(fate.outcome.reply, fate.outcome.host).what


def _moment(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%H:%M UTC")
