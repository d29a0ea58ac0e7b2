"""Where mail for a foreign domain goes: a smart host if there is one, else the domain's mail exchangers (RFC 5321)."""

from __future__ import annotations

import hashlib
import ipaddress
import random
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from onifast_shared.machine.config import Listen
from onifast_shared.machine.dns import MX, NoData, NoSuchDomain, Resolver, Temporary
from onifast_shared.machine.log import Secret
from onifast_shared.transport.relay import Relay
from onifast_shared.transport.sources import Sources
from onifast_shared.values.reply import Deferred, Failed, Reply

from onifast_outbox.smtp.session import Hop, Security
from onifast_outbox.tls_policy.policies import TlsPolicies
from onifast_outbox.tls_policy.policy import TlsPolicy
from onifast_outbox.tls_policy.requirement import TlsLevel

# A hostile zone may name thousands of hosts: how many of them, and of each one's addresses, are known. How many an
# attempt comes to is another matter (connections.RouteAttempt).
MAX_EXCHANGERS = 100
MAX_ADDRESSES = 4


class Unroutable(Exception):
    """No server can be named for the domain; `outcome` says whether that may change by itself."""

    def __init__(self, outcome: Deferred | Failed) -> None:
        super().__init__(str(outcome.reply))
        self.outcome = outcome


@dataclass(frozen=True)
class Route:
    """The servers to try in turn, and how. Routes of equal `key` may share connections.

    `verify` says whether the server's certificate must be good for its name, `tls_level` what that makes of the
    connection; `policy` is what the domain itself asks. `sources` are the addresses to connect from. `looked_up` is how
    many seconds it took to find the route.
    """

    key: str
    hosts: tuple[str, ...]
    port: int
    security: Security
    verify: bool = False
    credentials: tuple[str, Secret] | None = None
    to_relay: bool = False
    tls_level: TlsLevel = TlsLevel.VERIFIED
    policy: TlsPolicy | None = None
    sources: Sources = field(default_factory=Sources)
    looked_up: float = field(default=0.0, compare=False)

    def insisting_on_tls(self) -> Route:
        """The same servers, each of which must prove its name by a certificate (RFC 8689 section 4.2.1)."""
        security = Security.IMPLICIT if self.security is Security.IMPLICIT else Security.STARTTLS
        return replace(self, key=f"{self.key} verified", security=security, verify=True, tls_level=TlsLevel.REQUIRETLS)

    def waiving_tls(self) -> Route:
        """The same servers, whatever the domain's policies ask of them: the author's wish (RFC 8689 section 5)."""
        if self.policy is None:
            return self
        return replace(self, key=f"{self.key} waived", policy=replace(self.policy, waived=True))

    def leaving_from(self, sources: Sources) -> Route:
        """The same servers, connected to from these addresses of ours."""
        return replace(self, key=f"{self.key} from {sources.key}", sources=sources) if sources.by_family else self


def relay_route(relay: Relay) -> Route:
    """By way of a smart host: the relay, or the one that a route names.

    With `starttls` or `tls` its certificate is verified against the name (or address) it was configured with, except
    where that is `localhost` or a loopback literal: there nobody is in between, and certificates rarely fit.
    """
    host, security = relay.host.strip("[]"), Security(relay.tls)
    verify = security is not Security.NONE and not _is_this_machine(host)
    credentials = (relay.user, relay.password) if relay.user else None
    # Two users of one name at one server may be two customers: who has another password gets another connection.
    login = hashlib.sha256(relay.password.reveal().encode("utf-8", "replace")).hexdigest()[:16] if relay.user else ""
    key = f"relay {relay.user}@{host}:{relay.port} {security.value} {login}"
    return Route(key, (host,), relay.port, security, verify, credentials, to_relay=True)


def _is_this_machine(host: str) -> bool:
    """Whether a host is named as this machine, in a way that no DNS answer can change."""
    return host.lower() == "localhost" or _is_loopback_literal(host)


class MailExchangers:
    """Looks up what a domain's DNS says about its mail."""

    def __init__(self, resolver: Resolver, port: int, hostname: str, policies: TlsPolicies | None = None) -> None:
        self._resolver = resolver
        self._policies = policies or TlsPolicies()
        self._port = port
        self._own_name = hostname.lower().rstrip(".")

    async def route(self, domain: str) -> Route:
        """The route to `domain` (A-labels, or an address literal). Raises Unroutable."""
        began = time.monotonic()
        if domain.startswith("["):
            hosts: tuple[str, ...] = (domain[1:-1].removeprefix("IPv6:"),)
            policy: TlsPolicy | None = None
        else:
            hosts = await self._exchangers(domain)
            policy = await self._policies.of(domain)  # asks for the MX records too, which are in the cache now
        key = f"mx {','.join(sorted(hosts))}:{self._port}{policy.key if policy else ''}"
        took = time.monotonic() - began
        return Route(key, hosts, self._port, Security.OPPORTUNISTIC, policy=policy, looked_up=took)

    async def _exchangers(self, domain: str) -> tuple[str, ...]:
        try:
            records = await self._resolver.mx(domain)
        except NoSuchDomain:
            raise Unroutable(_failed("5.1.2", f"the domain {domain} does not exist")) from None
        except NoData:
            return (domain,)  # the implicit MX
        except Temporary as error:
            raise Unroutable(_deferred(str(error))) from error
        return self._usable(domain, records)

    def _usable(self, domain: str, records: list[MX]) -> tuple[str, ...]:
        # A null MX counts only where it stands alone; among others it is a mistake (RFC 7505 section 3).
        records = [record for record in records if record.host]
        if not records:
            raise Unroutable(_failed("5.1.10", f"the domain {domain} takes no mail (null MX, RFC 7505)"))
        own = [record.preference for record in records if record.host == self._own_name]
        if own:
            # Only hosts that are better than ourselves may be tried, or mail goes in a circle (RFC 5321 section 5.1).
            records = [record for record in records if record.preference < min(own)]
            if not records:
                raise Unroutable(_loop(domain))
        return by_preference(records)[:MAX_EXCHANGERS]

    async def addresses(self, host: str) -> list[str]:
        """The IP addresses of a host of a route, IPv6 first; [] where it has none. Raises Unroutable (DNS trouble)."""
        if _is_literal(host):
            return [host]
        found: list[str] = []
        trouble: Temporary | None = None
        for look_up in (self._resolver.aaaa, self._resolver.a):
            try:
                found += (await look_up(host))[:MAX_ADDRESSES]
            except (NoSuchDomain, NoData):
                continue
            except Temporary as error:
                trouble = error
        if not found and trouble:
            raise Unroutable(_deferred(str(trouble))) from trouble
        return found


def by_preference(records: Iterable[MX]) -> tuple[str, ...]:
    """Host names, best preference first, random among equals (RFC 5321 section 5.1), each once."""
    shuffled = sorted(records, key=lambda record: (record.preference, random.random()))  # noqa: S311 - load sharing only
    return tuple(dict.fromkeys(record.host for record in shuffled))


def is_ourselves(hop: Hop, listens: Sequence[Listen]) -> bool:
    """Whether `hop` is a socket that this machine's own smtpd listens on."""
    return any(
        listen.port == hop.port and (listen.host == hop.address or (_is_any(listen.host) and _is_own(hop.address)))
        for listen in listens
    )


def _is_any(host: str) -> bool:
    return host in ("", "0.0.0.0", "::", "*")  # noqa: S104 - compared, not bound


def _is_own(address: str) -> bool:
    """Whether an interface of this machine has the address: only then can a socket be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback_literal(host: str) -> bool:
    return _is_literal(host) and ipaddress.ip_address(host).is_loopback


def no_address(host: str) -> Failed:
    """The outcome where a host of the route has no address at all."""
    return _failed("5.4.4", f"the mail server {host} has no address in the DNS")


def other_family(host: str, sources: Sources) -> Deferred:
    """The outcome where a host has no address in a family that the mail may leave from."""
    ours = " and ".join(source.address for source in sources.by_family.values())
    wanted = "IPv4" if 6 in sources.by_family else "IPv6"
    text = f"the mail server {host} has {wanted} addresses alone, and this mail leaves from {ours}"
    return Deferred(Reply(451, "4.4.4", text))


def _loop(domain: str) -> Failed:
    return _failed("5.4.6", f"the DNS says that {domain} is handled here, but it is not set up on this server")


def _failed(enhanced: str, text: str) -> Failed:
    return Failed(Reply(550, enhanced, text))


def _deferred(text: str) -> Deferred:
    return Deferred(Reply(451, "4.4.3", text))
