"""Which Unix user is behind a loopback connection."""

from __future__ import annotations

import asyncio
import pwd
import time
from dataclasses import replace
from typing import Any

from onifast_shared.machine import sock_diag
from onifast_shared.machine.sockets import End, socket_owner, socket_owner_at_once

from onifast_smtpd.clients.client import Client, canonical_ip

NAMES_KEPT = 60.0  # seconds; a name service may be a network away, and users are seldom renamed


class Owners:
    """Finds the users of connections; one for a program."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._forget_at = 0.0
        self._finder = sock_diag.Finder()

    def close(self) -> None:
        """Asks nobody any more."""
        self._finder.close()

    async def find(self, client: Client, local: Any) -> Client:
        """The client with the name of the user whose socket it is, where the kernel can tell; `local` is our address.

        The kernel is asked right here and known names are kept, since a thread's hop costs more than the answer.
        A trusted client with our own address is no other machine, but a program of this one.
        """
        if not local:
            return client
        if client.is_trusted and canonical_ip(local[0]) == client.ip:
            client = replace(client, is_loopback=True)
        elif not client.is_loopback or not client.ip.is_loopback:
            return client
        uid = await self._uid((local[0], local[1]), (client.address, client.port))
        return client if uid is None else client.of_user(await self._name(uid))

    async def _uid(self, local: End, peer: End) -> int | None:
        try:
            return socket_owner_at_once(local, peer, self._finder.find)
        except OSError:  # a sandbox without netlink: /proc tells too, in milliseconds
            return await asyncio.to_thread(_uid_from_proc, local, peer)

    async def _name(self, uid: int) -> str:
        now = time.monotonic()
        if now >= self._forget_at:
            self._names.clear()
            self._forget_at = now + NAMES_KEPT
        if uid not in self._names:
            self._names[uid] = await asyncio.to_thread(_look_up, uid)
        return self._names[uid]


def _uid_from_proc(local: End, peer: End) -> int | None:
    try:
        return socket_owner(local, peer)
    except OSError:  # /proc is hidden from us
        return None


def _look_up(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
