"""Which failures say that a recipient does not exist, so that trying again would only annoy their server."""

from __future__ import annotations

import re

from onifast_shared.values.reply import Failed

from onifast_outbox.reasons import recognised
from onifast_outbox.reasons.explaining import MAX_READ

# Enhanced status codes (RFC 3463; 5.1.10 is RFC 7505's) that speak of the recipient, and of nothing else.
_CODES = frozenset(("5.1.1", "5.1.6", "5.1.10", "5.2.1"))
# What servers say without a code, or with one that tells nothing: then their words decide.
_VAGUE = frozenset(("", "5.0.0", "5.1.0", "5.2.0", "5.4.1", "5.5.0"))
_KINDS = frozenset(("unknown-user", "inactive"))
# Whatever the code, these words show that the message, its sender or this server was refused.
_OTHER_REASONS = re.compile(
    r"spam|\bjunk|virus|block|black|\bpolic|reputation|\b(spf|dkim|dmarc|rbl|dnsbl|tls|helo|ehlo)\b|sender|\bfrom\b"
    r"|relay|greylist|content|authenticat|\brate\b|too many|quota|full\b|preferences",
    re.IGNORECASE,
)
# Names that a server repeats are no words of its own: an address, a page to read. Each is looked for where a word
# begins: a reply without any blank would otherwise be read anew from each of its characters.
_BRACKETED = re.compile(r"<[^<>]*>")
_NAMES = re.compile(r"(?<!\S)[^\s@]*@\S*|https?://\S+")
# Before its recipient was named, nothing can have been said of them.
_TOO_EARLY = frozenset(("dns", "connect", "greeting", "ehlo", "tls", "login", "mail"))


def is_hard(failed: Failed) -> bool:
    """Whether this failure is about the recipient, and for good: they are unknown, or their mailbox is switched off.

    A refusal by rules or because of the content does not count, whatever its code: the next message may be welcome.
    """
    reply, trail = failed.reply, failed.trail
    if reply.enhanced == "5.1.10" and not trail.host:
        return True  # a null MX: the domain itself says so, and no server need be asked
    if not trail.host or _stage(failed) in _TOO_EARLY:
        return False
    if _OTHER_REASONS.search(_NAMES.sub(" ", _BRACKETED.sub(" ", reply.text[:MAX_READ]))):
        return False
    if reply.enhanced in _CODES:
        return True
    found = recognised(reply, trail.host) if reply.enhanced in _VAGUE else None
    return found is not None and found.kind in _KINDS


def _stage(failed: Failed) -> str:
    """Where the attempt ended; "" where that is not known."""
    stages = failed.trail.stages
    return stages[-1][0] if stages else ""
