"""SMTP replies, and the outcomes of a delivery, each of which carries the reply that decided it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

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
        object.__setattr__(self, "text", _UNPRINTABLE.sub(" ", self.text))

    @classmethod
    def parse(cls, lines: Iterable[str]) -> Reply:
        """The reply that a server sent as these lines (RFC 5321 section 4.2.1); raises ReplyError.

        An enhanced status code counts only if its class is the reply's (RFC 2034 section 4).
        """
        code, texts, enhanced = 0, [], ""
        for line in lines:
            match = _LINE.fullmatch(line.rstrip("\r\n"))
            if not match or code not in (0, int(match[1])):
                raise ReplyError("malformed reply")
            code, text = int(match[1]), match[3]
            status = _ENHANCED.match(text)
            if status and status[1][0] == match[1][0] and enhanced in ("", status[1]):
                enhanced, text = status[1], text[status.end() :]
            texts.append(text)
        if not code:
            raise ReplyError("empty reply")
        return cls(code, enhanced, "\n".join(texts)[:_MAX_TEXT])

    def __str__(self) -> str:
        words = (str(self.code), self.enhanced, self.text.replace("\n", " "))
        return " ".join(word for word in words if word)

    def lines(self) -> list[str]:
        """The reply as it is sent, line by line, without line ends (RFC 5321 section 4.2.1)."""
        texts = self.text.split("\n")
        status = f"{self.enhanced} " if self.enhanced else ""
        marks = ["-"] * (len(texts) - 1) + [" "]
        return [f"{self.code}{mark}{status}{text}".rstrip() for mark, text in zip(marks, texts, strict=True)]

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


@dataclass(frozen=True)
class Delivered:
    """The next hop took responsibility. `host` is who answered ("" for a local mailbox), `tls` how it was reached."""

    reply: Reply
    host: str = ""
    tls: str = ""


@dataclass(frozen=True)
class Deferred:
    """Not now: try again later, until the queue's lifetime ends."""

    reply: Reply
    host: str = ""
    tls: str = ""


@dataclass(frozen=True)
class Failed:
    """Never: the sender is to be told."""

    reply: Reply
    host: str = ""
    tls: str = ""


Outcome = Delivered | Deferred | Failed
