"""The records that a domain's mail needs or is better for, and what DNS may have in their place; no I/O."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from onifast_shared.dkim.keys import DnsRecord
from onifast_shared.dkim.published import BadTags, parse_tags
from onifast_shared.machine.dns import MX

RecordKind = Literal["mx", "host", "spf", "dkim", "dmarc", "ptr", "mta-sts", "tls-rpt", "autoconfig"]
RecordStanding = Literal["good", "missing", "wrong", "unknown"]
"""What DNS says: `unknown` where it gave no answer."""

# A value may hold what somebody else put into DNS: in a zone file it must stay one string (RFC 1035 section 5.1).
_QUOTED = re.compile(r'["\\]|[^ -~]')
_POLICIES = {"none", "quarantine", "reject"}


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"\\{octet:03d}" for octet in found[0].encode("utf-8", "replace"))


class MailService(NamedTuple):
    """What mail programs use, by its name in SRV records."""

    name: str
    host: str
    port: int


@dataclass(frozen=True)
class MailFacts:
    """What is known here of a domain's mail: this host's name, and the addresses that its mail leaves from.

    No `sources` means those that the host's name has. `has_relay`: mail leaves by a relay, whose addresses are not
    known here. `dkim` are the records of the domain's keys; `services` are what mail programs use: name, host and
    port. `sts_mode` is the mode of the MTA-STS policy that web serves for it. `own` are this machine's public
    addresses, as far as it knows them: what its name should have.
    """

    domain: str
    hostname: str
    sources: tuple[str, ...] = ()
    has_relay: bool = False
    dkim: tuple[DnsRecord, ...] = ()
    services: tuple[MailService, ...] = ()
    sts_mode: str = "testing"
    own: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecordState:
    """A record: `value` is what to publish, `found` what is there now. `problem` is a sentence, or "".

    `is_needed` says that mail is refused, or taken for junk, elsewhere without it; `note` what else belongs to it.
    """

    kind: RecordKind
    type: str
    name: str
    value: str
    state: RecordStanding = "missing"
    found: tuple[str, ...] = ()
    problem: str = ""
    is_needed: bool = True
    note: str = ""

    @property
    def zone_line(self) -> str:
        """The record as a zone file has it; "" where what to publish is not known."""
        if not self.value:
            return ""
        parts = (self.value[start : start + 255] for start in range(0, len(self.value), 255))
        strings = " ".join(f'"{_QUOTED.sub(_escaped, part)}"' for part in parts)
        return f"{self.name}. IN {self.type} {strings if self.type == 'TXT' else self.value}"

    def judged(self, state: RecordStanding, problem: str = "") -> RecordState:
        """The same record, judged."""
        return replace(self, state=state, problem=problem)


def mx(facts: MailFacts, found: list[MX]) -> RecordState:
    """Whether the domain's mail comes here."""
    shown = tuple(f"{each.preference} {each.host}." for each in found)
    record = RecordState("mx", "MX", facts.domain, f"10 {facts.hostname}.", found=shown)
    hosts = [each.host for each in found]
    if not hosts:
        return record.judged("missing", f"{facts.domain} has no MX record.")
    if facts.hostname in hosts:
        others = [each.host for each in found if each.preference < min(_preferences(facts, found))]
        return record.judged("good", f"Mail goes to {', '.join(others)} first." if others else "")
    if hosts == [""]:
        return record.judged("wrong", "The record says that the domain takes no mail (RFC 7505).")
    return record.judged("wrong", f"Mail for {facts.domain} goes to {', '.join(hosts)}, and not to {facts.hostname}.")


def _preferences(facts: MailFacts, found: list[MX]) -> list[int]:
    return [each.preference for each in found if each.host == facts.hostname]


def host(facts: MailFacts, found: list[str]) -> RecordState:
    """Whether this host's name has addresses."""
    wanted = found or facts.own
    kind = "AAAA" if wanted and all(":" in each for each in wanted) else "A"
    record = RecordState("host", kind, facts.hostname, wanted[0] if wanted else "", found=tuple(found))
    return record.judged("good") if found else record.judged("missing", f"{facts.hostname} has no address.")


def ptr(facts: MailFacts, address: str, reverse_name: str, found: list[str]) -> RecordState:
    """Whether an address that mail leaves from has this host's name (RFC 1912 section 2.1)."""
    shown = tuple(f"{name}." for name in found)
    note = f"Who provides the address {address} publishes it."
    record = RecordState("ptr", "PTR", reverse_name, f"{facts.hostname}.", found=shown, note=note)
    if not found:
        return record.judged("missing", f"The address {address} has no name.")
    if facts.hostname in found:
        return record.judged("good")
    return record.judged("wrong", f"The address {address} is called {found[0]}, and not {facts.hostname}.")


def spf(facts: MailFacts, found: list[str]) -> RecordState:
    """The SPF records of a domain (RFC 7208), and what is wrong with their number; `state` is good for one record."""
    records = [text for text in found if text.lower().split(" ")[0] == "v=spf1"]
    record = RecordState("spf", "TXT", facts.domain, _spf_value(facts, records[0] if records else ""))
    record = replace(record, found=tuple(records))
    if not records:
        return record.judged("missing", f"{facts.domain} has no SPF record.")
    if len(records) > 1:
        return record.judged("wrong", f"There are {len(records)} SPF records, and so none counts: keep one of them.")
    return record.judged("good")


def _spf_value(facts: MailFacts, present: str) -> str:
    """The record that is there, or a plain one, with this host's addresses in it before what ends it."""
    terms = present.split() or ["v=spf1", "~all"]
    named = [f"ip{6 if ':' in each else 4}:{each}" for each in facts.sources] or [f"a:{facts.hostname}"]
    own = [] if facts.has_relay else [each for each in named if each not in terms]
    end = next((place for place, term in enumerate(terms) if _ends_spf(term)), len(terms))
    return " ".join([*terms[:end], *own, *terms[end:]])


def _ends_spf(term: str) -> bool:
    return term.lower().lstrip("+-~?") == "all" or term.lower().startswith("redirect=")


def dmarc(facts: MailFacts, name: str, found: list[str]) -> RecordState:
    """The DMARC record at a name, the domain's own or that of a domain above it (RFC 9989)."""
    value = f"v=DMARC1; p=none; rua=mailto:postmaster@{facts.domain}"
    record = RecordState("dmarc", "TXT", f"_dmarc.{facts.domain}", value)
    records = [text for text in found if text.replace(" ", "").lower().startswith("v=dmarc1")]
    record = replace(record, found=tuple(records))
    if not records:
        return record.judged("missing", f"{facts.domain} has no DMARC record.")
    if len(records) > 1:
        return record.judged("wrong", f"There are {len(records)} DMARC records, and so none counts: keep one of them.")
    try:
        tags = parse_tags(records[0])
    except BadTags as error:
        return record.judged("wrong", f"The record cannot be read: {error}.")
    if tags.get("p", "none").lower() not in _POLICIES:
        return record.judged("wrong", f"p={tags['p']} is no policy; it can be none, quarantine or reject.")
    return record.judged("good", "" if name == record.name else f"The record of {name} counts for it.")


def sts_policy(hostname: str, mode: str) -> str:
    """The MTA-STS policy of a domain whose mail comes to this host (RFC 8461 section 3.2); `off` counts as testing.

    A week is long enough to protect, and short enough to take back.
    """
    return f"version: STSv1\nmode: {'testing' if mode == 'off' else mode}\nmx: {hostname}\nmax_age: 604800\n"


def mta_sts(facts: MailFacts, found: list[str]) -> RecordState:
    """Whether the domain announces an MTA-STS policy (RFC 8461)."""
    policy = sts_policy(facts.hostname, facts.sts_mode)
    edition = hashlib.sha256(policy.encode()).hexdigest()[:16]
    url = f"https://mta-sts.{facts.domain}/.well-known/mta-sts.txt"
    note = (
        f"It counts with a policy at {url}: have mta-sts.{facts.domain} lead to the webmail's web server, which serves"
        f" it from there, or serve it yourself: {'; '.join(policy.splitlines())} (a line each)."
    )
    record = RecordState("mta-sts", "TXT", f"_mta-sts.{facts.domain}", f"v=STSv1; id={edition}", note=note)
    return _announced(replace(record, is_needed=False), found, "v=STSv1", "id")


def tls_rpt(facts: MailFacts, found: list[str]) -> RecordState:
    """Whether the domain wants reports on TLS (RFC 8460)."""
    value = f"v=TLSRPTv1; rua=mailto:postmaster@{facts.domain}"
    record = RecordState("tls-rpt", "TXT", f"_smtp._tls.{facts.domain}", value, is_needed=False)
    return _announced(record, found, "v=TLSRPTv1", "rua")


def _announced(record: RecordState, found: list[str], version: str, tag: str) -> RecordState:
    records = [text for text in found if text.split(";")[0].strip() == version]
    record = replace(record, found=tuple(records or found))
    if not records:
        return record.judged("wrong", f"The record does not begin with {version}.") if found else record
    if len(records) > 1:
        return record.judged("wrong", f"There are {len(records)} such records, and so none counts: keep one of them.")
    try:
        is_whole = bool(parse_tags(records[0]).get(tag))
    except BadTags as error:
        return record.judged("wrong", f"The record cannot be read: {error}.")
    return record.judged("good") if is_whole else record.judged("wrong", f"The record lacks {tag}=.")


def autoconfig(facts: MailFacts, service: MailService, found: list[str]) -> RecordState:
    """Whether mail programs find a server (RFC 6186, RFC 8314); `found` as `0 1 465 mail.host.test.`."""
    value = f"0 1 {service.port} {service.host}."
    record = RecordState("autoconfig", "SRV", f"_{service.name}._tcp.{facts.domain}", value, is_needed=False)
    record = replace(record, found=tuple(found))
    if not found:
        return record
    if any(each.split()[2:] == value.split()[2:] for each in found):
        return record.judged("good")
    return record.judged("wrong", f"Mail programs are sent elsewhere than to {service.host}, port {service.port}.")
