"""What holds for mail to a domain: a value that goes along with its route."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from onifast_outbox.tls_policy.requirement import TlsTrouble
from onifast_outbox.tls_policy.sts_policy import StsPolicy


@dataclass(frozen=True)
class TlsPolicy:
    """What holds for mail to a domain: its MTA-STS policy, and the hosts that DNSSEC proves to be its exchangers.

    With `dns_trouble` it is not known whether there are any such hosts, so that none may be used.
    A message whose author prefers arriving to being protected waives all of it (RFC 8689 section 5).
    """

    domain: str
    sts: StsPolicy | None = None
    sts_trouble: TlsTrouble | None = None
    proved: frozenset[str] = frozenset()
    dns_trouble: TlsTrouble | None = None
    waived: bool = False

    @property
    def key(self) -> str:
        """What two domains must share besides their servers to share connections."""
        sts = f" sts {self.domain}" if self.sts and self.sts.mode == "enforce" else ""
        return f"{' proved' if self.proved else ''}{sts}"


def is_waived_by(headers: Iterable[tuple[str, str]]) -> bool:
    """Whether a message with these headers prefers arriving to being protected (RFC 8689 section 5)."""
    return any(name.lower() == "tls-required" and value.strip().lower() == "no" for name, value in headers)
