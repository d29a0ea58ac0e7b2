"""The server: listening sockets of the three services, and the end of all sessions."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Mapping, Sequence
from functools import partial

from onifast_shared.machine import sockets
from onifast_shared.machine.config import ConfigError, Settings

from onifast_smtpd.clients.client import Service
from onifast_smtpd.receiver import Receiver
from onifast_smtpd.sessions.commands import SmtpCommands

BACKLOG = 1024
PARTING = 1.0  # seconds that a client has to take its last reply and hang up

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


def close_listeners(listeners: Listeners) -> None:
    """Frees the ports, for whoever comes after this process: its children may have sessions to finish."""
    for listening in listeners.values():
        for sock in listening:
            sock.close()


class SmtpServer:
    """Accepts connections on listening sockets, each for one service."""

    def __init__(self, receiver: Receiver, listeners: Listeners) -> None:
        self.receiver = receiver
        self._earlier: list[Receiver] = []
        self._retiring: set[asyncio.Task[None]] = set()
        self._listeners = listeners
        self._servers: list[asyncio.Server] = []
        self._protocols: dict[Service, SmtpCommands] = {}

    async def start(self) -> None:
        """Begins to accept connections."""
        loop = asyncio.get_running_loop()
        self._protocols = _protocols(self.receiver)
        self.receiver.admission.open()
        for service, listening in self._listeners.items():
            for sock in listening:
                server = await loop.create_server(partial(self._protocol, service), sock=sock, backlog=BACKLOG)
                self._servers.append(server)

    def _protocol(self, service: Service) -> SmtpCommands:
        return self._protocols[service].fresh()

    def renew(self, receiver: Receiver) -> None:
        """Sessions that begin from now on are another receiver's; the one before closes after its last session."""
        self._earlier.append(self.receiver)
        task = asyncio.create_task(self._retire(self.receiver))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)
        self.receiver, self._protocols = receiver, _protocols(receiver)

    async def _retire(self, receiver: Receiver) -> None:
        while receiver.sessions:
            await asyncio.wait([session.ended for session in receiver.sessions])
        await receiver.deferred_writes.settled()
        self._earlier = [other for other in self._earlier if other is not receiver]
        receiver.close()

    async def stop(self, grace: float) -> None:
        """Accepts no more; sessions that hold a message have `grace` seconds to end by themselves.

        Each hears 421 (RFC 5321 section 3.8), however it ends. The receiver is left to whoever made it.
        """
        for server in self._servers:
            server.close()
        await asyncio.gather(*(_end_sessions(one, grace) for one in [self.receiver, *self._earlier]))
        await asyncio.gather(*self._retiring)
        self.receiver.admission.close()


def _protocols(receiver: Receiver) -> dict[Service, SmtpCommands]:
    """What each service's connections are copies of."""
    loop = asyncio.get_running_loop()
    return {service: SmtpCommands(receiver, service, loop) for service in Service}


async def _end_sessions(receiver: Receiver, grace: float) -> None:
    receiver.is_stopping = True
    for session in list(receiver.sessions):
        session.stop()
    await _until_over(receiver, grace)
    for session in list(receiver.sessions):
        session.cut_short()
    await _until_over(receiver, PARTING)
    if receiver.open:
        await asyncio.wait([connection.closed for connection in receiver.open], timeout=PARTING)
    for connection in list(receiver.open):
        connection.abort()
    await _until_over(receiver, PARTING)
    await receiver.deferred_writes.settled()


async def _until_over(receiver: Receiver, seconds: float) -> None:
    """Waits until no session is left, new ones included, or until the time is up."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while receiver.sessions:
                await asyncio.wait([session.ended for session in receiver.sessions])


def _address(sock: socket.socket) -> str:
    name = sock.getsockname()
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{host}:{name[1]}"
