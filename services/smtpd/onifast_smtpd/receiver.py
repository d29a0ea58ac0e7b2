"""What all sessions of the program share: settings, database, certificates, limits, and the sessions themselves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.machine.disk import DiskLevel, DiskWatch
from onifast_shared.machine.dns import Resolver
from onifast_shared.recipients.directory import CachedDirectory
from onifast_shared.recipients.login_directory import LoginDirectory
from onifast_shared.tls.server import ServerContexts
from onifast_shared.tracing.recorder import TraceRecorder, Transcript

from onifast_smtpd import maillog
from onifast_smtpd.authentication.verify import Verifier
from onifast_smtpd.clients.client import Client
from onifast_smtpd.clients.limits import COPIES, Budget, Share
from onifast_smtpd.clients.session import ClientSession
from onifast_smtpd.clients.unix_owner import Owners
from onifast_smtpd.intake import Intake
from onifast_smtpd.login.auth import Authenticator
from onifast_smtpd.milter.filters import Milters
from onifast_smtpd.process.admission import Admission, Running
from onifast_smtpd.process.processes import ProcessPlace, alone
from onifast_smtpd.records.deferred_writes import DeferredWrites
from onifast_smtpd.records.refusing import Recorder
from onifast_smtpd.screening.screener import Screener
from onifast_smtpd.submission.outgoing import Outgoing


@dataclass
class Receiver:
    """The parts that sessions work with; `octets` are the memory of messages on their way in.

    `sessions` are those of this process; octets, and what `admission` counts, are of all processes.
    """

    settings: Settings
    certificates: ServerContexts
    authenticator: Authenticator
    directory: CachedDirectory
    intake: Intake
    verifier: Verifier
    deferred_writes: DeferredWrites
    refusals: Recorder
    octets: Budget
    users: LoginDirectory
    admission: Admission
    disk: DiskWatch
    owners: Owners = field(default_factory=Owners)
    sessions: set[Running] = field(default_factory=set)
    open: set[Running] = field(default_factory=set)
    """Those whose connection is not closed yet, though they may be over."""
    is_stopping: bool = False
    disk_level: DiskLevel = DiskLevel.ROOMY
    """What the log was told of the disk last."""
    tracer: TraceRecorder | None = None
    """Writes dialogues down while an administrator watches."""

    @classmethod
    def build(
        cls,
        settings: Settings,
        database: Database,
        place: ProcessPlace | None = None,
        *,
        before: Admission | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Receiver:
        """The receiver for these settings and an open database; `place` is this process's among several.

        It shares the admission of the receiver that was there before, since both have sessions for a while.
        `clock` gives the epoch seconds that limits go by.
        """
        place = place or alone()
        verifier = Verifier(Resolver(settings), settings.hostname, settings.dns_timeout)
        users = LoginDirectory(settings, database)
        directory = CachedDirectory(database)
        deferred_writes = DeferredWrites(database, settings.refusals_kept)
        outgoing = Outgoing(settings, database, directory, deferred_writes, clock)
        milters = Milters(settings)
        octets = Budget(settings.bytes_in_flight, place.octets)
        screener = Screener(settings, database, verifier, deferred_writes, milters, clock=clock)
        return cls(
            settings=settings,
            certificates=ServerContexts(settings.certs_dir, settings.hostname),
            authenticator=Authenticator(settings, database, users),
            directory=directory,
            intake=Intake(
                settings,
                database,
                directory,
                screener=screener,
                outgoing=outgoing,
                milters=milters,
                deferred_writes=deferred_writes,
            ),
            verifier=verifier,
            deferred_writes=deferred_writes,
            refusals=Recorder(settings, deferred_writes),
            octets=octets,
            users=users,
            admission=before.renewed(settings, octets) if before else Admission(settings, place, octets),
            disk=DiskWatch(settings.database.parent, settings.disk_warn_at, settings.disk_refuse_at),
            tracer=TraceRecorder(database),
        )

    def enter(self, session: Running, group: int) -> None:
        """Notes a connection of that group of clients."""
        self.admission.knock(session, group)
        self.sessions.add(session)

    def leave(self, session: Running) -> None:
        """Notes that a session has ended."""
        self.sessions.discard(session)
        self.admission.release(session)

    def transcript_of(self, session: ClientSession) -> Transcript | None:
        """What takes down what is said in a session from now on; None while nobody watches."""
        if self.tracer is None or not self.tracer.is_on:
            return None
        found = self.tracer.begin(session.name, "in", session.client.address)
        if found is not None:
            found.said("note", f"{session.client.service.label}: session {session.name} of {session.client.address}")
        return found

    def share_for(self, client: Client) -> Share:
        """Memory for a message of this client: strangers leave this machine's programs a tenth of it."""
        return Share(self.octets, 0 if client.is_local else self._kept_here)

    def room_for(self, client: Client) -> int:
        """How large a message of this client might be now."""
        return max(0, self.octets.left - (0 if client.is_local else self._kept_here)) // COPIES

    def has_room_on_disk(self) -> bool:
        """Whether new mail is taken: what is here has to be read, delivered and deleted even on a full disk."""
        level = self.disk.level
        if level is not self.disk_level:
            self.disk_level = level
            maillog.disk(level, self.settings.database.parent)
        return level is not DiskLevel.FULL

    @property
    def _kept_here(self) -> int:
        """Octets; the largest message must have room all the same."""
        total = self.settings.bytes_in_flight
        return min(total // 10, max(0, total - COPIES * self.settings.max_message_size))

    def close(self) -> None:
        """Ends the threads and closes the directory."""
        if self.tracer is not None:
            self.tracer.close()
        self.owners.close()
        self.authenticator.close()
        self.verifier.close()
