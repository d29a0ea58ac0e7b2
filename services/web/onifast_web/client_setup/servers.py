"""The servers that a user's mail program is told of, from the settings; no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from onifast_shared.machine.config import Listen, Settings

Security = Literal["tls", "starttls"]


@dataclass(frozen=True)
class MailServer:
    """A server as a mail program needs it: `tls` from the first octet, or after `starttls` (RFC 8314 section 3)."""

    host: str
    port: int
    security: Security


@dataclass(frozen=True)
class MailServers:
    """What is read from, and what is sent by, the best first; nothing where there is no such server."""

    incoming: tuple[MailServer, ...]
    outgoing: tuple[MailServer, ...]

    @property
    def are_whole(self) -> bool:
        """Whether a mail program can be set up: all of them want a server to read from."""
        return bool(self.incoming and self.outgoing)


def servers(settings: Settings) -> MailServers:
    """The servers of this host. IMAP is another program's, so it is named where a setting says that it is there."""
    security: Security = "tls" if settings.imap_security == "tls" else "starttls"
    incoming = (MailServer(settings.imap_host, settings.imap_port, security),) if settings.imap_host else ()
    return MailServers(incoming, tuple(_outgoing(settings)))


def _outgoing(settings: Settings) -> Iterator[MailServer]:
    """Implicit TLS before STARTTLS (RFC 8314 section 3.3)."""
    if port := _port(settings.submissions_listen):
        yield MailServer(settings.hostname, port, "tls")
    if port := _port(settings.submission_listen):
        yield MailServer(settings.hostname, port, "starttls")


def _port(listens: tuple[Listen, ...]) -> int:
    return next((listen.port for listen in listens if listen.port), 0)
