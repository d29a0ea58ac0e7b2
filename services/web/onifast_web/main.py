"""onifast-web(8): webmail, JSON API and single sign-on

SYNOPSIS
    onifast-web

DESCRIPTION
    Serves the webmail and the API on `http_listen` (default 127.0.0.1:4031): TCP ports, Unix sockets, or the sockets
    named `http` that systemd hands over. The panel's proxy shows them to the world, under any prefix.

    It reads and writes the database: mailboxes, queue rows, addresses, the relay's settings, sessions. What is sent
    goes through `onifast_shared.accepting.accept` into the queue; outbox delivers it. It reads `users/` (logins) and
    `certs/` (which DKIM record to publish), writes new DKIM keys to `certs/` where it may, and makes
    `config/panel.token`.

    It is trusted with everybody's mail, and with nothing else: started as root it binds, then becomes `run_as`; it
    touches no home, opens no connection but to DNS servers, runs no other program, and executes nothing of a message.

    Where the setting `metrics_listen` says so, it tells monitoring programs the numbers of all programs.

    It works in one process, and in a second one while that is busy (setting http_processes). Their parent starts anew
    those that die; they end with it.

SIGNALS
    SIGTERM, SIGINT   no new connections; requests that have begun are answered (25 seconds at most); exit 0
    SIGHUP            the settings that can change, and the log file, are taken anew; nobody is hung up on

EXIT STATUS
    0 stopped by a signal; 1 the database cannot be used just now; 2 somebody has to mend something: a setting is wrong,
    a port is taken, the database needs a newer program (one line says which)
"""

from __future__ import annotations

import gc
import logging
import signal
import socket
import sys
from collections.abc import Sequence

from onifast_shared.db.database import Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.machine import log, memory, privileges, rights, sockets
from onifast_shared.machine.config import ConfigError, Settings
from onifast_shared.metrics.telling import told
from onifast_shared.programs import command_line, reloading
from onifast_shared.programs.notifying import ServiceManager
from onifast_shared.programs.processes import Parent
from onifast_shared.programs.supervised import Supervision
from onifast_shared.programs.watch import Watch

from onifast_web.access.service_token import ServiceTokenError
from onifast_web.app import create_app
from onifast_web.http.forwarded import Application
from onifast_web.serving import places
from onifast_web.serving.metrics_listener import telling
from onifast_web.serving.places import WebPlace
from onifast_web.serving.serve import WebServer

_logger = log.get("onifast-web")
_SOCKET_NAME = "http"
_EXPECTED = (ConfigError, sockets.BindError, privileges.PrivilegeError, DatabaseError, ServiceTokenError)


def main() -> int:
    """Serves until a signal ends it; returns the exit status."""
    if (answered := command_line.answer("onifast-web", __doc__)) is not None:
        return answered
    supervision, manager = Supervision(), ServiceManager()
    reloading.hold()
    try:
        settings = Settings.load()
        log.configure(settings.log_level, "onifast-web")
        listeners = _listeners(settings)
        metrics_listeners = sockets.bind_all(
            settings.metrics_listen, "metrics_listen", group=settings.http_socket_group
        )
        rights.give_up_root(settings)
        supervision.follow()
    except _EXPECTED as error:
        return _complain(error)
    memory.give_back_large_blocks()
    count = places.how_many(settings)
    program = WebProgram(settings, listeners, count, metrics_listeners)
    watch = Watch("web", settings.database, manager, count=count, listening={"http": program.where})
    if count == 1:
        return watch.over_alone(lambda serving, beat: program.work(places.alone(serving, beat)), program.tell_started)
    parent = Parent(
        count,
        places.WebPlaces(count),
        program.work,
        program.tell_started,
        watch,
        least=places.at_the_least(settings),
        reload=program.reload,
        ending=program.stop_listening,
        died=lambda pid, status: log.event(_logger, "process-died", logging.ERROR, died=pid, status=status),
    )
    return parent.run()


class WebProgram:
    """One process's work, with the settings as they are now."""

    def __init__(
        self,
        settings: Settings,
        listeners: list[socket.socket],
        processes: int,
        metrics_listeners: Sequence[socket.socket] = (),
    ) -> None:
        self._settings = settings
        self._listeners = listeners
        self._processes = processes
        self._metrics_listeners = metrics_listeners
        self.where = ",".join(map(_name, listeners))
        """Where it listens."""

    def work(self, place: WebPlace) -> int:
        """From opening the database to closing it; returns the exit status."""
        settings = self._settings
        try:
            database = Database.open(settings.database, timeout=settings.database_timeout, patient=True)
        except DatabaseError as error:
            return _complain(error)
        try:
            with told("web", database), telling(self._metrics_listeners, settings, database):
                return self._serve(database, place)
        except ServiceTokenError as error:
            return _complain(error)
        finally:
            database.close()

    def _serve(self, database: Database, place: WebPlace) -> int:
        server = WebServer(
            create_app(self._settings, database, place=place),
            self._listeners,
            self._settings,
            place=place,
            resting=database.shrink,
        )
        # A page makes thousands of objects and hardly a cycle: to look for some ten times a page took a tenth of it.
        gc.set_threshold(10_000, 20, 50)
        gc.freeze()  # what is there by now stays, and need not be looked through
        server.stop_on(signal.SIGTERM, signal.SIGINT)
        if reloading.is_heard():
            server.renew_on(signal.SIGHUP, lambda: self._renewed(database, place))
        memory.trim()
        place.serving()
        server.run()
        log.event(_logger, "stopped")
        return 0

    def _renewed(self, database: Database, place: WebPlace) -> tuple[Application, Settings]:
        """The application with the settings as they are now. Raises ServiceTokenError."""
        self.reload()
        return create_app(self._settings, database, place=place), self._settings

    def reload(self) -> None:
        """Takes the settings anew."""
        self._settings = reloading.renewed(self._settings, _logger)

    def tell_started(self) -> None:
        """Says in the log that it serves."""
        settings = self._settings
        log.event(
            _logger,
            "started",
            http=self.where,
            metrics=",".join(map(_name, self._metrics_listeners)) or None,
            prefix=settings.url_prefix or "/",
            settings=settings.source,
            processes=self._processes,
        )

    def stop_listening(self) -> None:
        """For the parent, whose processes are about to end: nobody is to wait at a port that nobody serves."""
        for listener in (*self._listeners, *self._metrics_listeners):
            listener.close()


def _complain(error: Exception) -> int:
    print(f"onifast-web: {error}", file=sys.stderr)
    return command_line.status_of(error)


def _listeners(settings: Settings) -> list[socket.socket]:
    inherited = sockets.inherited().get(_SOCKET_NAME)
    listeners = inherited or sockets.bind_all(settings.http_listen, "http_listen", group=settings.http_socket_group)
    if not listeners:
        raise ConfigError("setting http_listen is empty: there is nothing to serve; give HOST:PORT or a path")
    return listeners


def _name(listener: socket.socket) -> str:
    address = listener.getsockname()
    if not isinstance(address, tuple):
        return str(address)
    host = f"[{address[0]}]" if listener.family == socket.AF_INET6 else address[0]
    return f"{host}:{address[1]}"


if __name__ == "__main__":
    sys.exit(main())
