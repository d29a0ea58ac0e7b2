"""What all sessions of the program share: settings, database, certificates, limits, and the sessions themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from onifast_shared.accounts.panel_users import UserDirectory
from onifast_shared.config import Settings
from onifast_shared.db.database import Database
from onifast_shared.directory import Directory
from onifast_shared.dns import Resolver
from onifast_shared.tls.server import ServerContexts

from onifast_smtpd.client import Client
from onifast_smtpd.genuine.judge import Judge
from onifast_smtpd.genuine.verify import Verifier
from onifast_smtpd.intake import Intake
from onifast_smtpd.limits import Budget, Rate, Tally
from onifast_smtpd.login.auth import Authenticator
from onifast_smtpd.milter.filters import Milters
from onifast_smtpd.notebook import Notebook
from onifast_smtpd.outgoing import Outgoing
from onifast_smtpd.ownership import Owners
from onifast_smtpd.processes import Place, alone
from onifast_smtpd.refusing import Recorder


class Running(Protocol):
    """A session, as whoever shuts the program down sees it."""

    @property
    def ended(self) -> asyncio.Task[None]:
        """Done when the session is over."""

    @property
    def closed(self) -> asyncio.Future[None]:
        """Done when the connection is closed."""

    def stop(self) -> None:
        """Ends the session as soon as it holds no message."""

    def cut_short(self) -> None:
        """Ends the session whatever it is at, with a word where the client can hear one."""

    def abort(self) -> None:
        """Closes the connection now."""


@dataclass
class Receiver:
    """The parts that sessions work with; `octets` are the memory of messages on their way in.

    `sessions` are those of this process; octets and connections are counted over all processes.
    """

    settings: Settings
    certificates: ServerContexts
    authenticator: Authenticator
    directory: Directory
    intake: Intake
    verifier: Verifier
    notebook: Notebook
    refusals: Recorder
    octets: Budget
    connections: Budget
    users: UserDirectory
    addresses: Tally
    rate: Rate
    owners: Owners = field(default_factory=Owners)
    sessions: set[Running] = field(default_factory=set)
    open: set[Running] = field(default_factory=set)
    """Those whose connection is not closed yet, though they may be over."""
    is_stopping: bool = False

    @classmethod
    def build(
        cls,
        settings: Settings,
        database: Database,
        place: Place | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> Receiver:
        """The receiver for these settings and an open database; `place` is this process's among several.

        `clock` gives the epoch seconds that limits go by.
        """
        place = place or alone()
        verifier = Verifier(Resolver(settings), settings.hostname, settings.dns_timeout)
        users = UserDirectory(settings)
        directory = Directory(database)
        notebook = Notebook(database, settings.refusals_kept)
        outgoing = Outgoing(settings, database, directory, notebook, clock)
        milters = Milters(settings)
        judge = Judge(settings, database, verifier, notebook, milters, clock=clock)
        return cls(
            settings=settings,
            certificates=ServerContexts(settings.certs_dir, settings.hostname),
            authenticator=Authenticator(settings, database, users),
            directory=directory,
            intake=Intake(settings, database, directory, judge=judge, outgoing=outgoing, milters=milters),
            verifier=verifier,
            notebook=notebook,
            refusals=Recorder(settings, notebook),
            octets=Budget(settings.bytes_in_flight, place.octets),
            connections=Budget(settings.max_connections, place.connections),
            users=users,
            addresses=place.addresses,
            rate=Rate(settings.max_connection_rate),
        )

    def enter(self, session: Running) -> bool:
        """Counts a session that begins; False where no further one may."""
        if not self.connections.take(1):
            return False
        self.sessions.add(session)
        return True

    def leave(self, session: Running) -> None:
        """Counts a session that has ended."""
        if session in self.sessions:
            self.sessions.remove(session)
            self.connections.give(1)

    def admit(self, client: Client, now: float) -> bool:
        """Counts a client by its address; False where that has too many connections, or too often. `depart` follows."""
        if client.is_local:
            return True
        if not self.rate.take(client.network, now):
            return False
        if self.addresses.total(client.network) >= self.settings.max_connections_per_address:
            return False
        self.addresses.add(client.network, 1)
        return True

    def depart(self, client: Client) -> None:
        """Counts off a client that was admitted."""
        if not client.is_local:
            self.addresses.add(client.network, -1)

    def close(self) -> None:
        """Ends the threads and closes the directory."""
        self.owners.close()
        self.authenticator.close()
        self.verifier.close()
