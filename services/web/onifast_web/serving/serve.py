"""waitress with what it lacks for us: room for everybody, problem documents, a stop that finishes work."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable

from onifast_shared.machine import descriptors, log, memory
from onifast_shared.machine.config import Settings
from onifast_shared.machine.rare_log import SeldomLog
from onifast_shared.programs.pulse import nothing
from waitress import wasyncore
from waitress.adjustments import Adjustments

from onifast_web.http.forwarded import Application
from onifast_web.http.peer import Peers
from onifast_web.serving.answers import SMALL_BODY
from onifast_web.serving.channel import Channel, Front
from onifast_web.serving.fair_queue import FairDispatcher
from onifast_web.serving.large_bodies import LargeBodies
from onifast_web.serving.listener import Listener, Shortage, kind_of
from onifast_web.serving.overload import Phase, Shares, is_overdue, to_close
from onifast_web.serving.places import WebPlace, alone

# Requests in progress at SIGTERM get this long; supervisord and systemd kill later than that.
STOP_SECONDS = 25.0
# Descriptors that are not connections: each thread's database, listening sockets, DNS, the log.
SPARE = 64
_EACH = 2  # descriptors that a connection may need: its own, and a large body's or answer's file
_IDLE = 5.0  # seconds without anybody, after which memory that is free is given back
_PAUSE = 0.2  # seconds without taking in, where nobody can be hung up on
_OTHERS_TURN = 0.004  # seconds in which another process takes in whom it has more time for

_logger = log.get("web")

Renewal = Callable[[], tuple[Application, Settings]]


def largest_body(max_message_size: int) -> int:
    """The largest request body: a message's attachments in base64, its text, and room for the rest."""
    return max_message_size * 3 // 2 + SMALL_BODY


class WebServer:
    """Serves `app` on listening sockets until `stop` is called, from a signal handler or another thread."""

    def __init__(
        self,
        app: Application,
        listeners: list[socket.socket],
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        place: WebPlace | None = None,
        resting: Callable[[], None] = nothing,
    ) -> None:
        """`resting` is called once nobody has been connected for a while, for what is kept to be given back."""
        self._resting = resting
        self._place = place or alone()
        self._map: dict[int, object] = {}
        self._clock = clock
        self._stopping = False
        self._renewal: Renewal | None = None
        self._renewal_is_due = False
        connections, requests = Shares(tally=self._place.connections_of), Shares(tally=self._place.requests_of)
        peers, large = Peers(settings.trusted_proxy_users), self._large_bodies(settings)
        counter = self._place.connections
        self._front = Front(peers, large, SeldomLog(_logger, clock), connections, requests, counter, clock)
        self._part = 0
        self._tasks = FairDispatcher()
        self._tasks.queue_logger.setLevel("ERROR")  # it says of each request that it waits for a thread
        self._listeners = [self._listen(app, listening, settings) for listening in listeners]
        self._limit = self._apply(settings)
        self._judged_at = self._short_at = float("-inf")
        self._busy_at: float | None = self._clock()

    def run(self) -> None:
        """Returns once `stop` was called and the requests that had begun by then have been answered."""
        if self._place.lifeline is not None:
            _Lifeline(self._place.lifeline, self.stop, self._map)
        while not self._stopping:
            self._poll(self._patience)
            self._renew()
            for listener in self._listeners:
                if listener.is_ready:
                    listener.is_ready = False
                    self._take_in(listener)
            self._judge()
        for listener in self._listeners:
            self._take_in(listener)  # who has connected by now is not turned away
            listener.accepting = False
            listener.socket.close()
            listener.del_channel()
        self._finish()
        self._tasks.shutdown(timeout=1)
        self._front.peers.close()
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

    def renew_on(self, number: signal.Signals, renewal: Renewal) -> None:
        """Makes a signal ask `renewal` for another application and its settings; connections stay."""

        def ask(*_: object) -> None:
            self._renewal_is_due = True
            self._listeners[0].pull_trigger()

        self._renewal = renewal
        signal.signal(number, ask)

    def _renew(self) -> None:
        if not self._renewal_is_due or self._renewal is None:
            return
        self._renewal_is_due = False
        try:
            app, settings = self._renewal()
        except Exception:
            _logger.exception("reload-refused")
            return
        self._front.peers.close()
        self._front.peers, self._front.large = Peers(settings.trusted_proxy_users), self._large_bodies(settings)
        for listener in self._listeners:
            listener.application, listener.adj = app, _adjustments(settings)
        self._limit = self._apply(settings)

    def _apply(self, settings: Settings) -> int:
        """Sets what settings say of numbers; returns how many connections there may be."""
        self._threads = settings.http_threads
        self._share_threads()
        limit = descriptors.connections_allowed(settings.max_http_connections, spare=SPARE, each=_EACH)
        share = max(8, limit // 8)  # a browser opens six
        self._front.connections.each = self._front.requests.each = share
        return limit

    def _share_threads(self) -> None:
        """Takes this process's part of all threads: it changes as processes come and go."""
        if (part := self._place.part_of(self._threads)) != self._part:
            self._part = part
            self._tasks.set_thread_count(part)

    def _listen(self, app: Application, listening: socket.socket, settings: Settings) -> Listener:
        # Not waitress' create_server: it does not serve TCP and Unix sockets together.
        info = (listening.family, listening.type, listening.proto, listening.getsockname())
        kind = kind_of(listening)
        listener = kind(
            app,
            self._map,
            _sock=listening,
            dispatcher=self._tasks,
            adj=_adjustments(settings),
            sockinfo=info,
            bind_socket=False,
        )
        listener.front = self._front
        return listener

    @property
    def _patience(self) -> float:
        """Seconds until there is something to look at, asked or unasked."""
        left = (listener.paused_until - self._clock() for listener in self._listeners)
        return min((seconds for seconds in left if seconds > 0), default=1.0)

    def _large_bodies(self, settings: Settings) -> LargeBodies:
        return LargeBodies(settings.url_prefix, self._place.large_bodies, self._place.large_bodies_of)

    def _poll(self, seconds: float) -> None:
        wasyncore.loop(timeout=seconds, map=self._map, count=1, use_poll=True)

    @property
    def _channels(self) -> list[Channel]:
        return [channel for listener in self._listeners for channel in listener.active_channels.values()]

    def _take_in(self, listener: Listener) -> None:
        """Takes in who waits at a listening socket, and hangs up on others where that needs room."""
        try:
            # No more at once than leaves each of them time to say something before it has to make room for another.
            for _ in range(max(1, self._limit // 8)):
                if self._is_others_turn(listener):
                    return None
                if not self._make_room():
                    return listener.pause(_PAUSE)
                if listener.take_in(self._is_welcome) is None:
                    return None
        except Shortage as shortage:
            self._short_at = self._clock()
            self._front.log.event("connections-short", reason=str(shortage), connections=len(self._channels))
            if not self._hang_up(self._some):
                listener.pause(_PAUSE)

    @property
    def _some(self) -> int:
        """How many are hung up on at once: looking for each newcomer again would cost more than the newcomer does."""
        return max(1, self._limit // 16)

    def _is_others_turn(self, listener: Listener) -> bool:
        """Whether to leave who waits to another process that has fewer connections; only for a moment, lest it is busy.

        All hear of a newcomer, and the first would take them all.
        """
        count = self._place.connections
        has_had_it = self._clock() - listener.paused_until < _OTHERS_TURN * 5
        if self._stopping or has_had_it or count.mine <= count.least_of_others:
            return False
        listener.pause(_OTHERS_TURN)
        return True

    def _make_room(self) -> bool:
        if self._place.connections.total < self._limit:
            return True
        self._front.log.event("connections-full", limit=self._limit)
        return self._hang_up(self._some)

    def _hang_up(self, count: int) -> bool:
        """Hangs up on some; False where all of them are waiting for us."""
        chosen = to_close(self._channels, self._front.connections, self._clock(), count)
        _close(chosen)
        return bool(chosen)

    def _is_welcome(self, newcomer: Channel) -> bool:
        """Whether a client may have this connection too; an idle one makes room if their share is full."""
        crowded = self._front.connections.crowded(newcomer.peer.places)
        if not crowded:
            return True
        theirs = [one for one in self._channels if one is not newcomer and crowded.intersection(one.peer.places)]
        idling = [one for one in theirs if one.phase <= Phase.HEADER]
        idle = to_close(idling, self._front.connections, self._clock(), 1)
        _close(idle)
        if not idle:
            self._front.log.event("connections-of-one-client", client=newcomer.peer.client)
        return bool(idle)

    def _judge(self) -> None:
        """Hangs up on who has had their time; looks once a second."""
        now = self._clock()
        if now - self._judged_at < 1.0:
            return
        self._judged_at = now
        self._place.beat()
        self._share_threads()
        channels = self._channels
        self._give_back(now, is_idle=not channels)
        pressed = self._place.connections.total > self._limit * 3 // 4 or now - self._short_at < 60.0
        _close([channel for channel in channels if is_overdue(channel, now, pressed=pressed)])

    def _give_back(self, now: float, *, is_idle: bool) -> None:
        """Gives memory back once nobody has been connected for a while."""
        if not is_idle:
            self._busy_at = now
        elif self._busy_at is not None and now - self._busy_at > _IDLE:
            self._busy_at = None
            self._resting()
            memory.trim()

    def _finish(self) -> None:
        """Answers what has begun, within STOP_SECONDS."""
        self._front.stopping = True
        deadline = self._clock() + STOP_SECONDS
        self._poll(0)  # what has been sent by now has begun, read or not
        while self._clock() < deadline:
            _close([channel for channel in self._channels if channel.phase is Phase.IDLE])
            if not self._channels:
                return
            self._poll(0.2)
            self._place.beat()


class _Lifeline(wasyncore.file_dispatcher):  # type: ignore[misc]
    """Ends the server when its parent is dead."""

    def __init__(self, descriptor: int, stop: Callable[[], None], descriptors: dict[int, object]) -> None:
        super().__init__(descriptor, descriptors)
        self._stop = stop

    def writable(self) -> bool:
        return False

    def handle_close(self) -> None:
        """A pipe without writers is hung up, which is no reading."""
        self.close()
        self._stop()


def _close(channels: list[Channel]) -> None:
    for channel in channels:
        channel.handle_close()


def _adjustments(settings: Settings) -> Adjustments:
    return Adjustments(
        listen="",
        ident=None,
        max_request_body_size=largest_body(settings.max_message_size),
        # What a client can have us hold in memory, before more of it goes into a file.
        max_request_header_size=64 * 1024,
        inbuf_overflow=128 * 1024,
        # A thread hands a whole answer over, to a file where it is large, and waits for no client to take it.
        outbuf_high_watermark=largest_body(settings.max_message_size),
        log_socket_errors=False,  # who breaks off is no news
        clear_untrusted_proxy_headers=False,  # forwarded.py judges them
    )
