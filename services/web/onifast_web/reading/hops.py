"""A message's way from server to server, by its Received fields (RFC 5321 section 4.4), in words."""

from __future__ import annotations

import email.utils
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from onifast_web.languages.texts import _, ngettext

MOST = 50
"""Fields that are looked at: more of them are a loop."""

_MOST_FIELD = 2000  # characters
_FROM = re.compile(r"from\s+([^\s;]{1,255})(.*?)(?=\sby\s|$)", re.IGNORECASE | re.DOTALL)
_BY = re.compile(r"\bby\s+([^\s;()]{1,255})", re.IGNORECASE)
_WITH = re.compile(r"\bwith\s+([A-Za-z0-9]{2,20})", re.IGNORECASE)
_ADDRESS = re.compile(
    r"\[(?:IPv6:)?([0-9a-f.:]{3,45})\]|\((?:\S{1,255}\s)?([0-9]{1,3}(?:\.[0-9]{1,3}){3})\)", re.IGNORECASE
)
_VERSION = re.compile(r"\bTLS ?v?1(?:[._]([0-3]))?\b", re.IGNORECASE)
_OVER_TLS = re.compile(r"(?:UTF8)?(?:E?SMTP|LMTP)SA?", re.IGNORECASE)
_IN_CLEAR = re.compile(r"(?:UTF8)?(?:E?SMTP|LMTP)A?", re.IGNORECASE)


@dataclass(frozen=True)
class TraceHop:
    """A server that took the message: from whom, when, and how it was protected on the way there.

    `sender` and `address` are "" where nothing is said of them; `delay` is in seconds after the hop before, None where
    one of both times is not known, and negative where clocks differ. What is not `ours` is what others wrote.
    """

    server: str
    sender: str
    address: str
    protection: str
    at: datetime | None
    delay: int | None
    ours: bool

    @property
    def sentence(self) -> str:
        """What happened there."""
        if not self.sender:
            return _("%(server)s took it in.", server=self.server)
        who = f"{self.sender} ({self.address})" if self.address and self.address not in self.sender else self.sender
        known = {"who": who, "server": self.server, "protection": self.protection}
        if self.protection:
            return _("%(who)s gave it to %(server)s, %(protection)s.", **known)
        return _("%(who)s gave it to %(server)s.", **known)

    @property
    def delay_words(self) -> str:
        """How long it took, "" where that is not known."""
        if self.delay is None:
            return ""
        if self.delay < 0:
            return _("before that, by its clock")
        return _later(self.delay) if self.delay else _("at once")


def of(received: Sequence[str], hostname: str) -> list[TraceHop]:
    """The way of a message with these Received fields, in their order, which is the latest first; the first hop first.

    Ours are those on top that name our host as the taker: below them stands what others said.
    """
    found: list[TraceHop] = []
    ours = True
    rows = [_read(each[:_MOST_FIELD]) for each in received[:MOST]]
    for place, (server, sender, address, protection, at) in enumerate(rows):
        ours = ours and server.lower() == hostname.lower()
        before = next((row[4] for row in rows[place + 1 :] if row[4]), None)
        delay = round((at - before).total_seconds()) if at and before else None
        found.append(TraceHop(server or _("A server"), sender, address, protection, at, delay, ours))
    return found[::-1]


def _read(field: str) -> tuple[str, str, str, str, datetime | None]:
    text, _sep, date = field.rpartition(";")
    if not text:
        text, date = field, ""
    source = _FROM.match(text.strip())
    rest = text[source.end() :] if source else text
    by, protocol = _BY.search(rest), _WITH.search(rest)
    sender, more = (source[1], source[2]) if source else ("", "")
    address = _ADDRESS.search(f"{sender} {more}")
    return (
        by[1] if by else "",
        sender.strip("[]"),
        (address[1] or address[2]) if address else "",
        _protection(protocol[1] if protocol else "", text),
        _date(date),
    )


def _protection(protocol: str, text: str) -> str:
    if version := _VERSION.search(text):
        return _("protected by TLS %(version)s", version=f"1.{version[1] or 0}")
    if _OVER_TLS.fullmatch(protocol) and not _IN_CLEAR.fullmatch(protocol):
        return _("protected by TLS")
    return _("not encrypted") if _IN_CLEAR.fullmatch(protocol) else ""


def _date(text: str) -> datetime | None:
    try:
        found = email.utils.parsedate_to_datetime(text.strip()[:100])
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _later(seconds: int) -> str:
    if seconds < 60:
        return ngettext("%(n)s second later", "%(n)s seconds later", seconds)
    days, hours, minutes = (round(seconds / size) for size in (86400, 3600, 60))
    if seconds >= 86400:
        return ngettext("%(n)s day later", "%(n)s days later", days)
    if seconds >= 3600:
        return ngettext("%(n)s hour later", "%(n)s hours later", hours)
    return ngettext("%(n)s minute later", "%(n)s minutes later", minutes)
