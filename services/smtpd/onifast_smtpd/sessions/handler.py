# ruff: noqa: N802, ARG002 -- aiosmtpd names the hooks, and says what each is given
"""The handler: what we decide about each command, behind the hooks by which aiosmtpd hands it over.

`SmtpCommands` has taken the line apart and found the command in order; a hook judges it, with `policy`, `intake` and
`authenticator`, changes session and envelope where it is accepted, and gives the Reply or raises Refused with it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from aiosmtpd.proxy_protocol import ProxyData
from aiosmtpd.smtp import AuthResult, auth_mechanism
from onifast_shared.accounts.panel_users import PanelUser, UserDirectoryMissing, UserFileError
from onifast_shared.db.errors import DatabaseError
from onifast_shared.machine.counting import observe
from onifast_shared.values.address import Address
from onifast_shared.values.reply import Reply

from onifast_smtpd import maillog, policy
from onifast_smtpd.clients.client import identify_proxied, speaks_for_others
from onifast_smtpd.clients.session import ClientSession
from onifast_smtpd.intake import check
from onifast_smtpd.login import auth, sasl
from onifast_smtpd.policy import Cost
from onifast_smtpd.protocol import extensions, proxy, replies, xclient
from onifast_smtpd.protocol.command import Bare, Path, parse_helo
from onifast_smtpd.protocol.parameters import NO_MAIL_OPTIONS, MailOptions, RcptOptions
from onifast_smtpd.protocol.replies import Refused, refused
from onifast_smtpd.receiver import Receiver
from onifast_smtpd.transaction import MailTransaction

MAX_LOGIN_FAILURES = 3
LOGIN_CHECKED_EVERY = 5.0  # seconds


class Server(Protocol):
    """What a hook may ask of the protocol that calls it."""

    session: ClientSession

    def charge(self, cost: Cost) -> None:
        """Counts what a command costs besides its reply; raises Refused where it is too much."""

    async def challenge_auth(self, challenge: str | bytes) -> bytes:
        """Sends a challenge and gives the client's answer, both without base64; raises Refused."""


class MailHandler:
    """The hooks of a receiver; one for all its sessions."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._settings = receiver.settings

    # Greeting

    async def handle_EHLO(
        self, server: Server, session: ClientSession, envelope: MailTransaction, hostname: str, responses: list[str]
    ) -> list[str]:
        """The lines of the reply, without their codes: `responses` and what is offered to this client now."""
        session.host_name = hostname
        settings, tls = self._settings, session.tls is not None
        offers = [*responses, *extensions.offered(settings, tls=tls, may_hold=session.may_hold, now=time.time())]
        if self.may_say_xclient(session):
            offers.append(xclient.KEYWORD)
        if self.offers_starttls(session):
            offers.append("STARTTLS")
        if session.user is None and policy.offers_auth(session.client, settings, tls=tls):
            mechanisms = await self._receiver.authenticator.offered(session.client, self.binding(session), tls=tls)
            offers.append("AUTH " + " ".join(mechanisms))
        return offers

    async def handle_HELO(
        self, server: Server, session: ClientSession, envelope: MailTransaction, hostname: str
    ) -> Reply:
        """Takes the name that the client gives itself."""
        session.host_name = hostname
        return replies.hello(self._settings.hostname)

    def offers_starttls(self, session: ClientSession) -> bool:
        """Whether this client may begin TLS now."""
        certificate = self._receiver.certificates.context() is not None
        tls = session.tls is not None
        return policy.offers_starttls(session.client, self._settings, tls=tls, certificate=certificate)

    # Proxies

    async def handle_PROXY(
        self, server: Server, session: ClientSession, envelope: MailTransaction, proxy_data: ProxyData
    ) -> bool:
        """Makes the session that of the proxy's client; raises ProxyError."""
        end = proxy.client_end(proxy_data)
        if end is not None:
            client = identify_proxied(session.client, end, self._settings)
            client = await self._receiver.owners.find(client, proxy.proxy_end(proxy_data))
            maillog.proxied(session.name, session.client, client)
            session.client, session.tls = client, proxy.tls_of(proxy_data)
        return True

    async def handle_XCLIENT(
        self, server: Server, session: ClientSession, envelope: MailTransaction, told: dict[str, str | None]
    ) -> None:
        """The same by Postfix's command. Whoever the proxy says is there cannot say XCLIENT again.

        Raises Refused.
        """
        client, helo = xclient.client_of(told, session.client, self._settings), told.get("HELO")
        session.host_name = parse_helo(helo) if helo else None
        session.extended_smtp = (told.get("PROTO") or "ESMTP").upper() == "ESMTP"
        if login := told.get("LOGIN"):
            user = await self._active_user(login, self._receiver.users.find)
            if user is None:
                raise refused(550, "5.7.8", "LOGIN of XCLIENT is no user here")
            session.log_in(user)
        maillog.proxied(session.name, session.client, client)
        session.client = client
        session.told_of_client = "ADDR" in told or "LOGIN" in told

    def may_say_xclient(self, session: ClientSession) -> bool:
        """Whether it is a proxy, and has not handed over to its client yet."""
        networks = self._settings.xclient_networks
        if session.told_of_client or session.messages or not networks:
            return False
        return speaks_for_others(session.client, networks, self._settings)

    # Login: a mechanism is an `auth_` method, as aiosmtpd finds them

    @auth_mechanism("PLAIN")
    async def auth_PLAIN(self, server: Server, args: list[str]) -> AuthResult:
        """RFC 4616."""
        return await self._log_in(server, args)

    @auth_mechanism("LOGIN")
    async def auth_LOGIN(self, server: Server, args: list[str]) -> AuthResult:
        """The mechanism that never became an RFC."""
        return await self._log_in(server, args)

    @auth_mechanism(sasl.SCRAM)
    async def auth_SCRAM(self, server: Server, args: list[str]) -> AuthResult:
        """RFC 7677."""
        return await self._log_in(server, args)

    @auth_mechanism(sasl.SCRAM_PLUS)
    async def auth_SCRAM_PLUS(self, server: Server, args: list[str]) -> AuthResult:
        """RFC 7677, bound to the TLS connection (RFC 5929)."""
        return await self._log_in(server, args)

    async def _log_in(self, server: Server, args: list[str]) -> AuthResult:
        """Who logs in by the mechanism `args[0]`, maybe with an initial response; raises Refused."""
        session, mechanism = server.session, args[0]
        first = sasl.decode_base64(args[1]) if args[1:] else None
        attempt = auth.LoginAttempt(
            session.name, session.client, mechanism, first, server.challenge_auth, self.binding(session)
        )
        try:
            login = await self._receiver.authenticator.log_in(attempt)
        except auth.LoginFailed as failure:
            raise Refused(_login_failed(session, failure)) from failure
        maillog.logged_in(session.name, session.client, login.user.username, login.mechanism, login.app_password)
        return AuthResult(success=True, auth_data=login.user)

    def binding(self, session: ClientSession) -> bytes | None:
        """What SCRAM-SHA-256-PLUS binds a login to, if it can be offered."""
        if session.tls is None or sasl.SCRAM_PLUS not in self._settings.auth_mechanisms:
            return None
        return session.tls.end_point

    async def check_login(self, session: ClientSession) -> None:
        """Raises Refused if the user who logged in is gone, or has another password.

        A session can last for days, and a name be given out anew.
        """
        if session.user is None or time.monotonic() - session.login_checked < LOGIN_CHECKED_EVERY:
            return
        now = await self._active_user(session.user.username, self._receiver.users.get)
        if now is None or (now.password_hash, now.scram) != (session.user.password_hash, session.user.scram):
            raise Refused(replies.LOGIN_ENDED)
        session.login_checked = time.monotonic()

    async def _active_user(self, username: str, find: Callable[[str], PanelUser | None]) -> PanelUser | None:
        try:
            user = await asyncio.to_thread(find, username)
        except (UserFileError, UserDirectoryMissing) as error:
            maillog.directory_trouble(error)
            raise Refused(replies.NOT_NOW) from error
        except DatabaseError as error:
            maillog.database_trouble("login", error)
            raise Refused(replies.NOT_NOW) from error
        return None if user is None or user.disabled else user

    # Mail transactions

    async def handle_MAIL(
        self,
        server: Server,
        session: ClientSession,
        envelope: MailTransaction,
        address: Path,
        mail_options: MailOptions,
    ) -> Reply:
        """Begins a transaction, under a queue id that every reply and log line on it will have."""
        session.messages += 1
        try:
            self._judge_mail(session, address, mail_options)
            queue_id = f"{session.name}.{session.messages}"
            await self._receiver.intake.begin(envelope, session.origin, address, mail_options, queue_id)
        except Refused as refusal:
            self._receiver.refusals.record(refusal, "MAIL", session.origin, address)
            raise
        return replies.SENDER_OK

    def _judge_mail(self, session: ClientSession, path: Path, options: MailOptions) -> None:
        settings, tls = self._settings, session.tls is not None
        check(None if self._receiver.has_room_on_disk() else replies.STORAGE_FULL)
        room = self._receiver.room_for(session.client) if options.size else 0
        check(policy.judge_mail(path, options, settings, room=room))
        if options is not NO_MAIL_OPTIONS:
            check(policy.judge_extensions(options, settings, tls=tls, may_hold=session.may_hold, now=time.time()))

    async def handle_RCPT(
        self,
        server: Server,
        session: ClientSession,
        envelope: MailTransaction,
        address: Address | Bare,
        rcpt_options: RcptOptions,
    ) -> Reply:
        """Takes one more recipient."""
        before = len(envelope.rcpt_tos)
        try:
            await self._receiver.intake.add_recipient(envelope, address, rcpt_options)
        except Refused as refusal:
            self._receiver.refusals.record(refusal, "RCPT", envelope.origin, envelope.sender, [address])
            raise
        if len(envelope.rcpt_tos) == before:
            server.charge(Cost.PUT_OFF)  # the same one again: no limit of recipients would end that
        return replies.RECIPIENT_OK

    async def handle_DATA(self, server: Server, session: ClientSession, envelope: MailTransaction) -> Reply:
        """Takes the message that the envelope holds, by DATA or BDAT. After 250 it is on disk."""
        began = time.monotonic()
        await self._receiver.intake.take(envelope)
        observe("accept_seconds", time.monotonic() - began)
        return Reply(250, "2.0.0", f"message accepted, queued as {envelope.queue_id}")

    # The rest

    async def handle_RSET(self, server: Server, session: ClientSession, envelope: MailTransaction) -> Reply:
        """The transaction is forgotten already."""
        return replies.OK

    async def handle_NOOP(
        self, server: Server, session: ClientSession, envelope: MailTransaction, arg: str | None
    ) -> Reply:
        """Nothing to decide."""
        return replies.OK

    async def handle_VRFY(
        self, server: Server, session: ClientSession, envelope: MailTransaction, address: str
    ) -> Reply:
        """Who exists here is for RCPT to find out, one at a time (RFC 5321 section 7.3)."""
        return replies.CANNOT_VERIFY

    async def handle_QUIT(self, server: Server, session: ClientSession, envelope: MailTransaction) -> Reply:
        """Nothing holds the client."""
        return replies.BYE


def _login_failed(session: ClientSession, failure: auth.LoginFailed) -> Reply:
    maillog.login_failed(session.name, session.client, failure.username, failure.reply.text)
    session.login_failures += 1
    if session.login_failures >= MAX_LOGIN_FAILURES:
        return Reply(421, "4.7.0", "too many failed logins, closing")
    return failure.reply
