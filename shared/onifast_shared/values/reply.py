"""SMTP replies, and the outcomes of a delivery, each of which carries the reply that decided it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from onifast_shared.values.lazy import lazy

_LINE = re.compile(r"([2-5][0-9]{2})([ -]|$)(.*)", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:[ \t]+|$)")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_MAX_TEXT = 4096  # characters kept of what a remote server says


class ReplyError(ValueError):
    """What a server sent is no SMTP reply."""


@dataclass(frozen=True)
class Reply:
    """A reply: its code, its enhanced status code (RFC 3463; "" if there is none), and its text.

    The text may have several lines, divided by "\\n"; other control characters in it become spaces, so that a reply can
    go to a client or a log as it is.
    """

    code: int
    enhanced: str
    text: str

    def __post_init__(self) -> None:
        if not 200 <= self.code <= 599:
            raise ReplyError(f"not an SMTP reply code: {self.code}")
        if self.enhanced and not _ENHANCED.fullmatch(self.enhanced):
            raise ReplyError("not an enhanced status code")
        if not self.text.isprintable():
            object.__setattr__(self, "text", _UNPRINTABLE.sub(" ", self.text))

    @classmethod
    def parse(cls, lines: Iterable[str]) -> Reply:
        """The reply that a server sent as these lines (RFC 5321 section 4.2.1); raises ReplyError.

        Where the lines' codes differ, or some have none, the last line's decides, which must have one, and the words
        of all are kept. An enhanced status code counts only if its class is the reply's (RFC 2034 section 4).
        """
        found = [(_LINE.fullmatch(line), line) for line in (each.rstrip("\r\n") for each in lines)]
        if not found:
            raise ReplyError("empty reply")
        last = found[-1][0]
        if last is None:
            raise ReplyError("malformed reply")
        enhanced, texts = "", []
        for match, line in found:
            text = match[3] if match else line
            status = _ENHANCED.match(text) if match else None
            if status and status[1][0] == last[1][0] and enhanced in ("", status[1]):
                enhanced, text = status[1], text[status.end() :]
            texts.append(text)
        return cls(int(last[1]), enhanced, "\n".join(texts)[:_MAX_TEXT])

    def __str__(self) -> str:
        words = (str(self.code), self.enhanced, self.text.replace("\n", " "))
        return " ".join(word for word in words if word)

    def lines(self) -> list[str]:
        """The reply as it is sent, line by line, without line ends (RFC 5321 section 4.2.1)."""
        status = f"{self.enhanced} " if self.enhanced else ""
        if "\n" not in self.text:
            return [f"{self.code} {status}{self.text}".rstrip()]
        texts = self.text.split("\n")
        marks = ["-"] * (len(texts) - 1) + [" "]
        return [f"{self.code}{mark}{status}{text}".rstrip() for mark, text in zip(marks, texts, strict=True)]

    @lazy
    def octets(self) -> bytes:
        """The reply as it is sent, with its line ends; made once, since most replies are given often."""
        return "".join([f"{line}\r\n" for line in self.lines()]).encode("utf-8")

    @property
    def status(self) -> str:
        """The enhanced code, or the general one of its class where the server gave none (RFC 3463 section 3.1)."""
        return self.enhanced or f"{self.code // 100}.0.0"

    @property
    def is_positive(self) -> bool:
        """2yz or 3yz: the server goes along."""
        return self.code < 400

    @property
    def is_transient(self) -> bool:
        """4yz: worth trying again."""
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        """5yz: trying again would bring the same answer."""
        return self.code >= 500


STAGES = ("dns", "connect", "greeting", "ehlo", "tls", "login", "mail", "rcpt", "data", "body", "end")
"""The stages of a delivery, in order; `body` is the message on its way, `end` the wait for the last answer."""

TLS_LEVELS = ("none", "encrypted", "verified", "mta-sts", "dane", "requiretls")
"""How well a connection is protected: against who listens, or also against who claims to be the server, and by what."""


@dataclass(frozen=True)
class Trail:
    """Which server an attempt came to, how, and how long each stage took.

    `stages` are pairs of a name of STAGES and milliseconds, in order: the last one is where the attempt ended, and
    those before `mail` are missing where an open connection was used again. `tls` names version and cipher; `tls_level`
    is one of TLS_LEVELS, "" where no connection came about. `earlier` is what became of the servers that the attempt
    came to before this one.
    """

    host: str = ""
    address: str = ""
    port: int = 0
    tls: str = ""
    tls_level: str = ""
    stages: tuple[tuple[str, int], ...] = ()
    earlier: tuple[Outcome, ...] = ()

    def __str__(self) -> str:
        if not self.address or self.host == self.address:
            return self.host
        return f"{self.host}[{self.address}]:{self.port}"

    @property
    def milliseconds(self) -> int:
        """All stages together."""
        return sum(spent for _, spent in self.stages)


@dataclass(frozen=True)
class _WithReply:
    reply: Reply
    trail: Trail = Trail()

    @property
    def host(self) -> str:
        """Who answered, with address and port; "" for a mailbox here, or where nobody could be asked."""
        return str(self.trail)

    @property
    def tls(self) -> str:
        """TLS version and cipher, or ""."""
        return self.trail.tls

    def after(self, earlier: Iterable[Outcome]) -> Self:
        """The same, at the end of an attempt that came to other servers before."""
        before = tuple(earlier)
        return replace(self, trail=replace(self.trail, earlier=before)) if before or self.trail.earlier else self


@dataclass(frozen=True)
class Delivered(_WithReply):
    """The next hop took responsibility."""


@dataclass(frozen=True)
class Deferred(_WithReply):
    """Not now: try again later, until the queue's lifetime ends."""


@dataclass(frozen=True)
class Failed(_WithReply):
    """Never: the sender is to be told."""


Outcome = Delivered | Deferred | Failed
