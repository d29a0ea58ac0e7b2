"""CHUNKING: a message that comes in counted pieces, with no end to be searched for (RFC 3030)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from onifast_shared.values.reply import Reply

from onifast_smtpd.clients.limits import Share
from onifast_smtpd.protocol import replies
from onifast_smtpd.protocol.replies import refused

_CHUNK = re.compile(r"([0-9]{1,20})(?:[ ]+(LAST))?", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Chunk:
    """The argument of BDAT: how many octets follow, and whether the message ends with them."""

    size: int
    last: bool


def parse_chunk(argument: str) -> Chunk:
    """Takes BDAT's argument apart; raises Refused."""
    match = _CHUNK.fullmatch(argument)
    if not match:
        raise refused(501, "5.5.4", "syntax: BDAT octets [LAST]")
    return Chunk(int(match[1]), bool(match[2]))


class Chunks:
    """The pieces of one message so far. It holds no more than `limit` octets, and no more than its share allows.

    `began` is when the first one was announced, on the event loop's clock; `close` gives the share back.
    """

    def __init__(self, limit: int, share: Share, began: float) -> None:
        self._buffer = bytearray()
        self._limit = limit
        self._share = share
        self._refusal: Reply | None = None
        self.began = began
        self.size = 0

    @property
    def refusal(self) -> Reply | None:
        """Why the message cannot be taken, if so."""
        return self._refusal

    def add(self, octets: bytes) -> None:
        """Takes octets; forgets all of them once the message cannot be taken."""
        self.size += len(octets)
        if self._refusal is not None:
            return
        if self.size > self._limit:
            self._drop(replies.TOO_LARGE)
        elif not self._share.hold(self.size):
            self._drop(replies.STORAGE_FULL)
        else:
            self._buffer += octets

    def message(self) -> bytes:
        """The message; to be called once, after its last chunk."""
        message, self._buffer = bytes(self._buffer), bytearray()
        return message

    def close(self) -> None:
        """Forgets the message."""
        self._buffer = bytearray()
        self._share.hold(0)

    def _drop(self, refusal: Reply) -> None:
        self._refusal = refusal
        self.close()
