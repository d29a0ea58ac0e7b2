"""Where clients log in from, and what follows from who else did: what is offered there, and who is a stranger.

A client with Cyrus SASL (Postfix, say) takes SCRAM wherever it is offered, and gives up where that fails. A user whose
panel password never logged in has no verifier yet, so at places where that may be so it is not offered: there the
client takes PLAIN, under TLS, which makes the verifier, and from then on it sees SCRAM.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time

from onifast_shared.accounts import audit, login_places
from onifast_shared.accounts.app_passwords import AppPasswordVerifier
from onifast_shared.accounts.audit import Actor
from onifast_shared.accounts.panel_users import AccountError
from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseError

from onifast_smtpd import maillog
from onifast_smtpd.clients.client import Client
from onifast_smtpd.login.keyring import Keyring

_WRITE_PATIENCE = 2.0


def place_of(client: Client) -> str:
    """Where a client is: a network of IPv6 counts as one address, since it is one customer's."""
    if client.is_loopback and client.unix_user:
        return f"unix:{client.unix_user}"
    if client.ip.version == 6:
        return str(ipaddress.ip_network((client.ip, 64), strict=False))
    return client.address


def is_one_client(client: Client) -> bool:
    """Whether its failures are its own: a loopback address is everybody's, unless we know whose socket it is."""
    return bool(client.unix_user) or not client.is_loopback


class Places:
    """What is known of the places that clients log in from."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    async def suits_scram(self, client: Client) -> bool:
        """Whether SCRAM is to be offered there; in trouble it is, since then no mechanism works."""
        try:
            return await asyncio.to_thread(self._keyring.suits_scram, place_of(client))
        except AccountError as error:
            maillog.directory_trouble(error)
        except DatabaseError as error:
            maillog.database_trouble("login", error)
        return True

    def knows(self, tx: Connection, client: Client, username: str, now: float) -> bool:
        """Whether that user has logged in from there; never of an address that many users share."""
        return is_one_client(client) and login_places.is_known(tx, place_of(client), username, now)

    async def note_login(self, client: Client, username: str, *, app_password: AppPasswordVerifier | None) -> None:
        """A user logged in, with an app password or the panel's; who may log in may do so if that cannot be written.

        The audit trail is told of places that are new: of each login it would be too much.
        """
        place, now, by_panel = place_of(client), time.time(), app_password is None
        who = Actor(
            f"user:{username}", f"app-password:{app_password.id}" if app_password else "password", client.address
        )
        details = {"name": app_password.name} if app_password else {}

        def write(tx: Connection) -> None:
            if not login_places.is_known(tx, place, username, now):
                audit.record(tx, who, "login.smtp", owner=username, object=f"place:{place}", details=details, now=now)
            login_places.note_login(tx, place, username, by_panel, now)

        with contextlib.suppress(DatabaseError):
            if await self._database.aread(lambda tx: login_places.is_news(tx, place, username, by_panel, now)):
                await self._database.awrite(write, timeout=_WRITE_PATIENCE)

    async def note_scram_failure(self, client: Client) -> None:
        """A login by SCRAM failed there: the next one is offered what fails for nobody whose password is right."""
        place, now = place_of(client), time.time()
        with contextlib.suppress(DatabaseError):
            await self._database.awrite(
                lambda tx: login_places.note_scram_failure(tx, place, now), timeout=_WRITE_PATIENCE
            )
