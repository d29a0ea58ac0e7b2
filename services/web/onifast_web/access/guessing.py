"""Guessing of passwords slowed down: failures count by client and user, so nobody shuts out users from elsewhere.

A client that fails for many users waits for all of them, unless it may be many people: a proxy that does not name its
visitors, or a loopback address whose Unix user is unknown. Many clients that fail for one user wait together, except
where that user has logged in from.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from onifast_shared.accounts import login_places, throttle
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.shared_counts import KeyedCounts, SharedTally

from onifast_web.http.forwarded import SHARED_CLIENT
from onifast_web.http.peer import is_loopback

# More would be heard before the first failure counts; each also keeps a thread that answers requests.
AT_ONCE = 2
_ADDRESS = "address:"


class GuessingTurns:
    """Who is guessing just now, in all processes; safe to use from any thread."""

    def __init__(self, tally: SharedTally | None = None) -> None:
        self._taken = KeyedCounts(tally)

    @contextmanager
    def take(self, key: str) -> Iterator[bool]:
        """A turn while the context lasts; False where this key has all of its turns already."""
        self._taken.take([key])
        try:
            yield self._taken.of(key) <= AT_ONCE
        finally:
            self._taken.give([key])


@dataclass(frozen=True)
class Guesser:
    """Somebody at `client`, which is what forwarded.py made of the connection, who wants to be `username`.

    That is the account that is meant, whichever of its names was typed.
    """

    client: str
    username: str

    @property
    def place(self) -> str:
        """Where the guesses come from: a network of IPv6 counts as one address, since it is one customer's."""
        return f"web {_network(self.client)}"

    @property
    def key(self) -> str:
        """What failures are counted by."""
        return f"{self.place} {self.username.lower()[:64]}"

    def code_key(self, tx: Connection, now: float) -> str:
        """What wrong codes of the second factor are counted by: together for all places but those that the user is
        known at, since who guesses codes has the password and may have many addresses.
        """
        place = f"{self.place} " if self._is_at_home(tx, now) else ""
        return f"totp {place}{self.username.lower()[:64]}"

    def blocked_for(self, database: Database, now: float) -> int:
        """Seconds until they are heard again; 0 for now."""

        def wait(tx: Connection) -> int:
            sprayer = throttle.sprayer_blocked_for(tx, self.place, now) if self._is_one_client else 0
            stranger = 0 if self._is_at_home(tx, now) else throttle.user_blocked_for(tx, self.username, now)
            return max(throttle.blocked_for(tx, [self.key], now), sprayer, stranger)

        return database.read(wait)

    def failed(self, database: Database, now: float) -> None:
        """Counts a wrong password."""

        def count(tx: Connection) -> None:
            throttle.record_failure(tx, [self.key], now)
            if not self._is_at_home(tx, now):
                throttle.record_strangers_failure(tx, self.username, now)

        database.write(count)

    def succeeded(self, database: Database, now: float) -> None:
        """Forgets the failures before a right password, and remembers where its user is at home."""
        if database.read(lambda tx: throttle.has_failed(tx, [self.key])):
            database.write(lambda tx: throttle.clear(tx, [self.key]))
        if self._is_one_client and database.read(lambda tx: login_places.is_news(tx, *self._login, now)):
            database.write(lambda tx: login_places.note_login(tx, *self._login, now))

    @property
    def _is_one_client(self) -> bool:
        return self.client != SHARED_CLIENT and not is_loopback(self.client.removeprefix(_ADDRESS))

    @property
    def _login(self) -> tuple[str, str, bool]:
        """Place and user of a login, with the panel password: no other opens the webmail."""
        return _network(self.client).removeprefix(_ADDRESS), self.username, True

    def _is_at_home(self, tx: Connection, now: float) -> bool:
        place, username, _ = self._login
        return self._is_one_client and login_places.is_known(tx, place, username, now)


def _network(client: str) -> str:
    try:
        address = ipaddress.ip_address(client.removeprefix(_ADDRESS))
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv4Address):
        return client
    if address.ipv4_mapped is not None:
        return f"{_ADDRESS}{address.ipv4_mapped}"
    return f"{_ADDRESS}{ipaddress.IPv6Network((int(address), 64), strict=False)}"
