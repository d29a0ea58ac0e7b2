"""One question to a junk filter, over a connection of its own, within bounds."""

from __future__ import annotations

import asyncio

MOST_ANSWERED = 1024 * 1024  # octets of an answer
MOST_SCANNED = 4 * 1024 * 1024
"""Octets of a message that a filter is shown; larger ones are hardly ever junk, and take a filter long."""


class ScanTrouble(Exception):
    """The filter's answer is none."""


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
