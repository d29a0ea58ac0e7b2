"""Authentication (RFC 4954): PLAIN, LOGIN and SCRAM against the panel's users and their app passwords.

Passwords are checked in a small pool of threads, so that no session waits for another's hash, and no client has more
than its share of the pool. Failures are counted in the database by address and user, so a lock-out holds for every
process; on loopback the Unix user takes the place of the address that all sites share.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from weakref import WeakValueDictionary

from onifast_shared.accounts import audit, scram_verifier, second_factor, throttle
from onifast_shared.accounts.audit import Actor
from onifast_shared.accounts.panel_users import AccountError, PanelUser
from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.machine.config import Settings
from onifast_shared.machine.log import Secret
from onifast_shared.recipients.login_directory import LoginDirectory, LoginName
from onifast_shared.values.reply import Reply

from onifast_smtpd import maillog
from onifast_smtpd.clients.client import Client
from onifast_smtpd.login import scram
from onifast_smtpd.login.keyring import Challenge, Keyring, PasswordMatch
from onifast_smtpd.login.places import Places, is_one_client, place_of
from onifast_smtpd.login.sasl import EXCHANGES, SCRAM, SCRAM_PLUS, WRONG, Ask
from onifast_smtpd.protocol.replies import Refused, refused

THREADS = 2  # a password hash takes a whole core for a while
MAX_WAITING = 64  # passwords that wait to be checked
MAX_WAITING_EACH = 16  # of one client
GUESSES_AT_ONCE = 4  # of one client for one user; more would be heard before the first failure counts
NONCE_OCTETS = 18
CHALLENGE_SECONDS = 0.02  # what a challenge takes by the clock, however long it took to find

BY_PROOF = (SCRAM, SCRAM_PLUS)

NOT_AVAILABLE = Reply(454, "4.7.0", "temporary authentication failure, try again later")
NOT_BY_PROOF = Reply(535, "5.7.8", f"{WRONG.text}; if they are right, log in with PLAIN once, then SCRAM works too")


# RFC 4954 section 6: the password alone is too weak. What others say in such a case: people search for these words.
NEEDS_APP_PASSWORD = Reply(
    534,
    "5.7.9",
    "application-specific password required: this user has two-step sign-in; make an app password in the webmail,"
    " under Settings, and log in with it",
)


class LoginFailed(Refused):
    """Somebody who calls themselves `username` may not log in."""

    def __init__(self, username: str, reply: Reply) -> None:
        super().__init__(reply)
        self.username = username


@dataclass(frozen=True)
class LoginAttempt:
    """One AUTH command. `binding` is the channel binding that -PLUS is offered with, None where it is not offered."""

    session: str
    client: Client
    mechanism: str
    initial: bytes | None
    ask: Ask
    binding: bytes | None


@dataclass(frozen=True)
class Login:
    """Who logged in, and how; `app_password` is the name of the one that was used."""

    user: PanelUser
    mechanism: str
    app_password: str | None


def offered(mechanisms: Sequence[str], binding: bytes | None) -> tuple[str, ...]:
    """Those of the mechanisms that can be used, the best one first; -PLUS only where the channel can be bound."""
    return tuple(name for name in mechanisms if name != SCRAM_PLUS or binding is not None)


def throttle_keys(client: Client, username: str) -> tuple[str, ...]:
    """What failures are counted by."""
    return (f"{_key_of(client)} {username.lower()[:64]}",)


class Authenticator:
    """Checks who clients are; one for a program. `pause` waits for some seconds."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        users: LoginDirectory,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._login_delay = settings.login_delay
        self._database = database
        self._keyring = Keyring(database, users, enrols=SCRAM in settings.auth_mechanisms)
        self._places = Places(database, self._keyring)
        self._mechanisms = settings.auth_mechanisms
        self._pause = pause
        self._pool = ThreadPoolExecutor(THREADS, "password")
        self._waiting: Counter[str] = Counter()
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def offered(self, client: Client, binding: bytes | None, *, tls: bool) -> tuple[str, ...]:
        """The mechanisms to offer that client, the best one first.

        In the clear SCRAM always stands first: there a client that looks for itself takes no other.
        """
        names = offered(self._mechanisms, binding)
        words = tuple(name for name in names if name not in BY_PROOF)
        if not tls or words in ((), names) or await self._places.suits_scram(client):
            return names
        return words

    async def log_in(self, attempt: LoginAttempt) -> Login:
        """Who the client is; raises LoginFailed, and Refused for what is no login at all."""
        if attempt.mechanism in BY_PROOF:
            return await self._log_in_by_scram(attempt)
        credentials = await EXCHANGES[attempt.mechanism](attempt.initial, attempt.ask)
        name = await self._named(attempt, credentials.username)
        return await self._judge(attempt, name, lambda: self._check(attempt.client, name, credentials.password))

    async def _log_in_by_scram(self, attempt: LoginAttempt) -> Login:
        message = await attempt.ask(b"") if attempt.initial is None else attempt.initial
        with _in_smtp():
            first = scram.parse_client_first(message)
        username = scram_verifier.prepared(first.username)
        plus = attempt.mechanism == SCRAM_PLUS
        with _in_smtp(username):
            scram.check_binding(first, plus=plus, offers_plus=attempt.binding is not None)
        if first.acting_as != first.username:
            raise LoginFailed(username, WRONG)
        name, challenge = await self._challenge(attempt, username)
        channel = attempt.binding if plus and attempt.binding else b""
        exchange = scram.Exchange(first, challenge.parameters, secrets.token_urlsafe(NONCE_OCTETS), channel)
        answer = await attempt.ask(exchange.server_first)
        with _in_smtp(username):
            proof = exchange.parse_client_final(answer)
        # Asked for anew: a client may take minutes to answer, and a password may be revoked in one of them.
        found = (await self._challenge_for(attempt, name)).matching(lambda verifier: scram.fits(verifier, proof))
        login = await self._judge(attempt, name, _given(found.matched if found else None))
        if found is not None:
            # RFC 4954 section 4: what comes with success goes in a challenge of its own, answered with nothing.
            await attempt.ask(scram.server_final(found.verifier, proof))
        return login

    async def _challenge(self, attempt: LoginAttempt, username: str) -> tuple[LoginName, Challenge]:
        loop = asyncio.get_running_loop()
        end = loop.time() + CHALLENGE_SECONDS
        name = await self._named(attempt, username)
        challenge = await self._challenge_for(attempt, name)
        # Nobody counts how often a challenge is asked for, and a file that is there takes longer than none.
        await asyncio.sleep(end - loop.time())
        return name, challenge

    async def _named(self, attempt: LoginAttempt, username: str) -> LoginName:
        if "@" not in username:
            return LoginName.of(username)
        with _trouble_is_ours(attempt, username):
            return await asyncio.to_thread(self._keyring.named, username)

    async def _challenge_for(self, attempt: LoginAttempt, name: LoginName) -> Challenge:
        with _trouble_is_ours(attempt, name.typed):
            # Not in the pool: nothing here takes long, and nothing waits for those who guess.
            return await asyncio.to_thread(self._keyring.challenge, name)

    async def _judge(
        self, attempt: LoginAttempt, name: LoginName, check: Callable[[], Awaitable[PasswordMatch | None]]
    ) -> Login:
        """What a check comes to, with the failures before it and the wait after it.

        Failures count for the account, whichever of its names was tried.
        """
        username = name.account
        keys = throttle_keys(attempt.client, username)
        turn = self._turns.setdefault(keys[0], asyncio.Semaphore(GUESSES_AT_ONCE))
        async with turn:
            with _trouble_is_ours(attempt, name.typed):
                await self._refuse_blocked(attempt.client, name, keys)
                matched = await check()
                await self._count(attempt.client, username, keys, failed=matched is None)
        if matched is None:
            raise LoginFailed(name.typed, await self._wrong(attempt))
        with _trouble_is_ours(attempt, name.typed):
            await self._refuse_password_alone(name.typed, matched)
        await self._note_use(attempt.client, matched)
        return Login(matched.user, attempt.mechanism, matched.app_password.name if matched.app_password else None)

    async def _refuse_password_alone(self, username: str, matched: PasswordMatch) -> None:
        """The panel password of a user with a second factor is but the first one."""
        if matched.app_password is None and await self._database.aread(
            lambda tx: second_factor.is_on(tx, matched.user.username)
        ):
            raise LoginFailed(username, NEEDS_APP_PASSWORD)

    async def _wrong(self, attempt: LoginAttempt) -> Reply:
        """What a wrong password is told. A proof may be wrong because we have no verifier, whoever the name is of."""
        if attempt.mechanism not in BY_PROOF:
            return WRONG
        await self._places.note_scram_failure(attempt.client)
        return NOT_BY_PROOF if "PLAIN" in self._mechanisms else WRONG

    async def _refuse_blocked(self, client: Client, name: LoginName, keys: tuple[str, ...]) -> None:
        now, username = time.time(), name.account

        def blocked_for(tx: Connection) -> int:
            sprayer = throttle.sprayer_blocked_for(tx, _key_of(client), now) if is_one_client(client) else 0
            stranger = (
                0 if self._places.knows(tx, client, username, now) else throttle.user_blocked_for(tx, username, now)
            )
            return max(throttle.blocked_for(tx, keys, now), sprayer, stranger)

        seconds = await self._database.aread(blocked_for)
        if seconds > 0:
            text = f"too many failures, try again in {seconds} seconds"
            raise LoginFailed(name.typed, Reply(454, "4.7.0", text))

    async def _check(self, client: Client, name: LoginName, password: Secret) -> PasswordMatch | None:
        place = _key_of(client)
        if self._waiting.total() >= MAX_WAITING or self._waiting[place] >= MAX_WAITING_EACH:
            raise LoginFailed(name.typed, NOT_AVAILABLE)
        self._waiting[place] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._keyring.open, name, password)
        finally:
            self._waiting -= Counter({place: 1})

    async def _count(self, client: Client, username: str, keys: tuple[str, ...], *, failed: bool) -> None:
        now, is_somebody = time.time(), False

        def record(tx: Connection) -> int:
            if not self._places.knows(tx, client, username, now):
                throttle.record_strangers_failure(tx, username, now)
            failures = throttle.record_failure(tx, keys, now)
            if failures == throttle.FREE_FAILURES and is_somebody:
                # Once for a place: those that follow are not heard, or come after a wait.
                who = Actor("", "smtp", client.address)
                audit.record(tx, who, "login.lockout", owner=username, object=f"place:{place_of(client)}", now=now)
            return failures

        if failed:
            is_somebody = await asyncio.to_thread(self._keyring.is_somebody, username)
            failures = await self._database.awrite(record)
            await self._pause(throttle.delay_after(failures, self._login_delay))
        elif await self._database.aread(lambda tx: throttle.has_failed(tx, keys)):
            await self._database.awrite(lambda tx: throttle.clear(tx, keys))

    async def _note_use(self, client: Client, matched: PasswordMatch) -> None:
        where = f"{client.address} ({client.unix_user})" if client.unix_user else client.address
        with contextlib.suppress(DatabaseError):  # who may log in, may log in
            await self._keyring.note_use(matched, time.time(), where)
        await self._places.note_login(client, matched.user.username, app_password=matched.app_password)

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _key_of(client: Client) -> str:
    """What failures of a place are counted by; those over HTTP have keys of their own."""
    return f"smtp {place_of(client)}"


def _given(matched: PasswordMatch | None) -> Callable[[], Awaitable[PasswordMatch | None]]:
    """A check whose outcome is known."""

    async def check() -> PasswordMatch | None:
        return matched

    return check


@contextlib.contextmanager
def _trouble_is_ours(attempt: LoginAttempt, username: str) -> Iterator[None]:
    """Users or counts that cannot be read: temporary trouble for the client, a line in the log for us."""
    try:
        yield
    except AccountError as error:
        maillog.directory_trouble(error)
        raise LoginFailed(username, NOT_AVAILABLE) from error
    except DatabaseError as error:
        maillog.database_trouble(attempt.session, error)
        raise LoginFailed(username, NOT_AVAILABLE) from error


@contextlib.contextmanager
def _in_smtp(username: str | None = None) -> Iterator[None]:
    """What SCRAM refuses, as SMTP refuses it."""
    try:
        yield
    except scram.BindingRefused as error:
        raise LoginFailed(username or "", Reply(535, "5.7.8", str(error))) from None
    except scram.ScramError as error:
        raise refused(501, "5.5.2", str(error)) from None
