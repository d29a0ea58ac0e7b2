"""What a message says of the conversation that it belongs to: its message ids, its subject, and who takes part.

All of it is what strangers wrote: it is bounded, and hashed together with nothing but itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from onifast_shared.message.parsing import Summary
from onifast_shared.values.address import Address, AddressError

MOST_ANCESTORS = 30
"""Message ids of References that are looked at: the first ones, which began it, and the last ones."""

MOST_PEOPLE = 10
"""Of those who take part, so many are found again by a subject; of a message to more it says nothing."""

_FIRST = 5
_LONGEST_FIELD = 1 << 14
_LONGEST_SUBJECT = 500
_PREFIX = re.compile(
    r"\s*(?:re|aw|antw|antwort|sv|vs|odp|ynt|rif|res|fwd?|wg|tr|rv|enc|doorst|vl|i)"
    r"(?:\s?[\[(]\d{1,3}[\])])?\s?[:\uff1a]",
    re.IGNORECASE,
)
_MOST_PREFIXES = 20


@dataclass(frozen=True)
class ConversationKeys:
    """By what a message is found, as hashes.

    `message_id` is its own, None where it has none; `ancestors` are what it refers to, the nearest first. `asked` are
    for its subject and who sent it (or whom it is sent to), `told` for its subject and everybody who takes part.
    """

    message_id: bytes | None
    ancestors: tuple[bytes, ...]
    asked: tuple[bytes, ...]
    told: tuple[bytes, ...]


def keys_of(message: Summary, *, recipient: str, is_sent: bool) -> ConversationKeys:
    """By what a message is found in a mailbox that it came to as `recipient`, or that it was sent from."""
    own = message.message_id
    ancestors = [each for each in _ancestors(message) if each != own]  # one that refers to itself
    subject = base_subject(message.subject)
    asked, told = _people(message, recipient, is_sent=is_sent)
    return ConversationKeys(
        _hash("id", own) if own else None,
        tuple(_hash("id", each) for each in ancestors),
        tuple(_hash("subject", subject, each) for each in asked) if subject else (),
        tuple(_hash("subject", subject, each) for each in told) if subject else (),
    )


def base_subject(subject: str) -> str:
    """A subject without what answers and forwards put before it, in one case; "" where nothing is left."""
    text = subject[:_LONGEST_SUBJECT]
    for _ in range(_MOST_PREFIXES):
        match = _PREFIX.match(text)
        if match is None:
            break
        text = text[match.end() :]
    return " ".join(text.split()).casefold()


def _ancestors(message: Summary) -> list[str]:
    """What a message refers to, the nearest first (RFC 5322 section 3.6.4); no more than MOST_ANCESTORS."""
    references = message.references
    if len(references) > MOST_ANCESTORS:
        references = references[:_FIRST] + references[_FIRST - MOST_ANCESTORS :]
    answered = message.in_reply_tos
    nearest = answered if len(answered) == 1 else []  # of several nobody knows which one it is
    return list(dict.fromkeys((*nearest, *reversed(references))))[:MOST_ANCESTORS]


def _people(message: Summary, recipient: str, *, is_sent: bool) -> tuple[list[str], list[str]]:
    """Who is asked for among those that took part, and who takes part now, besides the reader."""
    author = message.sender.key if message.sender else ""
    others = _named(message, ("to", "cc"))
    if is_sent:
        found = [each for each in others if each != author]
        return (found, found) if len(found) <= MOST_PEOPLE else ([], [])
    mine = _key(recipient)
    named = [each for each in dict.fromkeys((author, *others)) if each and (each != mine or each == author)]
    return ([author] if author else []), (named if len(named) <= MOST_PEOPLE else [author] if author else [])


def _named(message: Summary, names: Iterable[str]) -> list[str]:
    found = (each.address for name in names for each in message.mailboxes(name, _LONGEST_FIELD))
    return list(dict.fromkeys(each.key for each in found if each))


def _key(text: str) -> str:
    try:
        return Address.parse(text.strip()).key
    except AddressError:
        return text.strip().lower()


def _hash(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()[:12]
