"""DNS lookups for the checks of one message: time runs out for all that one check does together."""

from __future__ import annotations

import time

import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
from dns.rdata import Rdata


class DnsTrouble(Exception):
    """A lookup got no answer: a timeout, a server failure. Later it might."""


class Lookups:
    """The lookups of one check, from one thread: each ends within `timeout` seconds, all of them at `end`.

    `end` is a moment of the monotonic clock.
    """

    def __init__(self, resolver: dns.resolver.Resolver, timeout: float, end: float) -> None:
        self._resolver = resolver
        self._timeout = timeout
        self._end = end
        self._dead = False
        self._absent: set[str] = set()

    def apart(self) -> Lookups:
        """Lookups with the same end, which do not suffer from these, nor these from them.

        For names of different parties: a stranger's dead name server must not keep us from asking another's.
        """
        return Lookups(self._resolver, self._timeout, self._end)

    def exists(self, name: str) -> bool:
        """Whether a name exists, or names below it do, with whatever records (RFC 8020). Raises DnsTrouble."""
        return bool(self(name, "A")) or name not in self._absent

    def __call__(self, name: str, kind: str) -> list[Rdata]:
        """The records of that kind (`TXT`, `A`, …); empty where there are none. Raises DnsTrouble."""
        left = self._end - time.monotonic()
        if self._dead or left <= 0:
            # A dead resolver costs one timeout, however many names are still to be asked.
            raise DnsTrouble("no time left for DNS")
        try:
            return list(self._resolver.resolve(name, kind, lifetime=min(self._timeout, left), search=False))
        except dns.resolver.NoAnswer:
            return []
        except dns.resolver.NXDOMAIN:
            self._absent.add(name)
            return []
        except (dns.name.LabelTooLong, dns.name.EmptyLabel, dns.name.NameTooLong, UnicodeError):
            return []
        except dns.resolver.LifetimeTimeout as error:
            self._dead = True
            raise DnsTrouble("DNS lookup timed out") from error
        except (dns.exception.DNSException, OSError) as error:
            raise DnsTrouble(f"DNS lookup failed: {type(error).__name__}") from error
