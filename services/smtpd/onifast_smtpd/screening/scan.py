"""What a junk filter is asked, and what it answers: values, and the reading of its answer within bounds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

MOST_ANSWERED = 1024 * 1024  # octets of an answer
SHOWN_RULES = 12


class ScanTrouble(Exception):
    """The filter's answer is none."""


@dataclass(frozen=True)
class Scan:
    """The filter's word. `action` is accept, junk, reject or later; `rules` are the ones that matched."""

    filter: str
    action: str
    score: float
    required: float
    rules: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As it is stored with the message."""
        return {
            "filter": self.filter,
            "action": self.action,
            "score": self.score,
            "required": self.required,
            "rules": list(self.rules),
        }


async def exchange(host: str, port: int, request: bytes) -> bytes:
    """Sends a request over a connection of its own, and gives all that comes back. Raises OSError, ScanTrouble."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        await writer.drain()
        answer = await _whole(reader)
    except BaseException:
        writer.transport.abort()  # what a filter that hangs has not read must not stay in memory
        raise
    writer.close()
    return answer


async def _whole(reader: asyncio.StreamReader) -> bytes:
    answer = b""
    while piece := await reader.read(65536):
        answer += piece
        if len(answer) > MOST_ANSWERED:
            raise ScanTrouble("answer is too long")
    return answer
