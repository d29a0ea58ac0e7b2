"""What a program tells the service manager that started it (sd_notify(3)): that it serves, lives, and ends.

Nothing is told where nobody asked for it, as under supervisord.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

READY = "READY=1"
ALIVE = "WATCHDOG=1"
ENDING = "STOPPING=1"


class ServiceManager:
    """systemd's socket for this program's states, if it gave one. To be made in the process that systemd started.

    The variables are its protocol, not settings: config does not read them. Other programs that are run do not inherit
    them.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        given = os.environ if environ is None else environ
        path = given.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self.watches = bool(path) and _is_watched(given)
        """Whether it wants to hear, again and again, that the program is alive (WatchdogSec)."""
        if environ is None:
            for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
                os.environ.pop(name, None)

    def tell(self, state: str) -> None:
        """Tells it; never raises and never waits, since a program does not depend on who started it."""
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock,
        ):
            sock.setblocking(False)
            sock.sendto(state.encode(), self._address)


def _is_watched(given: Mapping[str, str]) -> bool:
    interval, pid = given.get("WATCHDOG_USEC", ""), given.get("WATCHDOG_PID", "")
    return interval.isdecimal() and int(interval) > 0 and pid in ("", str(os.getpid()))
