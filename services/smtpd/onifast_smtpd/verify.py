"""Verification: is a message from whom it says? SPF by pyspf, DKIM by dkimpy, both over our own resolver.

Everything runs in threads of a pool of its own, never on the event loop. Every lookup and every check has a deadline;
DNS trouble becomes `temperror`, never an exception and never a session that hangs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from onifast_shared.address import Address
from onifast_shared.dns import Resolver

from onifast_smtpd.dkim_check import DkimResult, check_dkim
from onifast_smtpd.lookup import Lookups
from onifast_smtpd.spf_check import SpfResult, check_spf

__all__ = ["Authentication", "DkimResult", "SpfResult", "Verifier"]

T = TypeVar("T")

_NO_TIME: tuple[DkimResult, ...] = (DkimResult("temperror", reason="no time left"),)

CHECK_TIME = 20.0  # seconds for all of one check, RFC 7208 section 4.6.4
THREADS = 16


@dataclass(frozen=True)
class Authentication:
    """What is known of a message's origin."""

    spf: SpfResult
    dkim: tuple[DkimResult, ...]

    @property
    def summary(self) -> str:
        """The results in a few words, for the log."""
        return f"spf={self.spf.result},dkim={_best([result.result for result in self.dkim])}"

    def as_dict(self) -> dict[str, Any]:
        """As it is stored with the message: the best result of each method, and the details."""
        signed = [result.domain for result in self.dkim if result.result == "pass"]
        return {
            "spf": self.spf.result,
            "dkim": _best([result.result for result in self.dkim]),
            "dmarc": "none",
            "arc": "none",
            "spf_domain": self.spf.domain,
            "dkim_domains": signed,
            "details": {
                "spf": {"result": self.spf.result, "identity": self.spf.identity, "text": self.spf.explanation},
                "dkim": [
                    {"result": item.result, "domain": item.domain, "selector": item.selector, "text": item.reason}
                    for item in self.dkim
                ],
            },
        }


class Verifier:
    """Checks messages; one for a program."""

    def __init__(self, resolver: Resolver, hostname: str, lookup_timeout: float) -> None:
        self._resolver = resolver
        self._hostname = hostname
        self._timeout = lookup_timeout
        self._pool = ThreadPoolExecutor(THREADS, "verify")

    async def check(self, ip: str, helo: str, mail_from: Address | None, raw: bytes) -> Authentication:
        """SPF of the client and its envelope, DKIM of the message as it was sent."""
        sender = str(mail_from) if mail_from else ""
        spf, dkim = await asyncio.gather(
            self._run(
                lambda lookups: check_spf(lookups, ip, sender, helo, self._hostname),
                SpfResult.trouble(ip, sender, helo),
            ),
            self._run(lambda lookups: check_dkim(lookups, raw), _NO_TIME),
        )
        return Authentication(spf, dkim)

    async def _run(self, check: Callable[[Lookups], T], otherwise: T) -> T:
        """What `check` finds, or `otherwise` where it does not end in time or has a bug."""
        lookups = Lookups(self._resolver.sync, self._timeout, CHECK_TIME)
        future = asyncio.get_running_loop().run_in_executor(self._pool, check, lookups)
        try:
            return await asyncio.wait_for(future, CHECK_TIME + self._timeout)
        except TimeoutError:
            return otherwise
        except Exception:
            logging.getLogger("onifast.smtpd").exception("a check of a message failed")
            return otherwise

    def close(self) -> None:
        """Ends the threads; checks that run are left to their deadlines."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _best(results: list[str]) -> str:
    for result in ("pass", "temperror", "fail", "policy", "permerror"):
        if result in results:
            return result
    return "none"
