"""SPF (RFC 7208) by pyspf, over our own DNS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import spf
from dns.rdata import Rdata

from onifast_smtpd.authentication.lookup import DnsTrouble, Lookups

MAX_RECORD = 4096
"""Octets of a policy; RFC 7208 section 3.4 wants 450. pyspf takes quadratic time, and it stumbles over long numbers."""

_LOCAL_PART_MACRO = re.compile(r"%\{[lsLS]")
_NO_NAME = ".."  # a name that cannot exist, and is not asked

_WORDS = {
    "pass": "domain of {who} designates {ip} as permitted sender",
    "fail": "domain of {who} does not designate {ip} as permitted sender",
    "softfail": "domain of transitioning {who} does not designate {ip} as permitted sender",
    "neutral": "{ip} is neither permitted nor denied by domain of {who}",
    "none": "domain of {who} does not designate permitted sender hosts",
    "permerror": "permanent error in processing domain of {who}",
    "temperror": "error in processing during lookup of {who}",
}


@dataclass(frozen=True)
class SpfResult:
    """The result for one identity; `identity` is `mailfrom`, or `helo` for the null sender.

    For a temperror, `failing` is the look-up that failed, "" where no single one did.
    """

    result: str
    identity: str
    domain: str
    client_ip: str
    mail_from: str
    helo: str
    mechanism: str = ""
    explanation: str = ""
    failing: str = ""

    @property
    def words(self) -> str:
        """The result in a sentence, as the comment of Received-SPF has it."""
        who = self.mail_from or self.helo
        return _WORDS[self.result].format(who=who, ip=self.client_ip)

    @classmethod
    def broken(cls, ip: str, mail_from: str, helo: str) -> SpfResult:
        """The result where the check itself has a bug: a sender who found it gains nothing by it."""
        identity, domain = _identity(mail_from, helo)
        return cls("permerror", identity, domain, ip, mail_from, helo, explanation="the check itself failed")


class _Query(spf.query):  # type: ignore[misc]  # pyspf has no types
    """pyspf's evaluation, but for four things.

    DNS is asked by `lookups`. The sender is taken apart here, since pyspf takes what follows the first `@` for the
    domain. Void look-ups are counted by term. DNS trouble with names that decide nothing by themselves is no trouble of
    the policy: those of the client's address, and the explanation's.
    """

    def __init__(self, lookups: Lookups, ip: str, mail_from: str, helo: str, receiver: str) -> None:
        self._lookups = lookups
        local, _, domain = mail_from.rpartition("@")
        local = local or "postmaster"  # RFC 7208 section 4.3
        domain = domain or helo
        super().__init__(i=ip, s=f"postmaster@{domain}", h=helo, receiver=receiver)
        # What the macros stand for (RFC 7208 section 7.2); pyspf has set o and d.
        self.s, self.l = f"{local}@{domain}", local
        self._is_void = False

    def check_lookups(self) -> None:
        """Begins a term that asks DNS."""
        self._is_void = False
        super().check_lookups()

    def getp(self) -> str:
        """The client's name, for a macro: it is asked for once, and counts as a term."""
        self._is_void = False
        return str(super().getp())

    def dns(self, name: str, qtype: str, *, ignore_void: bool = False) -> list[Any]:
        """The records; a term is counted at its first look-up that finds nothing (RFC 7208 section 4.6.4).

        pyspf's function of that name follows aliases by itself, which our resolver has done, and counts each look-up:
        `mx` with four hosts would be void four times for a client with an IPv6 address.
        """
        found = self._found(str(name).removesuffix(".").lower(), qtype)
        if not (found or ignore_void or self._is_void):
            self._is_void = True
            self.void_lookups += 1
        if self.void_lookups > spf.MAX_VOID_LOOKUPS:
            raise spf.PermError(f"More than {spf.MAX_VOID_LOOKUPS} void DNS lookups")
        return found

    def _found(self, name: str, qtype: str) -> list[Any]:
        # Only a local part or a HELO name can bring a name here that is not ASCII, and neither has records.
        if not name.isascii() or not all(0 < len(label) < 64 for label in name.split(".")):
            return []
        if known := self.cache.get((name, qtype)):
            return known  # type: ignore[no-any-return]
        try:
            found = [_value(record, qtype) for record in self._lookups(name, qtype)]
        except DnsTrouble as error:
            raise spf.TempError(str(error)) from error
        self.cache[name, qtype] = found
        return found

    def validated_ptrs(self) -> list[str]:
        """The names that lead back to the client (RFC 7208 section 5.5): what cannot be looked up does not match.

        Their name servers are the client's: they are asked apart, so that silence there does not end the evaluation.
        """
        with self._apart():
            try:
                names = self.dns_ptr(self.i)[: spf.MAX_PTR]
                return [name for name in names if self._leads_back(name)]
            except spf.TempError:
                return []

    def dns_spf(self, domain: str) -> str | None:
        """The policy of a domain, whose length is bounded."""
        found: str | None = super().dns_spf(domain)
        if found and len(found) > MAX_RECORD:
            raise spf.PermError(f"The policy of {domain} has more than {MAX_RECORD} octets")
        return found

    def get_explanation(self, spec: str) -> str | None:
        """The domain's words for a refusal (RFC 7208 section 6.2), which pyspf looks up before anybody fails."""
        # A number in it can be too long for Python.
        with self._apart(), suppress(ValueError):
            return super().get_explanation(spec)  # type: ignore[no-any-return]
        return None

    @contextmanager
    def _apart(self) -> Iterator[None]:
        lookups, self._lookups = self._lookups, self._lookups.apart()
        try:
            yield
        finally:
            self._lookups = lookups

    def expand_domain(self, arg: str) -> str:
        """A term's target. One with a local part in it that is not ASCII matches nothing (RFC 8616 section 4)."""
        if not self.l.isascii() and _LOCAL_PART_MACRO.search(arg):
            return _NO_NAME
        return str(super().expand_domain(arg))

    def _leads_back(self, name: str) -> bool:
        try:
            return bool(self.cidrmatch(self.dns_a(name, self.A), self.cidrmax))
        except spf.TempError:
            return False


def check_spf(lookups: Lookups, ip: str, mail_from: str, helo: str, receiver: str) -> SpfResult:
    """Checks one client and envelope sender ("" for the null one). Blocks; raises nothing for DNS trouble."""
    identity, domain = _identity(mail_from, helo)
    query = _Query(lookups, ip, mail_from, helo, receiver)
    result, _, explanation = query.check()
    failing = lookups.failed if result == "temperror" else ""
    mechanism = query.mechanism or ("default" if result == "neutral" else "")
    known = result if result in _WORDS else "permerror"
    return SpfResult(known, identity, domain, ip, mail_from, helo, mechanism, explanation, failing)


def _identity(mail_from: str, helo: str) -> tuple[str, str]:
    if mail_from:
        return "mailfrom", mail_from.rpartition("@")[2]
    return "helo", helo


def _value(record: Rdata, qtype: str) -> Any:
    fields: Any = record
    match qtype:
        case "A" | "AAAA":
            return fields.address
        case "MX":
            return (fields.preference, fields.exchange.to_text(omit_final_dot=True))
        case "PTR":
            return fields.target.to_text(omit_final_dot=True)
    return fields.strings
