"""DNS answers with the word on whether they were validated (DNSSEC), which DANE stands on."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from dataclasses import dataclass
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.resolver
from onifast_shared.machine.dns import Resolver, Temporary


@dataclass(frozen=True)
class SecureAnswer:
    """An answer: its records (none where there are none), whether they are proved, and the name at the aliases' end.

    `malformed` is how many more records there are that say nothing.
    """

    records: tuple[Any, ...]
    secure: bool
    name: str
    malformed: int = 0


class SecureDns:
    """Look-ups through the shared resolver and its cache.

    `dnssec` is the setting: a validating server's word makes an answer secure, and is only as good as the way to that
    server. So `auto` believes servers on this machine, `trust` any, `off` none.
    """

    def __init__(self, resolver: Resolver, dnssec: str) -> None:
        self._raw = resolver.raw
        self.believed = dnssec == "trust" or (dnssec == "auto" and _all_on_this_machine(resolver.raw))

    async def look_up(self, name: str, kind: str) -> SecureAnswer:
        """The records of that type; raises Temporary where nothing can be said now, which is how forgery shows."""
        try:
            question = dns.name.from_text(name)
            answer = await self._raw.resolve(question, kind, search=False, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN as error:
            response: dns.message.Message = error.response(question)  # type: ignore[no-untyped-call]
            return SecureAnswer((), self._is_secure(response), name)
        except (dns.exception.DNSException, OSError, EOFError, UnicodeError) as error:
            # dnspython waits on for a better answer than one that it cannot read.
            is_unread = isinstance(error, dns.resolver.NoNameservers | dns.exception.Timeout)
            if kind == "TLSA" and is_unread and (found := await self._read_leniently(question)):
                return found
            raise Temporary(f"no answer about the {kind} records of {name}") from error
        canonical = answer.canonical_name.to_text(omit_final_dot=True).lower()
        return SecureAnswer(tuple(answer.rrset or ()), self._is_secure(answer.response), canonical)

    async def _read_leniently(self, name: dns.name.Name) -> SecureAnswer | None:
        """The TLSA records of a name that holds malformed ones too; None where that is not why there was no answer.

        dnspython takes nothing of an answer in which one record has a digest of the wrong length. Such a record is
        unusable, and the others count (RFC 7672 section 2.2).
        """
        query = dns.message.make_query(name, "TLSA", use_edns=0, flags=dns.flags.RD | dns.flags.AD)
        for server in self._raw.nameservers:
            address, port = getattr(server, "address", str(server)), getattr(server, "port", 53)
            with contextlib.suppress(dns.exception.DNSException, OSError, EOFError):
                async with asyncio.timeout(self._raw.timeout):
                    response = await _ask(address, port, query)
                if query.is_response(response) and response.rcode() == dns.rcode.NOERROR and response.errors:
                    chain = response.resolve_chaining()  # type: ignore[attr-defined]
                    canonical = chain.canonical_name.to_text(omit_final_dot=True).lower()
                    records = tuple(chain.answer or ())
                    return SecureAnswer(records, self._is_secure(response), canonical, len(response.errors))
        return None

    def _is_secure(self, response: dns.message.Message) -> bool:
        """Whether the server says that it has validated all of the answer (RFC 4035 section 3.2.3)."""
        return self.believed and bool(response.flags & dns.flags.AD)


async def _ask(address: str, port: int, query: dns.message.Message) -> dns.message.Message:
    """A server's answer over TCP, with `errors` for what of it cannot be read."""
    reader, writer = await asyncio.open_connection(address, port)
    try:
        wire = query.to_wire()
        writer.write(len(wire).to_bytes(2, "big") + wire)
        size = int.from_bytes(await reader.readexactly(2), "big")
        return dns.message.from_wire(await reader.readexactly(size), continue_on_error=True)
    finally:
        writer.transport.abort()


def _all_on_this_machine(resolver: dns.asyncresolver.Resolver) -> bool:
    addresses = [getattr(server, "address", server) for server in resolver.nameservers]
    try:
        return bool(addresses) and all(ipaddress.ip_address(str(address)).is_loopback for address in addresses)
    except ValueError:
        return False
