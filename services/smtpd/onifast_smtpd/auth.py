"""Authentication: SASL PLAIN and LOGIN (RFC 4954, RFC 4616) against the panel's users.

Passwords are checked in a small pool of threads, so that no session waits for another's hash. Failures are counted in
the database by address and user, so a lock-out holds for every process; on loopback the Unix user takes the place of
the address that all sites share.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from onifast_shared import throttle
from onifast_shared.accounts import AccountError, PanelUser, UserDirectory
from onifast_shared.db import Database, DatabaseError
from onifast_shared.log import Secret
from onifast_shared.reply import Reply

from onifast_smtpd import maillog
from onifast_smtpd.client import Client
from onifast_smtpd.replies import Refused, refused

THREADS = 2  # a password hash takes a whole core for a while
MAX_WAITING = 64  # passwords that wait to be checked

WRONG = Reply(535, "5.7.8", "authentication credentials invalid")
NOT_AVAILABLE = Reply(454, "4.7.0", "temporary authentication failure, try again later")

Challenge = Callable[[bytes], Awaitable[bytes]]
"""Sends a challenge and gives the client's answer, both without base64; raises Refused."""


@dataclass(frozen=True)
class Credentials:
    """What a client says of itself."""

    username: str
    password: Secret


def decode_base64(text: str) -> bytes:
    """The octets of an initial response or an answer (RFC 4954 section 4); raises Refused."""
    try:
        return base64.b64decode(b"" if text == "=" else text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise refused(501, "5.5.2", "cannot decode base64") from None


def challenge(octets: bytes) -> Reply:
    """The 334 reply that carries a challenge."""
    return Reply(334, "", base64.b64encode(octets).decode("ascii"))


def parse_answer(line: bytes) -> bytes:
    """What a client answers to a challenge; raises Refused where it gives up with "*"."""
    if line == b"*":
        raise refused(501, "5.7.0", "authentication cancelled")
    return decode_base64(line.decode("ascii", "replace"))


async def plain(initial: bytes | None, ask: Challenge) -> Credentials:
    """RFC 4616. Acting as somebody else (an authorization identity) is not offered."""
    response = await ask(b"") if initial is None else initial
    parts = response.split(b"\0")
    if len(parts) != 3:
        raise refused(501, "5.5.2", "malformed PLAIN response")
    acting_as, username, password = parts
    if acting_as not in (b"", username):
        raise Refused(WRONG)
    return _credentials(username, password)


async def login(initial: bytes | None, ask: Challenge) -> Credentials:
    """The LOGIN mechanism, which never became an RFC; old programs know no other."""
    username = await ask(b"Username:") if initial is None else initial
    return _credentials(username, await ask(b"Password:"))


MECHANISMS: dict[str, Callable[[bytes | None, Challenge], Awaitable[Credentials]]] = {"PLAIN": plain, "LOGIN": login}


def throttle_keys(client: Client, username: str) -> tuple[str, ...]:
    """What failures are counted by; a network of IPv6 counts as one address, since it is one customer's."""
    who = username.lower()[:64]
    if client.is_loopback and client.unix_user:
        return (f"smtp unix:{client.unix_user} {who}",)
    if client.ip.version == 6:
        return (f"smtp {ipaddress.ip_network((client.ip, 64), strict=False)} {who}",)
    return (f"smtp {client.address} {who}",)


class Authenticator:
    """Checks credentials; one for a program."""

    def __init__(self, database: Database, users: UserDirectory) -> None:
        self._database = database
        self._users = users
        self._pool = ThreadPoolExecutor(THREADS, "password")
        self._waiting = 0

    async def log_in(self, session: str, client: Client, credentials: Credentials) -> PanelUser:
        """The user whose credentials these are; raises Refused."""
        keys = throttle_keys(client, credentials.username)
        try:
            await self._refuse_blocked(keys)
            user = await self._authenticate(credentials)
            await self._count(keys, failed=user is None)
        except AccountError as error:
            maillog.directory_trouble(error)
            raise Refused(NOT_AVAILABLE) from error
        except DatabaseError as error:
            maillog.database_trouble(session, error)
            raise Refused(NOT_AVAILABLE) from error
        if user is None:
            raise Refused(WRONG)
        return user

    async def _refuse_blocked(self, keys: tuple[str, ...]) -> None:
        seconds = await self._database.aread(lambda tx: throttle.blocked_for(tx, keys, time.time()))
        if seconds > 0:
            raise refused(454, "4.7.0", f"too many failures, try again in {seconds} seconds")

    async def _authenticate(self, credentials: Credentials) -> PanelUser | None:
        if self._waiting >= MAX_WAITING:
            raise Refused(NOT_AVAILABLE)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._pool, self._users.authenticate, credentials.username, credentials.password.reveal()
            )
        finally:
            self._waiting -= 1

    async def _count(self, keys: tuple[str, ...], *, failed: bool) -> None:
        now = time.time()
        if failed:
            await self._database.awrite(lambda tx: throttle.record_failure(tx, keys, now))
        elif await self._database.aread(lambda tx: throttle.has_failed(tx, keys)):
            await self._database.awrite(lambda tx: throttle.clear(tx, keys))

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _credentials(username: bytes, password: bytes) -> Credentials:
    try:
        return Credentials(username.decode("utf-8"), Secret(password.decode("utf-8")))
    except UnicodeDecodeError:
        raise Refused(WRONG) from None
