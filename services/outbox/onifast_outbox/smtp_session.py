"""One connection to an SMTP server: greeting, EHLO, TLS and AUTH, up to where mail transactions begin."""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass
from enum import Enum
from typing import Self

from onifast_shared.log import Secret
from onifast_shared.reply import Deferred, Failed, Reply, ReplyError

from onifast_outbox.wire import Timeouts, TlsError, Wire, WireError


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
        return self.host if self.host == self.address else f"{self.host}[{self.address}]:{self.port}"


@dataclass(frozen=True)
class Access:
    """How to present ourselves, and what to insist on.

    `tls` is needed unless `security` is NONE. A server that greets with a name of `loop_names` is ourselves.
    """

    helo_name: str
    security: Security
    tls: ssl.SSLContext | None = None
    credentials: tuple[str, Secret] | None = None
    loop_names: frozenset[str] = frozenset()


class HopFailed(Exception):
    """This server cannot be used now, for reasons that concern no single message.

    `outcome` is Failed where the server itself said that it will never take our mail. `tls` is true when encryption
    was the trouble, `ourselves` when the server is this machine.
    """

    def __init__(self, outcome: Deferred | Failed, *, tls: bool = False, ourselves: bool = False) -> None:
        super().__init__(str(outcome.reply))
        self.outcome = outcome
        self.tls = tls
        self.ourselves = ourselves


class SmtpSession:
    """A connection past its greeting, encrypted and logged in as asked, ready for mail transactions."""

    def __init__(self, wire: Wire, hop: Hop, timeouts: Timeouts) -> None:
        self.hop = hop
        self.extensions: dict[str, str] = {}
        self.sent = 0
        self._wire = wire
        self._timeouts = timeouts
        self._usable = True

    @classmethod
    async def open(cls, hop: Hop, access: Access, timeouts: Timeouts) -> Self:
        """Connect, greet, encrypt and log in as `access` says. Raises HopFailed."""
        implicit = access.security is Security.IMPLICIT
        try:
            wire = await Wire.connect(
                hop.address,
                hop.port,
                timeout=timeouts.connect,
                tls=access.tls if implicit else None,
                server_name=hop.host,
            )
        except WireError as error:
            raise HopFailed(deferred(hop, "4.4.1", str(error)), tls=isinstance(error, TlsError)) from error
        client = cls(wire, hop, timeouts)
        try:
            await client._begin(access)
        except WireError as error:
            wire.abort()
            raise HopFailed(deferred(hop, "4.4.2", str(error)), tls=isinstance(error, TlsError)) from error
        except BaseException:
            wire.abort()
            raise
        return client

    @property
    def usable(self) -> bool:
        """Whether another transaction may be tried on this connection."""
        return self._usable and not self._wire.broken

    @property
    def tls(self) -> str:
        """The TLS version and cipher in use, or the empty string."""
        return self._wire.tls

    async def quit(self) -> None:
        """Take leave as politely as the peer lets us, and close."""
        try:
            if self._usable:
                await self._command("QUIT", self._timeouts.quit)
        except WireError:
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Close the connection at once. The server drops a message whose final dot it has not seen."""
        self._usable = False
        self._wire.abort()

    async def _begin(self, access: Access) -> None:
        greeting = await self._reply(self._timeouts.greeting)
        self._insist(greeting, "greeting")
        if greeting.text.split(" ", 1)[0].split("\n")[0].lower().rstrip(".") in access.loop_names:
            reply = Reply(554, "5.4.6", f"{self.hop} is this machine: the mail would go round in a circle")
            raise HopFailed(Failed(reply, str(self.hop)), ourselves=True)
        await self._hello(access.helo_name)
        if access.security in (Security.OPPORTUNISTIC, Security.STARTTLS):
            await self._encrypt(access)
        if access.credentials:
            await self._authenticate(*access.credentials)

    async def _hello(self, name: str) -> None:
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

    async def _encrypt(self, access: Access) -> None:
        required = access.security is Security.STARTTLS
        if "STARTTLS" not in self.extensions:
            return self._no_tls("the server does not offer STARTTLS", required)
        try:
            reply = await self._command("STARTTLS", self._timeouts.command)
        except WireError as error:
            raise TlsError(f"TLS: {error}") from error
        if reply.code != 220:
            return self._no_tls(f"the server refused STARTTLS: {reply}", required)
        assert access.tls is not None  # noqa: S101 - see Access
        await self._wire.start_tls(access.tls, self.hop.host, self._timeouts.command)
        # What was said in the clear does not count any more (RFC 3207 section 4.2).
        await self._hello(access.helo_name)
        return None

    def _no_tls(self, why: str, required: bool) -> None:
        if required:
            raise HopFailed(deferred(self.hop, "4.7.0", f"{why}, and the settings ask for it"), tls=True)

    async def _authenticate(self, user: str, password: Secret) -> None:
        offered = self.extensions.get("AUTH", "").split()
        if "PLAIN" in offered:
            # RFC 4616: authorisation identity (empty: the same), user, password.
            response = _b64("\0".join(("", user, password.reveal())))
            reply = await self._command(f"AUTH PLAIN {response}", self._timeouts.command)
        elif "LOGIN" in offered:
            reply = await self._login(user, password)
        else:
            raise HopFailed(deferred(self.hop, "4.7.0", "the server offers neither AUTH PLAIN nor AUTH LOGIN here"))
        if not reply.is_positive:
            # A wrong password is for the administrator to mend, so the mail waits whatever the code says.
            raise HopFailed(deferred(self.hop, "4.7.8", f"the relay refused our user name and password: {reply}"))

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
            raise HopFailed(Failed(reply, str(self.hop), self.tls))
        if reply.is_transient:
            raise HopFailed(Deferred(reply, str(self.hop), self.tls))
        raise WireError(f"unexpected reply to {stage}: {reply}")

    # Single commands; a WireError means that the connection is of no use any more

    async def _command(self, command: str, timeout: float) -> Reply:
        await self._write(f"{command}\r\n")
        return await self._reply(timeout)

    async def _write(self, text: str) -> None:
        """Send whole command lines; a stray line end in an address or parameter must never become a command."""
        if "\r" in text.replace("\r\n", "") or "\n" in text.replace("\r\n", ""):
            raise ValueError("a command holds a bare line end")
        await self._wire.write(text.encode(), self._timeouts.command)

    async def _reply(self, timeout: float) -> Reply:
        lines = await self._wire.read_reply(timeout)
        try:
            return Reply.parse(line.decode("utf-8", "replace") for line in lines)
        except ReplyError as error:
            raise WireError(f"not an SMTP reply: {error}") from error


def deferred(hop: Hop, enhanced: str, text: str, tls: str = "") -> Deferred:
    """The outcome where the trouble is ours to describe, not the server's."""
    return Deferred(Reply(451, enhanced, f"{hop}: {text}"), str(hop), tls)


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
