# ruff: noqa: N802, ARG002 -- aiosmtpd names the commands' methods, and gives each an argument
"""A session: the commands that a client may give, from EHLO to QUIT (RFC 5321), and what they leave behind.

A session judges nothing itself: `command` takes lines apart, `policy` judges, `intake` takes messages.
"""

from __future__ import annotations

import asyncio
import time

from onifast_shared.accounts.panel_users import PanelUser, UserDirectoryMissing, UserFileError
from onifast_shared.values.reply import Reply

from onifast_smtpd import maillog, policy
from onifast_smtpd.clients.client import Origin, Service, speaks_for_others
from onifast_smtpd.clients.limits import Share
from onifast_smtpd.intake import MailTransaction, check
from onifast_smtpd.login import auth, sasl
from onifast_smtpd.policy import Cost
from onifast_smtpd.process.admission import SessionRank
from onifast_smtpd.protocol import extensions, replies, xclient
from onifast_smtpd.protocol.chunking import Chunk, Chunks, parse_chunk
from onifast_smtpd.protocol.command import MAX_AUTH_LINE, Path, needs_smtputf8, parse_helo, parse_mail, parse_rcpt
from onifast_smtpd.protocol.data import Collector
from onifast_smtpd.protocol.other_protocols import refuse_other_protocols
from onifast_smtpd.protocol.parameters import MailOptions, mail_options, rcpt_options
from onifast_smtpd.protocol.replies import Refused, refused
from onifast_smtpd.receiver import Receiver
from onifast_smtpd.sessions.connection import SmtpConnection, TurnedAway

MAX_LOGIN_FAILURES = 3
LOGIN_CHECKED_EVERY = 5.0  # seconds


class Session(SmtpConnection):
    """One client's session. Each command is a method of its name."""

    def __init__(self, receiver: Receiver, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(receiver, service, loop)
        self.helo = ""
        self.extended = False
        self.user: PanelUser | None = None
        self.transaction: MailTransaction | None = None
        self._chunks: Chunks | None = None
        self._login_failures = 0
        self._login_checked = 0.0
        self._told_of_client = False
        self._known_origin: Origin | None = None

    # Commands: greeting

    async def smtp_EHLO(self, hostname: str) -> Reply | None:
        """RFC 5321 section 4.1.1.1. The extensions are advertised anew: TLS and login change them."""
        self.helo = parse_helo(hostname)
        self.extended = True
        self._forget_transaction()
        settings = self._receiver.settings
        offers = [settings.hostname]
        offers += extensions.offered(settings, tls=self.tls is not None, may_hold=self._may_hold, now=time.time())
        if self._may_say_xclient:
            offers.append(xclient.KEYWORD)
        if self._offers_starttls():
            offers.append("STARTTLS")
        if self.user is None and policy.offers_auth(self.client, settings, tls=self.tls is not None):
            offers.append("AUTH " + " ".join(await self._mechanisms()))
        return replies.hello("\n".join(offers))

    async def smtp_HELO(self, hostname: str) -> Reply | None:
        """RFC 5321 section 4.1.1.1."""
        self.helo = parse_helo(hostname)
        self.extended = False
        self._forget_transaction()
        return replies.hello(self._receiver.settings.hostname)

    async def smtp_STARTTLS(self, arg: str) -> Reply | None:
        """RFC 3207. Nothing of the session survives, and nothing that came in the clear is heard after it.

        Section 4: commands that came with it may be an attacker's; who sent them is hung up on already.
        """
        _refuse_argument(arg)
        if self.tls is not None:
            raise Refused(replies.OUT_OF_ORDER)
        if not self._offers_starttls():
            raise refused(454, "4.7.0", "TLS is not available")
        self.wire.pause_reading()
        self.wire.send(replies.START_TLS)
        await self.wire.flush()
        await self.start_tls()
        self.helo, self.user = "", None
        self._forget_transaction()
        return None

    async def smtp_AUTH(self, arg: str) -> Reply | None:
        """RFC 4954 section 4."""
        self._need_helo()
        if self.user is not None or self.transaction is not None or not self.extended:
            raise Refused(replies.OUT_OF_ORDER)
        check(policy.judge_auth(self.client, self._receiver.settings, tls=self.tls is not None))
        mechanism, _, initial = arg.partition(" ")
        if not mechanism or " " in initial:
            raise refused(501, "5.5.4", "syntax: AUTH mechanism [initial-response]")
        name, binding = mechanism.upper(), self._channel_binding
        if name not in auth.offered(self._receiver.settings.auth_mechanisms, binding):
            raise refused(504, "5.5.4", "authentication mechanism not supported")
        first = sasl.decode_base64(initial) if initial else None
        attempt = auth.LoginAttempt(self.name, self.client, name, first, self._challenge, binding)
        try:
            login = await self._receiver.authenticator.log_in(attempt)
        except auth.LoginFailed as failure:
            return self._login_failed(failure.username, failure.reply)
        self.user, self._login_checked = login.user, time.monotonic()
        maillog.logged_in(self.name, self.client, login.user.username, login.mechanism, login.app_password)
        return replies.LOGGED_IN

    async def smtp_XCLIENT(self, arg: str) -> Reply | None:
        """A proxy says for whom it speaks (Postfix's XCLIENT_README); what its client says afterwards cannot."""
        if not self._may_say_xclient:
            raise refused(550, "5.7.0", "XCLIENT is for proxies")
        if self.transaction is not None or self.user is not None:
            raise Refused(replies.OUT_OF_ORDER)
        told = xclient.parse(arg)
        client, helo = xclient.client_of(told, self.client, self._receiver.settings), told.get("HELO")
        self.helo = parse_helo(helo) if helo else ""
        self.extended = (told.get("PROTO") or "ESMTP").upper() == "ESMTP"
        if login := told.get("LOGIN"):
            self.user = await self._user_of_proxy(login)
        maillog.proxied(self.name, self.client, client)
        self.client = client
        self._told_of_client = "ADDR" in told or "LOGIN" in told
        try:
            await self._admit(client)
        except TurnedAway as turned_away:
            return turned_away.reply
        self.greet()
        return None

    async def _user_of_proxy(self, login: str) -> PanelUser:
        user = await self._active_user(login)
        if user is None:
            raise refused(550, "5.7.8", "LOGIN of XCLIENT is no user here")
        self._login_checked = time.monotonic()
        return user

    async def _active_user(self, username: str) -> PanelUser | None:
        try:
            user = await asyncio.to_thread(self._receiver.users.get, username)
        except (UserFileError, UserDirectoryMissing) as error:
            maillog.directory_trouble(error)
            raise Refused(replies.NOT_NOW) from error
        return None if user is None or user.disabled else user

    async def _check_login(self) -> None:
        """A login ends with its user and their password: a session can last for days, and a name be given out anew."""
        if self.user is None or time.monotonic() - self._login_checked < LOGIN_CHECKED_EVERY:
            return
        now = await self._active_user(self.user.username)
        if now is None or (now.password_hash, now.scram) != (self.user.password_hash, self.user.scram):
            raise Refused(replies.LOGIN_ENDED)
        self._login_checked = time.monotonic()

    # Commands: transaction

    async def smtp_MAIL(self, arg: str | None) -> Reply | None:
        """RFC 5321 section 4.1.1.2."""
        self._need_helo()
        check(policy.judge_transaction(self.client, logged_in=self.user is not None))
        await self._check_login()
        if self.transaction is not None:
            raise Refused(replies.OUT_OF_ORDER)
        path, parameters = parse_mail(arg or "", strict=self._is_strict)
        options = mail_options(parameters if self.extended else _none(parameters))
        self.messages += 1
        queue_id = f"{self.name}.{self.messages}"
        origin = self._origin()
        try:
            self._judge_mail(path, options)
            self.transaction = await self._receiver.intake.begin(origin, path, options, queue_id)
        except Refused as refusal:
            self._receiver.refusals.record(refusal, "MAIL", origin, path)
            raise
        return replies.SENDER_OK

    async def smtp_RCPT(self, arg: str | None) -> Reply | None:
        """RFC 5321 section 4.1.1.3."""
        if self.transaction is None or self._chunks is not None:
            raise Refused(replies.OUT_OF_ORDER)
        path, parameters = parse_rcpt(arg or "", strict=self._is_strict)
        options = rcpt_options(parameters if self.extended else _none(parameters))
        if needs_smtputf8(path) and not self.transaction.options.smtputf8:
            raise Refused(policy.SMTPUTF8_NEEDED)
        before = len(self.transaction.targets)
        try:
            await self._receiver.intake.add_recipient(self.transaction, path, options)
        except Refused as refusal:
            self._receiver.refusals.record(refusal, "RCPT", self.transaction.origin, self.transaction.mail_from, [path])
            raise
        if len(self.transaction.targets) == before:
            self.charge(Cost.PUT_OFF)  # the same one again: no limit of recipients would end that
        return replies.RECIPIENT_OK

    async def smtp_DATA(self, arg: str) -> Reply | None:
        """RFC 5321 section 4.1.1.4. After 250 the message is on disk."""
        _refuse_argument(arg)
        transaction = self.transaction
        if transaction is None or self._chunks is not None:
            raise Refused(replies.OUT_OF_ORDER)
        if transaction.is_binary:
            raise refused(503, "5.5.1", "BINARYMIME needs BDAT")  # RFC 3030 section 3
        if not transaction.targets:
            raise Refused(replies.NO_RECIPIENTS)
        self.wire.send(replies.START_DATA)
        self.transaction = None
        try:
            with self._receiver.share_for(self.client) as share:
                raw = await self._read_message(share)
                await self._receiver.intake.take(transaction, raw)
        except Refused as refusal:
            self._record(refusal, "DATA", transaction)
            raise
        return self._accepted(transaction)

    async def smtp_BDAT(self, arg: str) -> Reply | None:
        """RFC 3030 section 2. Whatever the reply, the octets that were announced are taken off the wire."""
        chunk, limit = self._parse_chunk(arg), self._receiver.settings.max_message_size
        transaction = self.transaction
        if transaction is None or not transaction.targets:
            await self.wire.skip(chunk.size)
            raise Refused(replies.OUT_OF_ORDER if transaction is None else replies.NO_RECIPIENTS)
        if self._chunks is None:
            self._chunks = Chunks(limit, self._receiver.share_for(self.client), self._loop.time())
        chunks = self._chunks
        await self.wire.read_chunk(chunk.size, chunks.add, chunks.began, chunks.size)
        if chunks.refusal is None and not chunk.last:
            self.charge(Cost.NOTHING if chunk.size else Cost.FUTILE)
            return Reply(250, "2.0.0", f"{chunk.size} octets received")
        try:
            check(chunks.refusal)
            await self._receiver.intake.take(transaction, chunks.message())
        except Refused as refusal:
            self._record(refusal, "BDAT", transaction)
            raise
        finally:
            self._forget_transaction()
        return self._accepted(transaction)

    def _parse_chunk(self, arg: str) -> Chunk:
        """BDAT's argument. Where nobody can tell what is command and what is message from here on, the session ends."""
        ending = Reply(421, "4.7.0", "closing, since what follows BDAT is no command")
        try:
            chunk = parse_chunk(arg)
        except Refused:
            self.ending = ending
            raise
        if chunk.size > 2 * self._receiver.settings.max_message_size:
            self.ending = ending
            raise Refused(replies.TOO_LARGE)
        return chunk

    async def _read_message(self, share: Share) -> bytes:
        collector = Collector(self._receiver.settings.max_message_size)
        await self.wire.read_message(collector, share)
        if collector.too_large:
            raise Refused(replies.TOO_LARGE)
        if collector.dropped:
            raise Refused(replies.STORAGE_FULL)
        return collector.message()

    # Commands: the rest

    async def smtp_RSET(self, arg: str) -> Reply | None:
        """RFC 5321 section 4.1.1.5."""
        _refuse_argument(arg)
        self._forget_transaction()
        return replies.OK

    async def smtp_NOOP(self, arg: str) -> Reply | None:
        """RFC 5321 section 4.1.1.9."""
        return replies.OK

    async def smtp_VRFY(self, arg: str) -> Reply | None:
        """RFC 5321 section 4.1.1.6; who exists here is for RCPT to find out, one at a time (section 7.3)."""
        if not arg:
            raise refused(501, "5.5.4", "syntax: VRFY address")
        return replies.CANNOT_VERIFY

    async def smtp_EXPN(self, arg: str) -> Reply | None:
        """RFC 5321 section 4.1.1.7: lists are nobody's business."""
        return replies.NOT_IMPLEMENTED

    async def smtp_HELP(self, arg: str) -> Reply | None:
        """RFC 5321 section 4.1.1.8."""
        return Reply(214, "2.0.0", "commands: " + " ".join(self.commands))

    async def smtp_QUIT(self, arg: str) -> Reply | None:
        """RFC 5321 section 4.1.1.10."""
        _refuse_argument(arg)
        self.ending = replies.BYE
        return None

    # Helpers

    @property
    def _may_say_xclient(self) -> bool:
        """Whether it is a proxy, and has not handed over to its client yet."""
        if self._told_of_client or self.messages or not self._receiver.settings.xclient_networks:
            return False
        return speaks_for_others(self.client, self._receiver.settings.xclient_networks, self._receiver.settings)

    @property
    def _is_strict(self) -> bool:
        return self._receiver.settings.address_syntax == "strict"

    @property
    def _may_hold(self) -> bool:
        """Whether FUTURERELEASE is offered: to those who submit (RFC 4865 section 3), logged in yet or not."""
        return self.client.service.needs_login or self.may_relay

    def _accepted(self, transaction: MailTransaction) -> Reply:
        self.delivered()
        return Reply(250, "2.0.0", f"message accepted, queued as {transaction.queue_id}")

    def _record(self, refusal: Refused, verb: str, transaction: MailTransaction) -> None:
        """Makes a record of a refusal of the transaction's message."""
        self._receiver.refusals.record(refusal, verb, transaction.origin, transaction.mail_from, transaction.recipients)

    def _judge_mail(self, path: Path, options: MailOptions) -> None:
        settings, tls, may_hold = self._receiver.settings, self.tls is not None, self._may_hold
        check(policy.judge_mail(path, options, settings, room=self._receiver.room_for(self.client)))
        check(policy.judge_extensions(options, settings, tls=tls, may_hold=may_hold, now=time.time()))

    @property
    def standing(self) -> SessionRank:
        """What the session has to show."""
        here = SessionRank.TRANSACTION if self.transaction is not None else SessionRank.NOTHING
        return max(super().standing, here if self.user is None else SessionRank.SERVED)

    def release(self) -> None:
        """Gives back what the session holds; it is over."""
        self._forget_transaction()

    @property
    def may_relay(self) -> bool:
        """Whether mail of this session may go to any domain."""
        return self._origin().may_relay

    def _forget_transaction(self) -> None:
        self.transaction = None
        if self._chunks is not None:
            self._chunks.close()
            self._chunks = None

    def _origin(self) -> Origin:
        """Where what is sent now comes from: the same object as long as nothing of it changes."""
        known = self._known_origin
        if (
            known is None
            or known.client is not self.client
            or known.user is not self.user
            or known.tls is not self.tls
            or (known.helo, known.extended) != (self.helo, self.extended)
        ):
            known = self._known_origin = Origin(self.name, self.client, self.helo, self.extended, self.tls, self.user)
        return known

    def _need_helo(self) -> None:
        if not self.helo:
            raise refused(503, "5.5.1", "send EHLO first")

    def _offers_starttls(self) -> bool:
        certificate = self._receiver.certificates.context() is not None
        tls = self.tls is not None
        return policy.offers_starttls(self.client, self._receiver.settings, tls=tls, certificate=certificate)

    @property
    def _channel_binding(self) -> bytes | None:
        """What SCRAM-SHA-256-PLUS binds a login to, if it can be offered."""
        if self.tls is None or sasl.SCRAM_PLUS not in self._receiver.settings.auth_mechanisms:
            return None
        return self.tls.end_point

    async def _mechanisms(self) -> tuple[str, ...]:
        """What to offer for a login. Who asks for another one of the settings' mechanisms gets that too."""
        binding, tls = self._channel_binding, self.tls is not None
        return await self._receiver.authenticator.offered(self.client, binding, tls=tls)

    async def _challenge(self, challenge: bytes) -> bytes:
        self.wire.send_line(sasl.challenge(challenge))
        line = await self.wire.read_line(MAX_AUTH_LINE, lenient=self.client.is_loopback)
        refuse_other_protocols(line)
        return sasl.parse_answer(line)

    def _login_failed(self, username: str, reply: Reply) -> Reply:
        maillog.login_failed(self.name, self.client, username, reply.text)
        self._login_failures += 1
        if self._login_failures >= MAX_LOGIN_FAILURES:
            return Reply(421, "4.7.0", "too many failed logins, closing")
        return reply


def _refuse_argument(argument: str) -> None:
    if argument:
        raise refused(501, "5.5.4", "this command takes no argument")


def _none(parameters: dict[str, str | None]) -> dict[str, str | None]:
    """Parameters need EHLO (RFC 5321 section 4.1.1.11)."""
    if parameters:
        raise refused(555, "5.5.4", "parameters need EHLO")
    return parameters


_VERBS = "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY EXPN HELP AUTH STARTTLS XCLIENT"
Session.commands = {verb: getattr(Session, f"smtp_{verb}") for verb in _VERBS.split()}
