"""A listening socket of waitress that takes in connections when serve.py says so, and keeps no limit of its own."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any

from waitress.server import BaseWSGIServer, TcpWSGIServer, UnixWSGIServer

from onifast_web.serving.answers import BUSY_SECONDS
from onifast_web.serving.channel import Channel, Front

# What accept(2) says where the machine or this process has no more to give.
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_REFUSAL = (
    "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nConnection: close\r\n"
    f"Cache-Control: no-store\r\nRetry-After: {BUSY_SECONDS}\r\n\r\n"
).encode()


class Shortage(Exception):
    """There is no descriptor, or no memory, for another connection."""


class Listener(BaseWSGIServer):  # type: ignore[misc]
    """What both kinds of listening sockets have in common."""

    channel_class = Channel
    front: Front
    socket: Any
    is_ready = False
    """Whether connections wait to be taken in."""
    paused_until = 0.0

    def readable(self) -> bool:
        """Whether to look for connections. Waitress's own would count and close them."""
        return bool(self.accepting) and self.front.clock() >= self.paused_until

    def handle_accept(self) -> None:
        """Notes that connections wait; `take_in` takes them."""
        # Not here: a descriptor that was closed and opened anew would get the events of its predecessor.
        self.is_ready = True

    def pause(self, seconds: float) -> None:
        """Leaves connections in the kernel's queue for a while."""
        self.paused_until = self.front.clock() + seconds

    def take_in(self, is_welcome: Callable[[Channel], bool]) -> Channel | None:
        """The next connection; None if there is no more. Raises Shortage.

        One that is not welcome gets 429 and is closed.
        """
        try:
            connection, address = self.socket.accept()
        except OSError as error:
            if error.errno in _SHORTAGES:
                raise Shortage(error.strerror) from None
            return None  # none waits, or it has gone again
        try:
            self.set_socket_options(connection)
            channel = Channel(self, connection, address, self.adj, map=self._map)
        except OSError:
            connection.close()
            return None
        if not is_welcome(channel):
            _refuse(channel)
        return channel


class TcpListener(Listener, TcpWSGIServer):  # type: ignore[misc]
    """On a TCP port."""


class UnixListener(Listener, UnixWSGIServer):  # type: ignore[misc]
    """On a Unix socket."""


def kind_of(listening: socket.socket) -> type[Listener]:
    """The class for a listening socket."""
    return UnixListener if listening.family == socket.AF_UNIX else TcpListener


def _refuse(channel: Channel) -> None:
    channel.send(_REFUSAL)
    channel.handle_close()
