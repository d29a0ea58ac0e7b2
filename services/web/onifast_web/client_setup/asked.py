"""Which domain a request is about, by the name that it was sent to and the address that it gives, and how often.

Whether an address exists is never looked at, so nobody learns it here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from flask import request
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address, AddressError, parse_domain
from onifast_shared.values.leaky_bucket import Bucket

from onifast_web.access.context import Web
from onifast_web.http.forwarded import CLIENT, SHARED_CLIENT
from onifast_web.http.problems import Problem, not_found

PER_MINUTE = 60
"""Requests a minute from one client: a mail program makes a few, once."""

_OF_A_PROXY = 20 * PER_MINUTE  # one that does not say whom it speaks for: anybody
_MOST_CLIENTS = 10_000
_LABELS = ("autoconfig", "autodiscover")
_WHAT = "configuration for this name"


class Askers:
    """How often each client asked lately; safe to use from any thread. Times are epoch seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}
        self._lock = threading.Lock()

    def check(self, client: str) -> None:
        """Counts a request; raises Problem(429) for one too many."""
        now = self._clock()
        with self._lock:
            bucket = self._buckets.get(client) or Bucket(_OF_A_PROXY if client == SHARED_CLIENT else PER_MINUTE, 60.0)
            if bucket.room(now) < 1:
                raise Problem(429, "Too many requests; try again in a minute.", headers={"Retry-After": "60"})
            if len(self._buckets) >= _MOST_CLIENTS and client not in self._buckets:
                self._buckets.clear()
            self._buckets[client] = bucket.filled(1, now)


def client() -> str:
    """By what this request's client is counted."""
    return str(request.environ.get(CLIENT, SHARED_CLIENT))


def domain_of(web: Web, given: Address | None) -> str:
    """The domain of an address, or of the name that was asked; raises Problem(404) unless both are of this server.

    The name is the domain's own, `autoconfig.` or `autodiscover.` before it, this host's, or the webmail's.
    """
    asked = _host()
    label, _, above = asked.partition(".")
    if asked in {web.settings.hostname, urlsplit(web.settings.webmail_url).hostname}:
        asked = web.settings.hostname
    else:
        asked = _known(web, above if label in _LABELS else asked)
    return _known(web, given.domain) if given else asked


def policy_domain(web: Web) -> str:
    """The domain whose MTA-STS policy is asked for, at `mta-sts.` before it (RFC 8461 section 3.3).

    Raises Problem(404) where it is none of this server.
    """
    label, _, domain = _host().partition(".")
    if label != "mta-sts":
        raise not_found(_WHAT)
    return _known(web, domain)


def address_in(text: str) -> Address | None:
    """The address that a request gives; None where it gives none. Raises Problem(400) for what is no address."""
    if not text.strip():
        return None
    try:
        return Address.parse(text.strip())
    except AddressError:
        raise Problem(400, "The e-mail address cannot be understood.") from None


def _host() -> str:
    return request.host.partition(":")[0].lower().rstrip(".")


def _known(web: Web, text: str) -> str:
    try:
        domain = parse_domain(text)
    except AddressError:
        raise not_found(_WHAT) from None
    if not web.database.read(lambda tx: addresses.is_local_domain(tx, domain, web.settings)):
        raise not_found(_WHAT)
    return domain
