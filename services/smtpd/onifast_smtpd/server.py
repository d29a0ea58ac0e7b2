"""The server: listening sockets of the three services, and the end of all sessions."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from functools import partial

from onifast_shared import sockets
from onifast_shared.config import ConfigError, Settings

from onifast_smtpd.client import Service
from onifast_smtpd.receiver import Receiver, Running
from onifast_smtpd.session import Session

BACKLOG = 1024

Listeners = Mapping[Service, Sequence[socket.socket]]


def open_listeners(settings: Settings) -> Listeners:
    """The sockets of each service: systemd's of that name where it gave any, else what the settings say.

    Raises BindError, and ConfigError where nothing is to be served.
    """
    inherited = sockets.inherited()
    if inherited:
        return {service: inherited.get(service.value, []) for service in Service}
    if not any((settings.smtp_listen, settings.submission_listen, settings.submissions_listen)):
        raise ConfigError("settings smtp_listen, submission_listen and submissions_listen are all empty")
    return {
        Service.MX: sockets.bind_all(settings.smtp_listen, "smtp_listen"),
        Service.SUBMISSION: sockets.bind_all(settings.submission_listen, "submission_listen"),
        Service.SUBMISSIONS: sockets.bind_all(settings.submissions_listen, "submissions_listen"),
    }


def addresses(listeners: Listeners) -> dict[str, str]:
    """Where each service listens, for the start line."""
    return {service.value: ",".join(map(_address, listening)) for service, listening in listeners.items() if listening}


class Server:
    """Accepts connections on listening sockets, each for one service."""

    def __init__(self, receiver: Receiver, listeners: Listeners) -> None:
        self._receiver = receiver
        self._listeners = listeners
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        """Begins to accept connections."""
        loop = asyncio.get_running_loop()
        for service, listening in self._listeners.items():
            for sock in listening:
                server = await loop.create_server(
                    partial(Session, self._receiver, service, loop), sock=sock, backlog=BACKLOG
                )
                self._servers.append(server)

    async def stop(self, grace: float) -> None:
        """Accepts no more; sessions that hold a message have `grace` seconds to end by themselves."""
        for server in self._servers:
            server.close()
        running = set(self._receiver.sessions)
        for session in running:
            session.stop()
        if running:
            await self._end(running, grace)
        await self._receiver.notebook.settled()

    async def _end(self, running: set[Running], grace: float) -> None:
        _, late = await asyncio.wait([session.ended for session in running], timeout=grace)
        if late:
            for session in self._receiver.sessions:
                session.abort()
            await asyncio.wait(late, timeout=1.0)


def _address(sock: socket.socket) -> str:
    name = sock.getsockname()
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{host}:{name[1]}"
