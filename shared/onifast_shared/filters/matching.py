"""Whether a filter holds for a message: values in, yes or no out, in time that nobody's message or filter can stretch.

Texts are compared without regard to case. There are no regular expressions: `*` and `?` are looked for without going
back, and only in texts that are short.
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache

from onifast_shared.filters.rules import Condition, FilterRule, Test
from onifast_shared.message.address_fields import AddressEntry
from onifast_shared.message.parsing import Parsed
from onifast_shared.values.address import Address, AddressError

_MOST_PEOPLE = 500
_MOST_FILES = 200
_LONGEST = 4096  # characters of a field
_LONGEST_BODY = 256 * 1024
MOST_SECONDS = 0.5
"""The processor's time that all filters of one message may take: an owner's own filters must not hold up the others."""


class TooMuchWorkError(Exception):
    """The filters that were asked so far took all the time that one message has."""


class MessageFacts:
    """What filters look at in a message. Each thing is found when the first filter asks for it."""

    def __init__(self, parsed: Parsed, text: str, recipient: str, size: int) -> None:
        self.parsed = parsed
        self.recipient = recipient
        self.size = size
        self._text = text
        self._texts: dict[tuple[str, str], list[str]] = {}
        self._since = time.thread_time()

    def begin(self) -> None:
        """Filters are asked from now on, by this thread."""
        self._since = time.thread_time()

    def check_time(self) -> None:
        """Raises TooMuchWorkError once the time is over."""
        if time.thread_time() - self._since > MOST_SECONDS:
            raise TooMuchWorkError

    def texts(self, field: str, header: str = "") -> list[str]:
        """The folded texts of a field."""
        key = (field, header.lower())
        found = self._texts.get(key)
        if found is None:
            found = self._texts[key] = [fold(each) for each in self._read(field, key[1])]
        return found

    @cached_property
    def domains(self) -> dict[str, list[str]]:
        """The domains of the addresses in From, in To and Cc, and of the one that it came to."""
        return {
            "from": [each.address.domain for each in self._people("from") if each.address],
            "to": [each.address.domain for each in self._people("to") if each.address],
            "recipient": [self.recipient.rpartition("@")[2].lower()],
        }

    def has(self, field: str, header: str) -> bool:
        """Whether the message has such a thing."""
        match field:
            case "attachment":
                return self.parsed.has_attachments
            case "list":
                return any(name in ("list-id", "list-post", "list-unsubscribe") for name in self.parsed.names)
        return header.lower() in self.parsed.names

    def _people(self, field: str) -> list[AddressEntry]:
        names = ("from",) if field == "from" else ("to", "cc")
        return [each for name in names for each in self.parsed.mailboxes(name)][:_MOST_PEOPLE]

    def _read(self, field: str, header: str) -> list[str]:
        match field:
            case "from" | "to":
                return [text for each in self._people(field) for text in _forms(each)]
            case "recipient":
                return [self.recipient]
            case "subject":
                return [self.parsed.subject[:_LONGEST]]
            case "list":
                return [text[:_LONGEST] for name in ("list-id", "list-post") for text in self.parsed.texts(name)]
            case "text":
                return [self._text[:_LONGEST_BODY]]
            case "attachment":
                return [each.filename[:_LONGEST] for each in self.parsed.attachments[:_MOST_FILES]]
        return [text[:_LONGEST] for text in self.parsed.texts(header)[:_MOST_PEOPLE]]


def holds(rule: FilterRule, facts: MessageFacts, *, junk: bool | None) -> bool | None:
    """Whether a rule holds. None where that hangs on whether it is junk, and nobody knows yet (`junk` is None).

    Raises TooMuchWorkError.
    """
    if rule.match == "every":
        return True
    facts.check_time()
    found = (_holds(each, facts, junk) for each in rule.conditions)
    match rule.match:
        case "all":
            return _all(found)
        case "any":
            return _not(_all(_not(each) for each in found))
    return _all(_not(each) for each in found)


def fold(text: str) -> str:
    """A text as it is compared."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


def _holds(condition: Condition, facts: MessageFacts, junk: bool | None) -> bool | None:
    found = junk if condition.field == "junk" else _is_found(condition, facts)
    return _not(found) if condition.negated else found


def _is_found(condition: Condition, facts: MessageFacts) -> bool:
    match condition.test:
        case "present":
            return facts.has(condition.field, condition.header)
        case "over":
            return facts.size > int(condition.values[0])
        case "under":
            return facts.size < int(condition.values[0])
        case "domain":
            wanted = [_domain(each) for each in condition.values]
            return any(_lies_in(domain, each) for domain in facts.domains[condition.field] for each in wanted)
    looks = _LOOKS[condition.test]
    texts = facts.texts(condition.field, condition.header)
    for value in map(fold, condition.values):
        if any(looks(text, value) for text in texts):
            return True
        facts.check_time()
    return False


def _all(found: Iterable[bool | None]) -> bool | None:
    """Whether all are true; None where that hangs on what is not known."""
    unknown = False
    for each in found:
        if each is False:
            return False
        unknown = unknown or each is None
    return None if unknown else True


def _not(found: bool | None) -> bool | None:
    return None if found is None else not found


def _forms(entry: AddressEntry) -> list[str]:
    """A person as they are looked for: by address, by name, and by both as they are written."""
    address = str(entry.address or "")
    if not entry.name:
        return [address]
    return [address, entry.name[:_LONGEST], f"{entry.name[:_LONGEST]} <{address}>"]


def _domain(text: str) -> str:
    """The domain that was written, with or without an @ before it."""
    try:
        return Address.parse(f"a@{text.rpartition('@')[2]}").domain
    except AddressError:
        return text.lower()


def _lies_in(domain: str, wanted: str) -> bool:
    return domain == wanted or domain.endswith(f".{wanted}")


def _matches(text: str, pattern: str) -> bool:
    """Whether a pattern is all of a text: `*` is any characters, `?` is one. Each part is found where it is first."""
    first, *others = pattern.split("*")
    if not others:
        return len(text) == len(first) and _fits(text, first, 0)
    *between, last = others
    if len(text) < len(first) + len(last) or not _fits(text, first, 0) or not _fits(text, last, len(text) - len(last)):
        return False
    at, end = len(first), len(text) - len(last)
    for part in between:
        at = _find(text, part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def _find(text: str, part: str, start: int, end: int) -> int:
    """Where a part with `?` is first found within a text; -1 if nowhere."""
    if "?" not in part:
        return text.find(part, start, end)
    found = _compiled(part).search(text, start, end)
    return found.start() if found else -1


@lru_cache(maxsize=256)
def _compiled(part: str) -> re.Pattern[str]:
    """Nothing is repeated in it, so it takes no longer than text times part."""
    return re.compile(".".join(map(re.escape, part.split("?"))), re.DOTALL)


def _fits(text: str, part: str, at: int) -> bool:
    if "?" not in part:
        return text.startswith(part, at)
    return len(text) >= at + len(part) and all(wanted in ("?", text[place]) for place, wanted in enumerate(part, at))


_LOOKS: dict[Test, Callable[[str, str], bool]] = {
    "contains": lambda text, wanted: wanted in text,
    "is": lambda text, wanted: text.strip() == wanted,
    "starts": lambda text, wanted: text.startswith(wanted),
    "ends": lambda text, wanted: text.endswith(wanted),
    "matches": _matches,
}
