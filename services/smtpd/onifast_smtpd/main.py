"""onifast-smtpd(8): receives mail over SMTP, and has it on disk before it says so.

It listens for three services: `smtp` (port 25) takes mail for local mailboxes from anybody, and mail to anywhere from
programs on this machine; `submission` (587, STARTTLS) and `submissions` (465, implicit TLS) take mail from users who
log in with their panel name, and their panel password or an app password.

Mail from outside has its origin checked (SPF, DKIM) and goes into the mailboxes; submitted mail is completed and goes
into the queue, which onifast-outbox(8) delivers. Both go through one durable transaction before the client sees 250.

It reads the settings (`<root>/config/onifast-mail.toml`, `ONIFAST_MAIL_*`), `<root>/users/` to check passwords,
`<root>/certs/` for TLS, and asks DNS; it writes the database and nothing else. It speaks to no other program.

It trusts nobody but the kernel, which tells whose a loopback connection is. Started as root, it binds its ports and
becomes the user `run_as` before it reads a byte from a client. It takes sockets from systemd under the names of the
services. It delivers nothing, signs nothing and touches no home.

It works in one process, and in more while that is busy (setting smtpd_processes). Their parent starts anew those that
die; they end with it.
SIGTERM and SIGINT: it stops listening, lets sessions that are sending a message finish for 20 seconds, tells each 421,
and exits 0. SIGHUP: certificates, the settings that can change and the log file are taken anew; sessions go on.
It exits 2, with one line, for what has to be mended first: a wrong setting, a port in use, a database that needs a
newer program; it exits 1 for a database that cannot be used just now.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from functools import partial

from onifast_shared.db.database import Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.dkim import white_space
from onifast_shared.machine import event_loop, log, memory, rights
from onifast_shared.machine.config import ConfigError, Settings
from onifast_shared.machine.privileges import PrivilegeError
from onifast_shared.machine.sockets import BindError
from onifast_shared.metrics.telling import told
from onifast_shared.programs import command_line, pulse, reloading
from onifast_shared.programs.notifying import ServiceManager
from onifast_shared.programs.processes import Parent
from onifast_shared.programs.supervised import Supervision
from onifast_shared.programs.watch import Watch

from onifast_smtpd import maillog
from onifast_smtpd.process import processes
from onifast_smtpd.process.descriptors import sessions_allowed
from onifast_smtpd.process.processes import ProcessPlace
from onifast_smtpd.receiver import Receiver
from onifast_smtpd.server import Listeners, SmtpServer, addresses, close_listeners, open_listeners

PROGRAM = "onifast-smtpd"
GRACE = 20.0  # seconds that sessions have to finish what they send; supervisors kill after 30 and 40


def main() -> int:
    """Runs the program; returns its exit status."""
    if (status := command_line.answer(PROGRAM, __doc__)) is not None:
        return status
    supervision, manager = Supervision(), ServiceManager()
    reloading.hold()
    try:
        settings = Settings.load()
        log.configure(settings.log_level, PROGRAM)
        maillog.hush_aiosmtpd()
        listeners = open_listeners(settings)
        rights.give_up_root(settings)
        supervision.follow()
    except (ConfigError, BindError, PrivilegeError) as error:
        return _complain(error)
    white_space.put_in_place()
    count = processes.how_many(settings)
    if (allowed := sessions_allowed(settings.max_connections)) < settings.max_connections:
        maillog.few_descriptors(allowed, settings.max_connections)
    program = SmtpdProgram(settings, listeners)

    def serving() -> None:
        maillog.started(addresses(listeners), settings.hostname, settings.database, settings.source, count)

    watch = Watch("smtpd", settings.database, manager, count=count, listening=addresses(listeners))
    if count == 1:
        return watch.over_alone(lambda serves, beat: program.work(processes.alone(serves, beat)), serving)
    parent = Parent(
        count,
        processes.Shared(count),
        program.work,
        serving,
        watch,
        least=processes.at_the_least(settings),
        reload=program.reload,
        ending=partial(close_listeners, listeners),
        died=maillog.process_died,
    )
    return parent.run()


class SmtpdProgram:
    """One process's work, with the settings as they are now."""

    def __init__(self, settings: Settings, listeners: Listeners) -> None:
        self._settings = settings
        self._listeners = listeners

    def reload(self) -> None:
        """Takes the settings anew."""
        self._settings = reloading.renewed(self._settings, maillog.logger)

    def work(self, place: ProcessPlace) -> int:
        """From opening the database to closing it; returns the exit status."""
        try:
            timeout = self._settings.database_timeout
            database = Database.open(self._settings.database, timeout=timeout, patient=True)
        except DatabaseError as error:
            return _complain(error)
        # A message makes no cycles, so looking for some after each 700 objects finds nothing, and takes a twentieth.
        gc.set_threshold(10_000, 20, 50)
        try:
            with told("smtpd", database), asyncio.Runner(loop_factory=event_loop.new) as runner:
                runner.run(self._serve(database, place))
        finally:
            database.close()
        return 0

    async def _serve(self, database: Database, place: ProcessPlace) -> None:
        told_to_end = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, told_to_end.set)
        if place.lifeline is not None:
            loop.add_reader(place.lifeline, told_to_end.set)
        server = SmtpServer(Receiver.build(self._settings, database, place), self._listeners)

        def renew() -> None:
            self.reload()
            admission = server.receiver.admission
            server.renew(Receiver.build(self._settings, database, place, before=admission))

        if reloading.is_heard():
            loop.add_signal_handler(signal.SIGHUP, renew)
        try:
            await server.start()
            memory.trim()
            place.serving()
            async with pulse.beating(place.beat):
                await told_to_end.wait()
                maillog.stopping(len(server.receiver.sessions))
                await server.stop(GRACE)
        finally:
            if place.lifeline is not None:
                loop.remove_reader(place.lifeline)
            server.receiver.close()
        maillog.stopped()


def _complain(error: Exception) -> int:
    print(f"{PROGRAM}: {error}", file=sys.stderr)
    return command_line.status_of(error)


if __name__ == "__main__":
    sys.exit(main())
