"""Which policy holds for a domain, and what it makes of each of the domain's hosts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onifast_outbox.tls_policy.certificates import Judge
from onifast_outbox.tls_policy.requirement import OPPORTUNISTIC, Insist, Requirement, TlsLevel, TlsTrouble


@dataclass(frozen=True)
class TlsPolicy:
    """What holds for mail to a domain. Connections that were opened under one `key` may serve another message of it."""

    domain: str
    waived: bool = False

    @property
    def key(self) -> str:
        """What two domains must share besides their servers to share connections."""
        return " waived" if self.waived else ""


class HostBarred(Exception):
    """The policy does not let mail go to this host now."""

    def __init__(self, trouble: TlsTrouble) -> None:
        super().__init__(trouble.text)
        self.trouble = trouble


class TlsPolicies:
    """Looks policies up, and remembers what came of them."""

    def __init__(self, authorities: Path | None = None) -> None:
        self.judge = Judge(authorities)

    async def of(self, domain: str) -> TlsPolicy:
        """The policy for mail to `domain`. Raises nothing: what cannot be found out makes no policy."""
        return TlsPolicy(domain)

    async def requirement(self, policy: TlsPolicy | None, host: str, certificate: TlsLevel | None) -> Requirement:
        """What to insist on at `host`. Raises HostBarred.

        `certificate` is not None where the route itself asks for a certificate that is good for the host's name: the
        level that this makes.
        """
        if certificate is not None:
            return Requirement(Insist.CERTIFICATE, certificate)
        if policy is None or policy.waived:
            return OPPORTUNISTIC
        return self._asked_by(policy, host)

    def _asked_by(self, policy: TlsPolicy, host: str) -> Requirement:
        del policy, host
        return OPPORTUNISTIC
