"""Which requests may bring a large body, and how many at once: nobody fills the disk without a login.

A body is spooled before the app sees the request, so what its header says has to do: where it goes, and that it names a
session or a token. Whether that one is valid turns out later, so there is room for a few only; a client has a part of
that room, and who is slow gives way.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Protocol

from onifast_shared.machine.shared_counts import KeyedCounts, SharedCounter, SharedTally

from onifast_web.access.cookie_names import SESSION

AT_ONCE = 8
OF_ONE_CLIENT = 2
SLOW = 64 * 1024  # octets a second; a body that comes slower than that …
PATIENCE = 10.0  # … after so many seconds gives way where another has no room
_PATHS = ("/api/mail/send", "/api/mail/drafts", "/api/mail/imports/pieces", "/compose", "/moving")


class LargeRequest(Protocol):
    """A request with a large body: what its client is counted by, how long and how fast its body has been coming."""

    completed: bool

    @property
    def client_places(self) -> tuple[str, ...]: ...
    @property
    def seconds(self) -> float: ...
    @property
    def octets_a_second(self) -> float: ...
    def give_way(self) -> None: ...


class LargeBodies:
    """The large bodies that are being received or worked with; bodies come in one thread, and go in any."""

    def __init__(self, url_prefix: str, counter: SharedCounter | None = None, tally: SharedTally | None = None) -> None:
        """`counter` and `tally` are what several processes count together."""
        self._prefix = url_prefix
        self._lock = threading.Lock()
        self._spooled: list[LargeRequest] = []
        self._counter = counter
        self._clients = KeyedCounts(tally)

    def may_come(self, path: str, headers: Mapping[str, str]) -> bool:
        """Whether a request may bring one; `headers` as waitress names them (`CONTENT_TYPE`)."""
        # Whoever sends a prefix of their own gets nothing by it that they do not get without.
        prefixes = ("", self._prefix, headers.get("X_FORWARDED_PREFIX", "").rstrip("/"))
        return path in {prefix + end for prefix in prefixes for end in _PATHS} and _names_somebody(headers)

    def take(self, request: LargeRequest) -> bool:
        """Room for a request's body, until it is let go; False if there is none just now."""
        with self._lock:
            if self._has_his_part(request.client_places):
                return False
            is_full = len(self._spooled) + self._of_others >= AT_ONCE
            slowest = self._slowest() if is_full else None
            if slowest is None and is_full:
                return False
            self._spooled.append(request)
            self._count(request, 1)
        if slowest is not None:
            slowest.give_way()
        return True

    def let_go(self, request: LargeRequest) -> None:
        """The request's body is gone, if it had one."""
        with self._lock:
            if any(other is request for other in self._spooled):
                self._spooled = [other for other in self._spooled if other is not request]
                self._count(request, -1)

    def _count(self, request: LargeRequest, amount: int) -> None:
        if self._counter is not None:
            self._counter.add(amount)
        (self._clients.take if amount > 0 else self._clients.give)(request.client_places[:1])

    @property
    def _of_others(self) -> int:
        return self._counter.total - self._counter.mine if self._counter is not None else 0

    def _has_his_part(self, places: tuple[str, ...]) -> bool:
        return any(self._clients.of(place) >= OF_ONE_CLIENT for place in places[:1])

    def _slowest(self) -> LargeRequest | None:
        slow = [one for one in self._spooled if not one.completed and one.seconds > PATIENCE]
        slowest = min(slow, key=lambda one: one.octets_a_second, default=None)
        return slowest if slowest is not None and slowest.octets_a_second < SLOW else None


def _names_somebody(headers: Mapping[str, str]) -> bool:
    if headers.get("AUTHORIZATION", "").lower().startswith("bearer "):
        return True
    cookies = headers.get("COOKIE", "").split(";")
    return any(cookie.partition("=")[0].strip() == SESSION for cookie in cookies)
