"""The TLS handshake on a connection that is open already: before the first word on 465, after STARTTLS elsewhere."""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from typing import Any

SHUTDOWN_SECONDS = 2.0  # that a client has to say goodbye in TLS too; whoever is sent away might keep us waiting


class HandshakeFailed(Exception):
    """There is no TLS, and no connection any more; the text says why."""


async def shake_hands(
    transport: asyncio.Transport, protocol: asyncio.Protocol, context: ssl.SSLContext, read_already: bytes
) -> asyncio.Transport:
    """The transport that speaks TLS, as the server, for the same protocol; raises HandshakeFailed.

    What was read before is the beginning of what the client sends in it.
    """
    loop = asyncio.get_running_loop()
    upgrade = loop.create_task(
        loop.start_tls(transport, protocol, context, server_side=True, ssl_shutdown_timeout=SHUTDOWN_SECONDS)
    )
    if read_already:
        # The task's first step comes before the outer call, so the inner one comes just after TLS has begun to
        # listen, and before anything more is read. uvloop reads at once, however early reading is paused.
        loop.call_soon(loop.call_soon, partial(_hand_over, transport, protocol, read_already))
    try:
        upgraded = await upgrade
    except OSError as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else error
        raise HandshakeFailed(reason or "handshake failed") from error
    # After an abort in the middle of it asyncio gives no transport, and uvloop one without TLS.
    if upgraded is None or upgraded.get_extra_info("ssl_object") is None:
        raise HandshakeFailed("connection closed")
    return upgraded


def _hand_over(transport: asyncio.Transport, plain: asyncio.Protocol, octets: bytes) -> None:
    protocol: Any = transport.get_protocol()
    if protocol is None or protocol is plain:
        return  # the connection or the handshake is over already
    while octets:
        buffer = memoryview(protocol.get_buffer(len(octets)))
        size = min(len(octets), len(buffer))
        buffer[:size] = octets[:size]
        protocol.buffer_updated(size)
        octets = octets[size:]
