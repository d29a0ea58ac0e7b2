"""Which Unix user is behind a loopback connection."""

from __future__ import annotations

import asyncio
import pwd
from dataclasses import replace
from typing import Any

from onifast_shared.sockets import socket_owner

from onifast_smtpd.client import Client


async def with_unix_user(client: Client, local: Any) -> Client:
    """The client with the name of the user whose socket it is, where the kernel can tell; `local` is our address."""
    if not client.is_loopback or not client.ip.is_loopback or not local:
        return client
    name = await asyncio.to_thread(_owner_name, (local[0], local[1]), (client.address, client.port))
    return replace(client, unix_user=name)


def _owner_name(local: tuple[str, int], peer: tuple[str, int]) -> str | None:
    try:
        uid = socket_owner(local, peer)
    except OSError:  # /proc is hidden from us
        return None
    if uid is None:
        return None
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
