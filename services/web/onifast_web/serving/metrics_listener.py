"""Tells monitoring programs the numbers of all programs, on sockets of its own, apart from what people see.

One thread for each process, which sleeps in accept(); one answer at a time, and none that is older than a moment.
"""

from __future__ import annotations

import contextlib
import http.server
import selectors
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from http import HTTPStatus

from onifast_shared.db.database import Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.machine.config import Settings
from onifast_shared.metrics import exposition

KEPT_SECONDS = 1.0
"""How long an answer holds, so that those who ask often cost no more than one does."""

PATIENCE = 5.0
"""Seconds that a client has to ask, and to take the answer: others wait meanwhile."""

PATH = "/metrics"


@contextlib.contextmanager
def telling(sockets: Sequence[socket.socket], settings: Settings, database: Database) -> Iterator[None]:
    """Answers on listening sockets until the context is left; several processes may share them."""
    if not sockets:
        yield
        return
    ours, ending = socket.socketpair()
    answers = MetricsAnswers(settings, database)
    thread = threading.Thread(target=_serve, args=(sockets, ours, answers), name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.close()
        thread.join(2 * PATIENCE)
        ours.close()


class MetricsAnswers:
    """The numbers as they were found lately; for one thread."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._text = b""
        self._made_at = float("-inf")

    def text(self) -> bytes:
        """The page. Raises DatabaseError."""
        if time.monotonic() - self._made_at > KEPT_SECONDS:
            self._text = exposition.page(self._settings, self._database).encode()
            self._made_at = time.monotonic()
        return self._text


def _serve(sockets: Sequence[socket.socket], ending: socket.socket, answers: MetricsAnswers) -> None:
    with selectors.DefaultSelector() as selector:
        for each in (*sockets, ending):
            selector.register(each, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if ending in ready:
                return
            for listening in ready:
                assert isinstance(listening, socket.socket)  # noqa: S101
                with contextlib.suppress(OSError):  # another process took it in, or the client has gone
                    _answer(listening.accept()[0], answers)


def _answer(connection: socket.socket, answers: MetricsAnswers) -> None:
    class Asked(_MetricsRequest):
        found = answers

    with connection:
        Asked(connection, ("", 0), None)  # type: ignore[arg-type]  # it has no server, and asks for none


class _MetricsRequest(http.server.BaseHTTPRequestHandler):
    found: MetricsAnswers
    timeout = PATIENCE
    server_version = "onifast-mail"
    sys_version = ""

    def do_GET(self) -> None:
        """The page."""
        if self.path.partition("?")[0] != PATH:
            self._say(HTTPStatus.NOT_FOUND, f"The numbers are at {PATH}.\n".encode())
            return
        try:
            self._say(HTTPStatus.OK, self.found.text(), exposition.CONTENT_TYPE)
        except DatabaseError as error:
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, f"{error}\n".encode())

    def _say(self, status: HTTPStatus, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a scrape is no event."""
