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

SIGNALS
    SIGTERM, SIGINT   no new connections; requests that have begun are answered (25 seconds at most); exit 0
    SIGHUP            the settings that can change, and the log file, are taken anew; nobody is hung up on

EXIT STATUS
    0 stopped by a signal; 1 the database cannot be used just now; 2 somebody has to mend something: a setting is wrong,
    a port is taken, the database needs a newer program (one line says which)
"""

from __future__ import annotations

import signal
import socket
import sys

from onifast_shared.db.database import Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.machine import log, privileges, rights, sockets
from onifast_shared.machine.config import ConfigError, Settings
from onifast_shared.programs import command_line, reloading
from onifast_shared.programs.supervised import Supervision

from onifast_web.access.service_token import ServiceTokenError
from onifast_web.app import create_app
from onifast_web.http.forwarded import Application
from onifast_web.serving.serve import WebServer

_logger = log.get("onifast-web")
_SOCKET_NAME = "http"
_EXPECTED = (ConfigError, sockets.BindError, privileges.PrivilegeError, DatabaseError, ServiceTokenError)


def main() -> int:
    """Serves until a signal ends it; returns the exit status."""
    if (answered := command_line.answer("onifast-web", __doc__)) is not None:
        return answered
    supervision = Supervision()
    reloading.hold()
    try:
        settings = Settings.load()
        log.configure(settings.log_level, "onifast-web")
        listeners = _listeners(settings)
        rights.give_up_root(settings)
        supervision.follow()
        database = Database.open(settings.database, timeout=settings.database_timeout, patient=True)
        return _serve(settings, listeners, database)
    except _EXPECTED as error:
        print(f"onifast-web: {error}", file=sys.stderr)
        return command_line.status_of(error)


def _serve(settings: Settings, listeners: list[socket.socket], database: Database) -> int:
    try:
        server = WebServer(create_app(settings, database), listeners, settings)
        server.stop_on(signal.SIGTERM, signal.SIGINT)
        if reloading.is_heard():
            server.renew_on(signal.SIGHUP, Reloader(settings, database).renewed)
        where = ",".join(_name(listener) for listener in listeners)
        log.event(_logger, "started", http=where, prefix=settings.url_prefix or "/", settings=settings.source)
        server.run()
        log.event(_logger, "stopped")
        return 0
    finally:
        database.close()


class Reloader:
    """The application with the settings as they are at each SIGHUP."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    def renewed(self) -> tuple[Application, Settings]:
        """Reads the settings anew. Raises ServiceTokenError."""
        self._settings = reloading.renewed(self._settings, _logger)
        return create_app(self._settings, self._database), self._settings


def _listeners(settings: Settings) -> list[socket.socket]:
    inherited = sockets.inherited().get(_SOCKET_NAME)
    listeners = inherited or sockets.bind_all(settings.http_listen, "http_listen")
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
