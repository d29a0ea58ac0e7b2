"""What a session has cost so far, and brought no mail: after so much of it the session ends."""

from __future__ import annotations

from onifast_shared.values.reply import Reply

from onifast_smtpd.policy import Cost
from onifast_smtpd.protocol import replies

MAX_ERRORS = 20  # in one session
MAX_FUTILE = 100  # commands that come to nothing, without a message accepted between them
MAX_PUT_OFF = 1000  # recipients refused for now or repeated, likewise (as Postfix's smtpd_recipient_overshoot_limit)


class SessionCosts:
    """The counts of one session."""

    def __init__(self) -> None:
        self._errors = 0
        self._futile = 0
        self._put_off = 0

    def pay(self, cost: Cost) -> None:
        """Counts what a command or its reply cost."""
        if cost is Cost.ERROR:
            self._errors += 1
        elif cost is Cost.FUTILE:
            self._futile += 1
        elif cost is Cost.PUT_OFF:
            self._put_off += 1
            self._errors += self._put_off > MAX_PUT_OFF

    def forgive(self) -> None:
        """A message was accepted: what came to nothing before it is forgotten, but no error."""
        self._futile = self._put_off = 0

    def ending(self, divisor: int) -> Reply | None:
        """What ends the session, where it was too much; each limit is divided by that."""
        if self._errors >= MAX_ERRORS // divisor:
            return replies.TOO_MANY_ERRORS
        if self._futile > MAX_FUTILE // divisor:
            return replies.TOO_MANY_COMMANDS
        return None
