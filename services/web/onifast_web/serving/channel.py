"""A connection of waitress with what it lacks for us: whose it is, how far it has come, and limits to each step.

These classes reach into waitress's own, which is why pyproject.toml holds its major version; tests/web/test_waitress.py
says what they count on.
"""

from __future__ import annotations

import copy
import hashlib
import re
import socket
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from onifast_shared.machine.rare_log import SeldomLog
from onifast_shared.machine.shared_counts import SharedCounter
from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.utilities import RequestEntityTooLarge

from onifast_web.access.cookie_names import SESSION
from onifast_web.http.forwarded import claimed_address
from onifast_web.http.peer import Peers, places
from onifast_web.serving.answers import SMALL_BODY, PageTask, RefusalTask, ShareIsFull, TooManyLarge
from onifast_web.serving.fair_queue import KnownCallers
from onifast_web.serving.large_bodies import LargeBodies
from onifast_web.serving.overload import Phase, Shares

SENT_KEPT = 256 * 1024
"""Octets that were sent already, from which on the buffer that they lie in is let go."""
_SESSION = re.compile(rf"(?:^|;)\s*{SESSION}=([^;]+)")


@dataclass
class Front:
    """What all connections share."""

    peers: Peers
    large: LargeBodies
    log: SeldomLog
    connections: Shares
    requests: Shares
    """Those that came through a proxy, by the client that it names."""
    open: SharedCounter
    """All connections."""
    clock: Callable[[], float] = time.monotonic
    stopping: bool = field(default=False)
    callers: KnownCallers = field(default_factory=KnownCallers)


class RequestParser(HTTPRequestParser):  # type: ignore[misc]
    """Refuses a request before its body is received: one too many of a client, or too large for who is unknown."""

    adj: Any
    error: Any
    places: tuple[str, ...] = ()
    """What the client of a proxy is counted by, while its request lasts."""

    def __init__(self, channel: Channel, adj: Any) -> None:
        super().__init__(adj)
        self._channel = channel
        self._front = channel.front
        self._large = channel.front.large  # at SIGHUP there will be another one
        self._refusal: RequestEntityTooLarge | None = None
        self._is_closed = False

    @property
    def client_places(self) -> tuple[str, ...]:
        """What the client is counted by, wherever it came through."""
        return self.places or self._channel.peer.places

    @property
    def octets_a_second(self) -> float:
        """How fast the body has come so far."""
        return float(self.body_bytes_received / max(1.0, self.seconds))

    @property
    def seconds(self) -> float:
        """How long the body has been coming."""
        return self._front.clock() - self._channel.since

    def give_way(self) -> None:
        """Hangs up, in favour of another request."""
        self._channel.handle_close()

    def parse_header(self, header_plus: bytes) -> None:
        """Also counts the request among its client's, and bounds its body."""
        super().parse_header(header_plus)
        self._count()
        if not self._refusal and not self._may_be_large():
            self._limit_body(SMALL_BODY)
        if self._refusal:
            self._limit_body(0)

    def _count(self) -> None:
        if not self._channel.peer.is_trusted_proxy:
            return
        claimed = places(claimed_address(self.headers.get("X_FORWARDED_FOR", "")))
        if self._front.requests.load(claimed) >= 1.0:
            self._refusal = ShareIsFull("too many requests of one client at once")
            return
        self.places = claimed
        self._front.requests.take(claimed)

    def _limit_body(self, size: int) -> None:
        self.adj = copy.copy(self.adj)
        self.adj.max_request_body_size = min(size, self.adj.max_request_body_size)

    def _may_be_large(self) -> bool:
        is_large = self.chunked or SMALL_BODY <= self.content_length < self.adj.max_request_body_size
        if not is_large or not self._large.may_come(self.path, self.headers):
            return False
        if not self._large.take(self):
            self._refusal = TooManyLarge("too many large requests at once")
        return self._refusal is None

    def received(self, data: bytes) -> int:
        """Takes what of `data` belongs to the request; how many octets that was."""
        consumed: int = super().received(data)
        if self._refusal is not None and self.headers_finished and not isinstance(self.error, type(self._refusal)):
            self.error = self._refusal
            self.completed = True
        if self.error is not None:
            self.expect_continue = False  # waitress would ask for the body that it refuses
        return consumed

    def close(self) -> None:
        """Gives back the request's place among its client's, once."""
        super().close()
        if self._is_closed:
            return
        self._is_closed = True
        self._large.let_go(self)
        self._front.requests.give(self.places)


class Channel(HTTPChannel):  # type: ignore[misc]
    """One connection. The main thread reads and judges it; the thread that answers writes to it."""

    task_class = PageTask
    error_task_class = RefusalTask

    since: float
    total_outbufs_len: int
    current_outbuf_count: int
    close_when_flushed: bool
    request: RequestParser | None
    requests: list[RequestParser]

    def __init__(self, server: Any, sock: socket.socket, addr: Any, adj: Any, map: Any = None) -> None:
        self.front: Front = server.front
        self.peer = self.front.peers.find(sock.getsockname(), addr)
        self.since = self.progressed = self.front.clock()
        self.octets = 0
        self._is_answering = False
        self._refuses = self._lingers = False
        self._is_counted = True
        self.front.connections.take(self.peer.places)
        self.front.open.add(1)
        super().__init__(server, sock, server.fix_addr(addr), adj, map)

    def parser_class(self, adj: Any) -> RequestParser:
        """Waitress calls it for each request."""
        return RequestParser(self, adj)

    @property
    def phase(self) -> Phase:
        """What it is at."""
        if self._lingers:
            return Phase.IDLE
        if self.total_outbufs_len or self.close_when_flushed:
            return Phase.ANSWER
        if self.requests:
            return Phase.WORKING
        request = self.request
        if request is None:
            return Phase.IDLE
        return Phase.BODY if request.headers_finished else Phase.HEADER

    @property
    def places(self) -> tuple[str, ...]:
        """What its client is counted by."""
        requests = (self.request, *self.requests)
        return self.peer.places or next((one.places for one in requests if one is not None), ())

    @property
    def caller_key(self) -> Hashable:
        """Whose the next request is: the user whose credential it carries, else who is at the other end.

        What was never seen to open anything is nobody's: a stranger has as many of these as they like.
        """
        return self.front.callers.name_of(self._credential) or self.places or repr(self.peer)

    def learn_caller(self, name: str) -> None:
        """Notes whose the credential of the request under way is."""
        if credential := self._credential:
            self.front.callers.learn(credential, name)

    @property
    def _credential(self) -> str:
        """A hash of what the next request shows of its caller; "" for nothing."""
        headers = self.requests[0].headers if self.requests else {}
        shown = headers.get("AUTHORIZATION", "") + "\0" + headers.get("X_ONIFAST_USER", "")
        if shown == "\0":
            found = _SESSION.search(headers.get("COOKIE", ""))
            shown = found[1] if found else ""
        return hashlib.sha256(shown.encode("utf-8", "replace")).hexdigest() if shown else ""

    def received(self, data: bytes) -> bool:
        """Takes what came."""
        was_body = self.phase is Phase.BODY
        self.progressed = self.front.clock()
        taken: bool = super().received(data)
        if self.phase is Phase.BODY and not was_body:
            self._begin()
        self.octets += len(data)
        return taken

    def service(self) -> None:
        """Answers one request, in a thread."""
        self._is_answering = False
        self._refuses = isinstance(self.requests[0].error, RequestEntityTooLarge)
        super().service()
        if not self.total_outbufs_len:
            self._begin()

    def write_soon(self, data: Any) -> int:
        """Queues a piece of an answer, in a thread."""
        if not self._is_answering and not self.total_outbufs_len:
            self._is_answering = True
            self._begin()
        self._let_go_of_what_was_sent()
        written: int = super().write_soon(data)
        return written

    def _let_go_of_what_was_sent(self) -> None:
        """Begins another buffer: waitress keeps in one all that was sent from it, answer after answer."""
        with self.outbuf_lock:
            if self.current_outbuf_count - len(self.outbufs[-1]) >= SENT_KEPT:
                self.outbufs.append(OverflowableBuffer(self.adj.outbuf_overflow))
                self.current_outbuf_count = 0

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Sends what the client takes."""
        sent: int = super().send(data, do_close)
        if sent:
            self.octets += sent
            self.progressed = self.front.clock()
        return sent

    def handle_write(self) -> None:
        """Sends what waits; with the last octet, the next wait of the client begins."""
        if self._refuses and self.close_when_flushed:
            self._flush_exception(self._flush_some)
            if not self.total_outbufs_len and self.connected and not self.will_close:
                self._linger()
                return
        super().handle_write()
        if not self.total_outbufs_len and not self.requests:
            self._begin()

    def readable(self) -> bool:
        """Whether to read on."""
        return self._lingers or bool(super().readable())

    def handle_read(self) -> None:
        """Reads on; what comes of a body that was refused is let go."""
        if not self._lingers:
            super().handle_read()
            return
        try:
            self.recv(self.adj.recv_bytes)  # which ends the connection where the client has
        except OSError:
            self.handle_close()

    def _linger(self) -> None:
        """Lets the client finish: closed with octets unread, the kernel would take our answer away from it."""
        self._lingers, self.close_when_flushed = True, False
        self._begin()
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.handle_close()

    def handle_expt(self) -> None:
        """Ends the connection."""
        # Urgent data, which HTTP does not know; unread it would wake us for ever.
        self.handle_close()

    def handle_error(self) -> None:
        """Ends the connection after an error that nobody caught, which is logged."""
        _, kind, value, where = self.compact_traceback()
        self.front.log.event("connection-failed", client=self.peer.client, reason=f"{kind.__name__}: {value}", at=where)
        self.handle_close()

    def handle_close(self) -> None:
        """Ends the connection, and what its request holds."""
        if self.request is not None:
            self.request.close()
        super().handle_close()

    def del_channel(self, map: Any = None) -> None:
        """Takes the connection out of the loop's map, and out of its client's count."""
        if self._is_counted:
            self._is_counted = False
            self.front.connections.give(self.peer.places)
            self.front.open.add(-1)
        super().del_channel(map)

    def _begin(self) -> None:
        self.since = self.progressed = self.front.clock()
        self.octets = 0
