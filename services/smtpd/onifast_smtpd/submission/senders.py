"""Senders that mean nothing elsewhere, without a domain or at localhost: what they become, in envelope and header."""

from __future__ import annotations

import re
from functools import lru_cache

from onifast_shared.message.sections import HeaderField, HeaderSection
from onifast_shared.values.address import Address, AddressError

from onifast_smtpd.policy import is_localhost
from onifast_smtpd.protocol.command import Bare, Path

FALLBACK_LOCAL = "webmaster"

SENDER_FIELDS = frozenset(("from", "sender"))
MAX_FIELDS = 4
MAX_VALUE = 8192  # characters; what is longer is no sender, and would take the pattern long
REMEMBERED = 1000  # characters of a value that is, since the next message of the same program has the same one

# Quoted strings and comments go first, so that brackets inside them are left alone. One that is never closed runs to
# the end, so no text is read twice.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|\((?:[^()\\]|\\.)*\)?|<([^<>"]*)>', re.DOTALL)
_LONE = re.compile(r"(\s*)([^\s@<>(),:;\"]+(?:@localhost(?:\.localdomain)?\.?)?)(\s*(?:\(.*\)\s*)?)", re.DOTALL | re.I)


class Rewriter:
    """Rewrites the senders of one transaction.

    `primary` is the address of the user behind it, so that bounces reach them and DMARC aligns; where there is none,
    a role name that this host accepts keeps its name, and every other becomes the webmaster of `hostname`.
    """

    def __init__(self, primary: Address | None, roles: frozenset[str], hostname: str) -> None:
        self._primary = primary
        self._roles = roles
        self._hostname = hostname

    def envelope(self, path: Path) -> Address | None:
        """The envelope sender to use for `path`."""
        if isinstance(path, Bare) or (path is not None and is_localhost(path)):
            return self.replacement(path.local)
        return path

    def replacement(self, local: str) -> Address:
        """The address that stands in for a local part."""
        if self._primary is not None:
            return self._primary
        role = local.lower()
        return Address(role if role in self._roles else FALLBACK_LOCAL, self._hostname)

    def header(self, head: HeaderSection) -> HeaderSection:
        """A message's header with its From and Sender fields rewritten where that is needed; display names stay."""
        found = [field for field in head.fields if field.key in SENDER_FIELDS][:MAX_FIELDS]
        changed = {id(field): new for field in found if (new := self._field(field)) is not None}
        return head.changed(lambda field: changed.get(id(field))) if changed else head

    def _field(self, field: HeaderField) -> bytes | None:
        if len(field.value) > MAX_VALUE:
            return None
        # Latin-1 maps every octet to a character and back, whatever charset a script wrote.
        value = field.value.decode("latin-1")
        rewritten = (_rewritten_again if len(value) <= REMEMBERED else _rewritten)(self, value)
        if rewritten == value:
            return None
        begin = field.octets.index(b":") + 1
        return field.octets[:begin] + _to_header(rewritten) + field.octets[begin + len(value) :]

    def value(self, value: str) -> str:
        """A field's value with its senders rewritten."""
        if lone := _LONE.fullmatch(value):
            # A word that is no account's name is the author's, and gets the envelope's address.
            is_name = "@" not in lone[2] and lone[2].lower() not in self._roles
            return value if is_name else f"{lone[1]}{self._mailbox(lone[2])}{lone[3]}"
        return _TOKEN.sub(self._bracketed, value)

    def _bracketed(self, match: re.Match[str]) -> str:
        return match[0] if match[1] is None else f"<{self._mailbox(match[1].strip())}>"

    def _mailbox(self, text: str) -> str:
        if not text:
            return text
        try:
            address = Address.parse(text.removesuffix(".") if "@" in text else f"{text}@localhost")
        except AddressError:
            return text
        return str(self.replacement(address.local)) if is_localhost(address) else text


def _rewritten(rewriter: Rewriter, value: str) -> str:
    return rewriter.value(value)


_rewritten_again = lru_cache(maxsize=1024)(_rewritten)


def _to_header(value: str) -> bytes:
    """Back to octets; what is beyond Latin-1 can only come from an internationalised address of ours: UTF-8."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8")
