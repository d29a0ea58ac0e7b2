"""An outage of our own DNS resolver: noticed once, told of once a minute, and waited for by a thread of its own.

While it lasts, look-ups fail at once, so that no check holds a thread that others need.
"""

from __future__ import annotations

import threading
import time

from onifast_shared.machine.dns import Resolver

from onifast_smtpd import maillog

EVIDENCE = 60.0
"""Seconds after a good answer for which DNS as a whole is taken to work, and who does not answer to be at fault."""

TOLD_EVERY = 60.0  # seconds
PROBE_EVERY = 1.0  # seconds
PROBE_TIME = 2.0  # seconds; what the root's name servers are, every resolver knows at once


class Outage:
    """Whether our own resolver is down. Used from the threads that check, and from the event loop."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._looking = threading.Lock()
        self._telling = threading.Lock()
        self._heard = float("-inf")
        self._told = float("-inf")
        self._closed = threading.Event()
        self.is_on = False

    @property
    def dns_works(self) -> bool:
        """Whether somebody's names could be looked up just now.

        False also where the resolver answers, but knows nothing: its own way to the Internet may be cut.
        """
        return not self.is_on and time.monotonic() - self._resolver.answered < EVIDENCE

    def suspected(self) -> bool:
        """Whether there is an outage, asked where a look-up got no answer at all. Blocks for seconds at the most."""
        asked = time.monotonic()
        with self._looking:  # one of those who wonder looks for all of them
            if self._closed.is_set() or self.is_on or max(self._heard, self._resolver.answered) > asked - PROBE_EVERY:
                return self.is_on
            if self._resolver.is_there(PROBE_TIME):
                self._heard = time.monotonic()
                return False
            self.is_on = True
        self.tell()
        threading.Thread(target=self._wait, name="outage", daemon=True).start()
        return True

    def tell(self) -> None:
        """Says in the log that DNS is down, at most once a minute."""
        with self._telling:
            now = time.monotonic()
            if now - self._told < TOLD_EVERY:
                return
            self._told = now
        maillog.resolver_down()

    def close(self) -> None:
        """Ends the waiting."""
        self._closed.set()

    def _wait(self) -> None:
        while not self._closed.wait(PROBE_EVERY):
            if self._resolver.is_there(PROBE_TIME):
                self._heard = time.monotonic()
                self.is_on = False
                maillog.resolver_back()
                return
            self.tell()
