"""waitress with what it lacks for us: our own end of a connection, problem documents, a stop that finishes work."""

from __future__ import annotations

import copy
import functools
import json
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

from onifast_shared.config import Settings
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import create_server
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import RequestEntityTooLarge

from onifast_web.forwarded import LOCAL_ADDRESS, Application
from onifast_web.large_bodies import LargeBodies
from onifast_web.problems import MEDIA_TYPE

# Requests in progress at SIGTERM get this long; supervisord and systemd kill later than that.
STOP_SECONDS = 25.0
CONNECTION_LIMIT = 500
SMALL_BODY = 1024 * 1024
BUSY_SECONDS = 10  # after which to ask again, where there was no room


def largest_body(max_message_size: int) -> int:
    """The largest request body: a message's attachments in base64, its text, and room for the rest."""
    return max_message_size * 3 // 2 + SMALL_BODY


class _NoRoom(RequestEntityTooLarge):  # type: ignore[misc]
    code = 503
    reason = "Service Unavailable"


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    """Refuses a large body before it is received, but where mail is sent by somebody who says who he is."""

    adj: Any
    error: Any

    def __init__(self, large: LargeBodies, adj: Any) -> None:
        super().__init__(adj)
        self._large = large
        self._no_room = False

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if not self._may_be_large():
            self.adj = copy.copy(self.adj)
            self.adj.max_request_body_size = min(SMALL_BODY, self.adj.max_request_body_size)

    def _may_be_large(self) -> bool:
        is_large = self.chunked or SMALL_BODY <= self.content_length < self.adj.max_request_body_size
        if not is_large or not self._large.may_come(self.path, self.headers):
            return False
        self._no_room = not self._large.take(self)
        return not self._no_room

    def received(self, data: bytes) -> int:
        consumed: int = super().received(data)
        if self._no_room and isinstance(self.error, RequestEntityTooLarge):
            self.error = _NoRoom("too many large requests at once")
        if self.error is not None:
            self.expect_continue = False  # waitress would ask for the body that it refuses
        return consumed

    def close(self) -> None:
        super().close()
        self._large.let_go(self)


class _Task(WSGITask):  # type: ignore[misc]
    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        environ[LOCAL_ADDRESS] = self.channel.local_address
        return environ


class _ErrorTask(ErrorTask):  # type: ignore[misc]
    """An error that waitress itself finds (bad syntax, a body that is too large), as RFC 9457 wants it."""

    def execute(self) -> None:
        error = self.request.error
        document = {"type": "about:blank", "title": error.reason, "status": error.code}
        body = json.dumps(document).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.extend([("Content-Type", MEDIA_TYPE), ("Cache-Control", "no-store")])
        if isinstance(error, _NoRoom):
            self.response_headers.append(("Retry-After", str(BUSY_SECONDS)))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):  # type: ignore[misc]
    task_class = _Task
    error_task_class = _ErrorTask

    def __init__(
        self, server: Any, sock: socket.socket, addr: Any, adj: Any, map: Any = None, *, large: LargeBodies
    ) -> None:
        self.local_address = sock.getsockname()
        self.parser_class = functools.partial(_Parser, large)
        super().__init__(server, sock, addr, adj, map)

    @property
    def is_working(self) -> bool:
        """Whether a request is being answered, or its answer is still being sent."""
        return bool(self.requests or self.total_outbufs_len)


class Server:
    """Serves `app` on listening sockets until `stop` is called, from a signal handler or another thread."""

    def __init__(
        self,
        app: Application,
        listeners: list[socket.socket],
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._map: dict[int, Any] = {}
        self._clock = clock
        self._stopping = False
        self._server = create_server(
            app,
            map=self._map,
            sockets=listeners,
            threads=settings.http_threads,
            ident=None,
            connection_limit=CONNECTION_LIMIT,
            max_request_body_size=largest_body(settings.max_message_size),
            inbuf_overflow=512 * 1024,
            channel_timeout=60,
            clear_untrusted_proxy_headers=False,  # forwarded.py judges them
        )
        self._listeners = [item for item in self._map.values() if hasattr(item, "channel_class")]
        large = LargeBodies(settings.url_prefix)
        for listener in self._listeners:
            listener.channel_class = functools.partial(_Channel, large=large)

    def run(self) -> None:
        """Returns once `stop` was called and the requests that were in progress have been answered."""
        while not self._stopping:
            wasyncore.loop(timeout=1.0, map=self._map, count=1, use_poll=True)
        for listener in self._listeners:
            listener.accepting = False
            listener.socket.close()
            listener.del_channel()
        self._finish()
        self._server.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self._map)

    def stop(self) -> None:
        """Asks `run` to end. Safe in a signal handler, and when it has ended already."""
        if self._stopping:
            return
        self._stopping = True
        self._listeners[0].pull_trigger()

    def stop_on(self, *signals: signal.Signals) -> None:
        """Makes these signals call `stop`."""
        for number in signals:
            signal.signal(number, lambda *_: self.stop())

    def _finish(self) -> None:
        deadline = self._clock() + STOP_SECONDS
        while self._clock() < deadline and any(self._working()):
            wasyncore.loop(timeout=0.2, map=self._map, count=1, use_poll=True)

    def _working(self) -> list[bool]:
        return [item.is_working for item in list(self._map.values()) if isinstance(item, _Channel)]
