"""The From field of a submitted message (RFC 5322 section 3.6.2): one field, of mailboxes, without which nothing is
signed; what it lacks comes from the envelope."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from onifast_shared.message.compose import mailbox
from onifast_shared.message.headers import decode_words, fold, unfold
from onifast_shared.message.parameters import unquote
from onifast_shared.message.sections import HeaderField, HeaderSection
from onifast_shared.values.address import Address, AddressError, split_list

MAX_FROM = 64 * 1024
"""Octets of From fields that are taken apart."""

_REMEMBERED = 1000  # octets of a field that is, since the next message has the same one
# What holds no colon of a group: quoted strings, what is in brackets, comments.
_ENCLOSED = re.compile(
    r'"(?:[^"\\]|\\.)*"?|<(?:"(?:[^"\\]|\\.)*"?|[^<>"])*>?|\[[^\[\]]*\]?|\((?:[^()\\]|\\.)*\)?', re.DOTALL
)
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]+")


class FromError(ValueError):
    """A message's From cannot be completed; the text says why, in words fit for an SMTP reply."""


@dataclass(frozen=True)
class _From:
    """What one From field says: its mailboxes, and the words of entries that hold no address.

    `name` is all that could be the author's name. `is_good` if it may go out as it stands.
    """

    mailboxes: tuple[tuple[str, Address], ...]
    name: str
    is_good: bool
    has_bad_address: bool


def complete_from(head: HeaderSection, sender: Address) -> HeaderSection:
    """The header section with one From field at the most, which has an address: that of its author, or else `sender`.

    What stands there without an address is the author's name. Raises FromError where it is not clear who that is.
    """
    values = head.values("from")
    if sum(map(len, values)) > MAX_FROM:
        raise FromError("message has a From header that is too long")
    found = [(_read_again if len(value) <= _REMEMBERED else _read)(value) for value in values]
    if not found or (len(found) == 1 and found[0].is_good):
        return head
    kept = _author(found)
    if found[kept].is_good:
        return _with_one(head, kept, None)
    entries = found[kept].mailboxes or ((found[kept].name, sender),)
    return _with_one(head, kept, fold("From", ", ".join(mailbox(name, address) for name, address in entries)))


def _author(found: Sequence[_From]) -> int:
    """Which of the fields names the author: all that have addresses must say the same."""
    if any(each.has_bad_address for each in found):
        raise FromError("message has a From header without a valid address")
    named = [place for place, each in enumerate(found) if each.mailboxes]
    if len({tuple(address.key for _, address in found[place].mailboxes) for place in named}) > 1:
        raise FromError("message has more than one From header (RFC 5322 section 3.6)")
    return named[0] if named else 0


def _with_one(head: HeaderSection, kept: int, new: bytes | None) -> HeaderSection:
    """The header section with that From field alone, or with a new one in its place."""
    place = -1

    def change(field: HeaderField) -> bytes | None:
        nonlocal place
        if field.key != "from":
            return None
        place += 1
        return new if place == kept else b""

    return head.changed(change)


def _read(value: bytes) -> _From:
    written_so = unfold(value)
    text = _CONTROLS.sub(" ", written_so)
    entries = [(_decoded(name), written, _address(written)) for name, written in split_list(text)]
    mailboxes = [(name, address) for name, _, address in entries if address]
    has_words = len(mailboxes) < len(entries)
    is_bad = any("@" in written for _, written, address in entries if not address)
    group, colon, _ = _ENCLOSED.sub("", text).partition(":")
    is_good = bool(mailboxes) and not has_words and not colon and text == written_so
    # `From: Miller, Ann <ann@example.org>`: the comma should have been quoted.
    names = [name or ("" if address else _decoded(unquote(written))) for name, written, address in entries]
    name = ("" if colon and not mailboxes else ", ".join(filter(None, names))) or _decoded(text)
    if colon and len(mailboxes) == 1:
        # A group of one is called as the group is; without its end the colon belongs to a name.
        name = name if ";" in text and any(names) else f"{_decoded(group)}{'' if ';' in text else ': ' + name}"
    if len(mailboxes) == 1:
        mailboxes, has_words = [(name if colon or any(names) else "", mailboxes[0][1])], False
    return _From(tuple(mailboxes), name, is_good, is_bad or (has_words and bool(mailboxes)))


_read_again = lru_cache(maxsize=1024)(_read)


def _decoded(name: str) -> str:
    return _CONTROLS.sub(" ", decode_words(name)).strip(" <>:;\t")


def _address(text: str) -> Address | None:
    try:
        return Address.parse(text)
    except AddressError:
        return None
