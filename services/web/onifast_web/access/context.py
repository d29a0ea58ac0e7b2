"""What every view works with: settings, database, panel users, the service token and the clock."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from threading import BoundedSemaphore

from flask import current_app
from onifast_shared.accounts.sessions import SessionLimits
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.machine.disk import DiskWatch
from onifast_shared.machine.log import Secret
from onifast_shared.machine.shared_windows import SharedWindows
from onifast_shared.mailboxes.summaries import Summaries
from onifast_shared.recipients.login_directory import LoginDirectory

from onifast_web.access import one_at_a_time
from onifast_web.access.api_rates import ApiRates
from onifast_web.access.guessing import GuessingTurns
from onifast_web.access.one_at_a_time import OneAtATime
from onifast_web.reading.impostors import Readers

_EXTENSION = "onifast"
# Passwords are hashed slowly on purpose; beyond this many at once the rest of the webmail would stand still.
PASSWORDS_AT_ONCE = 2


@dataclass(frozen=True)
class Web:
    """The parts that `create_app` was given or made. `clock` gives epoch seconds.

    `places_to_wait` are for requests that wait for others, the DNS or outbox: see problems.waiting_for_others.
    """

    settings: Settings
    database: Database
    directory: LoginDirectory
    service_token: Secret
    places_to_wait: BoundedSemaphore
    clock: Callable[[], float] = time.time
    guesses: GuessingTurns = field(default_factory=GuessingTurns)
    turn: OneAtATime = field(default_factory=OneAtATime)
    rates: ApiRates = field(default_factory=lambda: ApiRates(SharedWindows.alone()))
    password_checks: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(PASSWORDS_AT_ONCE))

    @cached_property
    def edition(self) -> str:
        """Another text for another version of the program and for other settings, which answers depend on as well."""
        return hashlib.sha256(f"{version('onifast-mail')} {self.settings!r}".encode()).hexdigest()[:16]

    @cached_property
    def disk(self) -> DiskWatch:
        """The disk that the database lies on."""
        return DiskWatch(self.settings.database.parent, self.settings.disk_warn_at, self.settings.disk_refuse_at)

    @cached_property
    def session_limits(self) -> SessionLimits:
        """How long browsers stay signed in."""
        return SessionLimits(self.settings.session_lifetime, self.settings.session_longest)

    @cached_property
    def readers(self) -> Readers:
        """Whom those know who read mail."""
        return Readers(self.settings)

    @cached_property
    def summaries(self) -> Summaries:
        """What lists have found out about messages that are not indexed yet."""
        return Summaries()

    def before_reading(self, owner: str | None, email_id: int) -> None:
        """Waits for the turn to read a message of an owner's (None: of anybody's), if it is a large one.

        Raises Problem(503).
        """
        one_at_a_time.before_reading(self.turn, self.database, owner, email_id)

    def attach(self) -> dict[str, Web]:
        """For app.extensions."""
        return {_EXTENSION: self}


def current() -> Web:
    """The parts of the app that answers this request."""
    web: Web = current_app.extensions[_EXTENSION]
    return web
