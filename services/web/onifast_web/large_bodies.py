"""Which requests may bring a large body, and how many at once: nobody fills the disk without a login.

A body is spooled before the app sees the request, so what its header says has to do: where it goes, and that it names a
session or a token. Whether that one is valid turns out later, so there is room for a few only.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from weakref import WeakSet

from onifast_web.auth import COOKIE

AT_ONCE = 8
_PATHS = ("/api/mail/send", "/compose")


class LargeBodies:
    """The large bodies that are being received or worked with; safe to use from any thread."""

    def __init__(self, url_prefix: str) -> None:
        self._prefix = url_prefix
        self._lock = threading.Lock()
        # Weak: a connection that breaks off lets its request go without a word.
        self._spooled: WeakSet[object] = WeakSet()

    def may_come(self, path: str, headers: Mapping[str, str]) -> bool:
        """Whether a request may bring one; `headers` as waitress names them (`CONTENT_TYPE`)."""
        # Whoever sends a prefix of his own gets nothing by it that he does not get without.
        prefixes = ("", self._prefix, headers.get("X_FORWARDED_PREFIX", "").rstrip("/"))
        return path in {prefix + end for prefix in prefixes for end in _PATHS} and _names_somebody(headers)

    def take(self, request: object) -> bool:
        """Room for a request's body, until it is let go or dropped; False if there is none just now."""
        with self._lock:
            if len(self._spooled) >= AT_ONCE:
                return False
            self._spooled.add(request)
            return True

    def let_go(self, request: object) -> None:
        """The request's body is gone, if it had one."""
        with self._lock:
            self._spooled.discard(request)


def _names_somebody(headers: Mapping[str, str]) -> bool:
    if headers.get("AUTHORIZATION", "").lower().startswith("bearer "):
        return True
    cookies = headers.get("COOKIE", "").split(";")
    return any(cookie.partition("=")[0].strip() == COOKIE for cookie in cookies)
