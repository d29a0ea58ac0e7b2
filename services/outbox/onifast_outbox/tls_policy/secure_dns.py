"""DNS answers with the word on whether they were validated (DNSSEC), which DANE stands on."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.resolver
from onifast_shared.dns import Resolver, Temporary


@dataclass(frozen=True)
class Found:
    """An answer: its records (none where there are none), whether they are proved, and the name at the aliases' end."""

    records: tuple[Any, ...]
    secure: bool
    name: str


class SecureDns:
    """Look-ups through the shared resolver and its cache.

    `dnssec` is the setting: a validating server's word makes an answer secure, and is only as good as the way to that
    server. So `auto` believes servers on this machine, `trust` any, `off` none.
    """

    def __init__(self, resolver: Resolver, dnssec: str) -> None:
        self._raw = resolver.raw
        self.believed = dnssec == "trust" or (dnssec == "auto" and _all_on_this_machine(resolver.raw))

    async def look_up(self, name: str, kind: str) -> Found:
        """The records of that type; raises Temporary where nothing can be said now, which is how forgery shows."""
        try:
            question = dns.name.from_text(name)
            answer = await self._raw.resolve(question, kind, search=False, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN as error:
            response: dns.message.Message = error.response(question)  # type: ignore[no-untyped-call]
            return Found((), self._is_secure(response), name)
        except (dns.exception.DNSException, OSError, EOFError, UnicodeError) as error:
            raise Temporary(f"no answer about the {kind} records of {name}") from error
        canonical = answer.canonical_name.to_text(omit_final_dot=True).lower()
        return Found(tuple(answer.rrset or ()), self._is_secure(answer.response), canonical)

    def _is_secure(self, response: dns.message.Message) -> bool:
        """Whether the server says that it has validated all of the answer (RFC 4035 section 3.2.3)."""
        return self.believed and bool(response.flags & dns.flags.AD)


def _all_on_this_machine(resolver: dns.asyncresolver.Resolver) -> bool:
    addresses = [getattr(server, "address", server) for server in resolver.nameservers]
    try:
        return bool(addresses) and all(ipaddress.ip_address(str(address)).is_loopback for address in addresses)
    except ValueError:
        return False
