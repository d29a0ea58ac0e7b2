"""One connection to an SMTP server: greeting, EHLO, TLS and AUTH, up to where mail transactions begin."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

from onifast_shared.machine.log import Secret
from onifast_shared.tracing import masking
from onifast_shared.tracing.recorder import Transcript
from onifast_shared.values.reply import Deferred, Failed, Reply, ReplyError, Trail

from onifast_outbox.smtp.stopwatch import Stopwatch
from onifast_outbox.smtp.wire import ClientWire, Timeouts, TlsError, WireError, printable
from onifast_outbox.tls_policy.certificates import CertificateRefused, CertificateVerifier
from onifast_outbox.tls_policy.requirement import (
    OPPORTUNISTIC,
    Assurance,
    Requirement,
    ResultType,
    TlsLevel,
    TlsTrouble,
)

MOST_HEARD = 16
"""Replies of one line that a connection remembers, so that they need not be parsed again."""


class Security(Enum):
    """How a connection is to be protected."""

    NONE = "none"
    OPPORTUNISTIC = "opportunistic"
    STARTTLS = "starttls"
    IMPLICIT = "tls"


@dataclass(frozen=True)
class Hop:
    """A server to talk to: its name, one of its IP addresses, and the port."""

    host: str
    address: str
    port: int

    def __str__(self) -> str:
        return str(self.trail)

    @property
    def trail(self) -> Trail:
        """An attempt that came no further than to name the server."""
        return Trail(self.host, self.address, self.port)


@dataclass(frozen=True)
class Access:
    """How to present ourselves, and what to insist on.

    `tls` is needed unless `security` is NONE; `verifier` tells whether the connection meets `requirement`. A server
    that greets with a name of `loop_names` is ourselves. `source` is the address of ours to connect from, where it is
    not the system's choice.
    """

    helo_name: str
    security: Security
    tls: ssl.SSLContext | None = None
    requirement: Requirement = OPPORTUNISTIC
    verifier: CertificateVerifier = field(default_factory=CertificateVerifier)
    credentials: tuple[str, Secret] | None = None
    loop_names: frozenset[str] = frozenset()
    source: str | None = None
    transcript: Callable[[Hop], Transcript | None] | None = None
    """What takes the dialogue with a server down, if anything does."""


class HopFailed(Exception):
    """This server cannot be used now, for reasons that concern no single message.

    `outcome` is Failed where the server itself said that it will never take our mail. `trouble` says what it was about
    encryption, if that was it, `sending_ip` which address of ours was in use then; `ourselves` is true when the server
    is this machine.
    """

    def __init__(
        self,
        outcome: Deferred | Failed,
        *,
        trouble: TlsTrouble | None = None,
        sending_ip: str = "",
        ourselves: bool = False,
    ) -> None:
        super().__init__(str(outcome.reply))
        self.outcome = outcome
        self.trouble = trouble
        self.sending_ip = sending_ip
        self.ourselves = ourselves


class SmtpSession:
    """A connection past its greeting, encrypted and logged in as asked, ready for mail transactions."""

    def __init__(self, wire: ClientWire, hop: Hop, access: Access, timeouts: Timeouts, watch: Stopwatch) -> None:
        self.hop = hop
        self.extensions: dict[str, str] = {}
        self.sent = 0
        self.idle_since = 0.0  # for whoever keeps it, on the loop's clock
        self.assurance = Assurance()
        self._wire = wire
        self._access = access
        self._timeouts = timeouts
        self._watch = watch
        self._usable = True
        self._heard: dict[bytes, Reply] = {}
        self._transcript: Transcript | None = None

    @classmethod
    async def open(cls, hop: Hop, access: Access, timeouts: Timeouts, watch: Stopwatch | None = None) -> Self:
        """Connects, greets, encrypts and logs in as `access` says. Raises HopFailed.

        `watch` has the time that it took to find the server; it goes on with this connection's first message.
        """
        watch = watch or Stopwatch()
        watch.enter("connect")
        transcript = access.transcript(hop) if access.transcript is not None else None
        try:
            wire = await ClientWire.connect(hop.address, hop.port, timeout=timeouts.connect, source=access.source)
        except WireError as error:
            trail = Trail(hop.host, hop.address, hop.port, stages=watch.stages())
            if transcript is not None:
                transcript.said("note", f"{hop}: {error}")
                transcript.ended()
            raise HopFailed(Deferred(Reply(451, "4.4.1", f"{hop}: {error}"), trail)) from error
        client = cls(wire, hop, access, timeouts, watch)
        client._transcript = transcript
        client.remark(f"connected to {hop}")
        try:
            await client._begin()
        except WireError as error:
            client.remark(str(error))
            client.abort()
            raise client._failure(error) from error
        except BaseException:
            client.abort()
            raise
        watch.stop()
        return client

    @property
    def usable(self) -> bool:
        """Whether another transaction may be tried on this connection."""
        return self._usable and not self._wire.broken

    @property
    def tls(self) -> str:
        """The TLS version and cipher in use, or the empty string."""
        return self._wire.tls

    @property
    def trail(self) -> Trail:
        """How far this message has come on this connection."""
        hop, level = self.hop, self.assurance.level.value
        return Trail(hop.host, hop.address, hop.port, self.tls, level, self._watch.stages())

    @property
    def local_address(self) -> str:
        """Our own IP address on this connection, or the empty string."""
        return self._wire.local_address

    async def quit(self) -> None:
        """Takes leave as politely as the peer lets us, and closes."""
        try:
            if self._usable:
                await self._command("QUIT", self._timeouts.quit)
        except WireError:
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Closes the connection at once. The server drops a message whose final dot it has not seen."""
        self._usable = False
        self._wire.abort()
        if self._transcript is not None:
            self.remark("connection closed")
            self._transcript.ended()
            self._transcript = None

    def take_down(self) -> None:
        """Has what is said from now on written down, if somebody watches since this connection was opened."""
        if self._transcript is None and self._access.transcript is not None and self.sent:
            self._transcript = self._access.transcript(self.hop)
            self.remark(f"goes on over a connection to {self.hop}, {self.tls or 'not encrypted'}")

    def remark(self, text: str) -> None:
        """Notes what happened besides what is said, where somebody watches."""
        if self._transcript is not None:
            self._transcript.said("note", text)

    async def _begin(self) -> None:
        access = self._access
        if access.security is Security.IMPLICIT:
            await self._shake_hands()
        self._watch.enter("greeting")
        greeting = await self._reply(self._timeouts.greeting)
        self._insist(greeting, "greeting")
        if greeting.text.split(" ", 1)[0].split("\n")[0].lower().rstrip(".") in access.loop_names:
            reply = Reply(554, "5.4.6", f"{self.hop} is this machine: the mail would go round in a circle")
            raise HopFailed(Failed(reply, self.trail), ourselves=True)
        await self._hello()
        if access.security in (Security.OPPORTUNISTIC, Security.STARTTLS):
            await self._encrypt()
        if access.credentials:
            self._watch.enter("login")
            await self._authenticate(*access.credentials)

    async def _hello(self) -> None:
        name = self._access.helo_name
        self._watch.enter("ehlo")
        reply = await self._command(f"EHLO {name}", self._timeouts.command)
        if reply.code // 100 == 2:
            words = [line.partition(" ") for line in reply.text.split("\n")[1:]]
            self.extensions = {keyword.upper(): parameter.upper() for keyword, _, parameter in words}
            return
        self.extensions = {}
        if reply.is_permanent:
            # A server from before ESMTP (RFC 5321 section 3.2).
            reply = await self._command(f"HELO {name}", self._timeouts.command)
        self._insist(reply, "EHLO")

    async def _encrypt(self) -> None:
        required = self._access.security is Security.STARTTLS
        if "STARTTLS" not in self.extensions:
            return self._no_tls("the server does not offer STARTTLS", required)
        self._watch.enter("tls")
        try:
            reply = await self._command("STARTTLS", self._timeouts.command)
        except WireError as error:
            raise TlsError(f"TLS: {error}") from error
        if reply.code != 220:
            return self._no_tls(f"the server refused STARTTLS: {reply}", required)
        await self._shake_hands()
        # What was said in the clear does not count any more (RFC 3207 section 4.2).
        await self._hello()
        return None

    async def _shake_hands(self) -> None:
        self._watch.enter("tls")
        access, requirement = self._access, self._access.requirement
        assert access.tls is not None  # noqa: S101 - see Access
        name = requirement.names[0] if requirement.names else self.hop.host
        await self._wire.start_tls(access.tls, name, self._timeouts.command)
        try:
            self.assurance = access.verifier.assure(requirement, self.hop.host, self._wire.peer_chain)
        except CertificateRefused as refused:
            raise TlsError(f"TLS: {refused}", refused.trouble.kind) from refused
        finally:
            self.remark(f"TLS: {self._wire.tls}")

    def _no_tls(self, why: str, required: bool) -> None:
        # Without the server's own words, which may be others each time: reports count what is alike.
        trouble = TlsTrouble(ResultType.STARTTLS_NOT_SUPPORTED, why.partition(":")[0])
        if required:
            because = self._access.requirement.because or "the settings ask for it"
            outcome = self._deferred("4.7.4", f"{why}, and {because}")
            raise HopFailed(outcome, trouble=trouble, sending_ip=self.local_address)
        self.assurance = Assurance(TlsLevel.NONE, trouble)

    def _failure(self, error: WireError) -> HopFailed:
        if not isinstance(error, TlsError):
            return HopFailed(self._deferred("4.4.2", str(error)))
        because = self._access.requirement.because
        text = f"{error}, and {because}" if because else str(error)
        trouble = TlsTrouble(error.kind, str(error))
        return HopFailed(self._deferred("4.7.5", text), trouble=trouble, sending_ip=self.local_address)

    async def _authenticate(self, user: str, password: Secret) -> None:
        offered = self.extensions.get("AUTH", "").split()
        if "PLAIN" in offered:
            # RFC 4616: authorisation identity (empty: the same), user, password.
            response = _b64("\0".join(("", user, password.reveal())))
            reply = await self._command(f"AUTH PLAIN {response}", self._timeouts.command)
        elif "LOGIN" in offered:
            reply = await self._login(user, password)
        else:
            raise HopFailed(self._deferred("4.7.0", "the server offers neither AUTH PLAIN nor AUTH LOGIN here"))
        if reply.code // 100 != 2:
            # A wrong password is for the administrator to mend, so the mail waits whatever the code says.
            raise HopFailed(self._deferred("4.7.8", f"the relay refused our user name and password: {reply}"))

    async def _login(self, user: str, password: Secret) -> Reply:
        reply = await self._command("AUTH LOGIN", self._timeouts.command)
        if reply.code == 334:
            reply = await self._command(_b64(user), self._timeouts.command)
        if reply.code == 334:
            reply = await self._command(_b64(password.reveal()), self._timeouts.command)
        return reply

    def _insist(self, reply: Reply, stage: str) -> None:
        """A refused session: for good only where the server says so (RFC 5321 section 3.1, RFC 7504)."""
        if reply.code // 100 == 2:
            return
        if reply.is_permanent:
            raise HopFailed(Failed(reply, self.trail))
        if reply.is_transient:
            raise HopFailed(Deferred(reply, self.trail))
        raise WireError(f"unexpected reply to {stage}: {reply}")

    def _deferred(self, enhanced: str, text: str) -> Deferred:
        """The outcome where the trouble is ours to describe, not the server's."""
        return Deferred(Reply(451, enhanced, f"{self.hop}: {text}"), self.trail)

    # Single commands; a WireError means that the connection is of no use any more

    async def _command(self, command: str, timeout: float) -> Reply:
        await self._write(f"{command}\r\n")
        return await self._reply(timeout)

    async def _write(self, text: str) -> None:
        """Sends whole command lines; a stray line end in an address or parameter must never become a command."""
        if "\r" in text.replace("\r\n", "") or "\n" in text.replace("\r\n", ""):
            raise ValueError("a command holds a bare line end")
        if self._transcript is not None:
            for line in text.splitlines():
                self._transcript.said("client", masking.masked(line.encode()))
        await self._wire.write(text.encode(), self._timeouts.command)

    async def _reply(self, timeout: float) -> Reply:
        lines = await self._wire.read_reply(timeout)
        if self._transcript is not None:
            for line in lines:
                self._transcript.said("server", masking.shown(line.decode("utf-8", "replace")))
        if len(lines) > 1:
            return _parsed(lines)
        # A server says the same to each message's commands, but for the answer to its end.
        reply = self._heard.get(lines[0])
        if reply is None:
            if len(self._heard) >= MOST_HEARD:
                self._heard.clear()
            reply = self._heard[lines[0]] = _parsed(lines)
        return reply


def _parsed(lines: Sequence[bytes]) -> Reply:
    try:
        return Reply.parse(line.decode("utf-8", "replace") for line in lines)
    except ReplyError as error:
        raise WireError(f"not an SMTP reply: {printable(lines[-1])}") from error


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
