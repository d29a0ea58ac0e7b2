"""DNS look-ups for the checks of one message: time runs out for all that one check does together."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import dns.exception
import dns.name
import dns.resolver
from dns.rdata import Rdata
from onifast_shared.machine.dns import dns_name

from onifast_smtpd.authentication.outage import Outage


class DnsTrouble(Exception):
    """A look-up got no answer: a time-out, a server failure. Later it might.

    `lookup` is the one that is at fault, "" where our own resolver is.
    """

    def __init__(self, problem: str, lookup: str = "") -> None:
        super().__init__(problem)
        self.lookup = lookup


@dataclass(frozen=True)
class LookupHistory:
    """What is known of a message's look-ups before, as "name type", and what is found of them.

    Those in `given_up` have failed for so long that they count as nothing, and are not asked. Those in `watched` that
    have an answer again are in `answered`, afterwards.
    """

    given_up: frozenset[str] = frozenset()
    watched: frozenset[str] = frozenset()
    answered: set[str] = field(default_factory=set)


class Lookups:
    """The look-ups of one check, from one thread: each ends within `timeout` seconds, all of them at `end`.

    `end` is a moment of the monotonic clock; `outage` knows whether our own resolver is down. `failed` is the last
    look-up that brought trouble.
    """

    def __init__(
        self,
        resolver: dns.resolver.Resolver,
        timeout: float,
        end: float,
        *,
        history: LookupHistory | None = None,
        outage: Outage | None = None,
    ) -> None:
        self._resolver = resolver
        self._timeout = timeout
        self._end = end
        self._history = history or LookupHistory()
        self._outage = outage
        self._dead = ""
        self.failed = ""
        self._absent: set[str] = set()

    def apart(self) -> Lookups:
        """Look-ups with the same end, which do not suffer from these, nor these from them.

        For names of different parties: a stranger's dead name server must not keep us from asking another's.
        """
        return Lookups(self._resolver, self._timeout, self._end, history=self._history, outage=self._outage)

    def without(self, lookup: str) -> Lookups:
        """The same, apart, for going on where one look-up brought trouble: it counts as nothing."""
        history = replace(self._history, given_up=self._history.given_up | {lookup})
        return Lookups(self._resolver, self._timeout, self._end, history=history, outage=self._outage)

    def exists(self, name: str) -> bool:
        """Whether a name exists, or names below it do, with whatever records (RFC 8020). Raises DnsTrouble."""
        asked = dns_name(name)
        return asked is not None and (bool(self(name, "A")) or _written(asked, "A") not in self._absent)

    def __call__(self, name: str, kind: str) -> list[Rdata]:
        """The records of that kind (`TXT`, `A`, …); empty where there are none, or the name cannot exist.

        Raises DnsTrouble.
        """
        asked = dns_name(name)
        if asked is None:
            return []
        lookup = _written(asked, kind)
        if lookup in self._history.given_up:
            return []
        try:
            records = self._ask(asked, kind, lookup)
        except DnsTrouble as trouble:
            self.failed = trouble.lookup
            raise
        if lookup in self._history.watched:
            self._history.answered.add(lookup)
        return records

    def _ask(self, asked: dns.name.Name, kind: str, lookup: str) -> list[Rdata]:
        if self._outage and self._outage.is_on:
            raise DnsTrouble("our own DNS resolver does not answer")
        left = self._end - time.monotonic()
        if self._dead or left <= 0:
            # A dead server costs one time-out, however many names are still to be asked.
            raise DnsTrouble("no time left for DNS", self._dead or lookup)
        try:
            return list(self._resolver.resolve(asked, kind, lifetime=min(self._timeout, left), search=False))
        except (dns.resolver.NoAnswer, dns.resolver.YXDOMAIN):
            return []  # YXDOMAIN: a DNAME leads to a name that cannot exist (RFC 6672 section 2.2)
        except dns.resolver.NXDOMAIN:
            self._absent.add(lookup)
            return []
        except (dns.exception.DNSException, OSError, EOFError) as error:
            raise self._trouble(error, lookup) from error

    def _trouble(self, error: Exception, lookup: str) -> DnsTrouble:
        unheard = all(response is None for *_, response in getattr(error, "kwargs", {}).get("errors", ()))
        if unheard and self._outage and self._outage.suspected():
            return DnsTrouble("our own DNS resolver does not answer")
        if isinstance(error, dns.resolver.LifetimeTimeout):
            self._dead = lookup
            return DnsTrouble("DNS lookup timed out", lookup)
        return DnsTrouble(f"DNS lookup failed: {type(error).__name__}", lookup)


def _written(name: dns.name.Name, kind: str) -> str:
    return f"{name.to_text(omit_final_dot=True).lower()} {kind}"
