"""Trace headers: Received, Received-SPF, Authentication-Results, Return-Path and Delivered-To, made from values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache

from onifast_shared.message.sections import HeaderSection
from onifast_shared.values.address import Address

from onifast_smtpd.authentication.verify import (
    ArcResult,
    Authentication,
    DkimResult,
    DmarcResult,
    IprevResult,
    SpfResult,
)
from onifast_smtpd.clients.client import Origin, Tls

PROGRAM = "onifast-mail"

_HELO = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_])?|\[(?:[0-9.]+|IPv6:[0-9A-Fa-f:.]+)\]")
_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
# RFC 8601 section 2.2's pvalue: a token, or an address without the need for quotes.
_PVALUE = re.compile(r"(?:[A-Za-z0-9!#$%&'*+.^_`{|}~-]*@)?[A-Za-z0-9!#$%&'*+.^_`{|}~/-]+")
# Line ends of every kind: some readers end a line at those that are no ASCII too.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True)
class TraceInformation:
    """What Received says of one message's way to us; `queue_id` is the message's one name, in replies and logs too."""

    origin: Origin
    hostname: str
    queue_id: str
    at: datetime
    smtputf8: bool = False
    recipient: Address | None = None


def protocol(hop: TraceInformation) -> str:
    """The keyword after `with` (RFC 3848, RFC 6531 section 3.7.3)."""
    if not hop.origin.extended:
        return "SMTP"
    base = "UTF8SMTP" if hop.smtputf8 else "ESMTP"
    return base + ("S" if hop.origin.tls else "") + ("A" if hop.origin.user else "")


def received(hop: TraceInformation) -> bytes:
    """The Received field of RFC 5321 section 4.4, with the `tls` clause of RFC 8314 section 4.3."""
    origin = hop.origin
    helo = origin.helo if _HELO.fullmatch(origin.helo) else "unknown"
    lines = [f"Received: from {helo} ([{origin.client.literal}])"]
    lines.append(f"by {hop.hostname} ({PROGRAM}) with {protocol(hop)} id {hop.queue_id}")
    if hop.recipient:
        lines.append(f"for <{hop.recipient}>")
    if origin.tls:
        lines.append(_tls_clause(origin.tls))
    return _field("\r\n\t".join(lines) + f";\r\n\t{_date_time(hop.at)}")


def received_spf(spf: SpfResult, hostname: str) -> bytes:
    """The Received-SPF field of RFC 7208 section 9.1."""
    pairs = [
        ("client-ip", spf.client_ip),
        ("envelope-from", spf.mail_from),
        ("helo", spf.helo),
        ("receiver", hostname),
        ("identity", spf.identity),
        ("mechanism", spf.mechanism),
        ("problem", spf.explanation if spf.result in ("permerror", "temperror") else ""),
    ]
    shown = "; ".join(f"{key}={_spf_value(value)}" for key, value in pairs if value)
    comment = _in_comment(f"{hostname}: {spf.words}")
    return _field(f"Received-SPF: {spf.result} ({comment})\r\n\t{shown}")


def authentication_results(checked: Authentication, hostname: str) -> bytes:
    """The Authentication-Results field of RFC 8601, with what was checked here."""
    results = [_spf_result(checked.spf), *(_dkim_result(result) for result in checked.dkim)]
    if not checked.dkim:
        results.append("dkim=none")
    results += [_dmarc_result(checked.dmarc), _arc_result(checked.arc), _iprev_result(checked.iprev)]
    return _field(f"Authentication-Results: {hostname};\r\n\t" + ";\r\n\t".join(results))


def delivered_to(recipient: Address) -> bytes:
    """The Delivered-To field, which tells a later loop that the message has been here."""
    return _field(f"Delivered-To: {recipient}")


def count_received(head: HeaderSection) -> int:
    """How many Received fields a header has."""
    return len(head.values("received"))


def _tls_clause(tls: Tls) -> str:
    # OpenSSL uses the registered names, which alone may stand in the clause, from TLS 1.3 on.
    if tls.cipher.startswith("TLS_"):
        return f"tls {tls.cipher} ({tls.version})"
    return f"({tls.version} with cipher {tls.cipher})"


def _spf_result(spf: SpfResult) -> str:
    prop = "smtp.mailfrom" if spf.identity == "mailfrom" else "smtp.helo"
    value = spf.mail_from if spf.identity == "mailfrom" else spf.helo
    return f"spf={spf.result}{_property(prop, value)}"


def _dkim_result(dkim: DkimResult) -> str:
    reason = f" ({_in_comment(dkim.reason)})" if dkim.reason else ""
    properties = _property("header.d", dkim.domain) + _property("header.s", dkim.selector)
    return f"dkim={dkim.result}{reason}{properties}{_property('header.b', dkim.signature[:8])}"


def _dmarc_result(dmarc: DmarcResult) -> str:
    comment = f"p={dmarc.policy} dis={dmarc.disposition}" if dmarc.record else _in_comment(dmarc.problem)
    return f"dmarc={dmarc.result}{f' ({comment})' if comment else ''}{_property('header.from', dmarc.domain)}"


def _arc_result(arc: ArcResult) -> str:
    comment = f"sealed by {', '.join(seal.domain for seal in arc.seals[:5])}" if arc.seals else arc.reason
    return f"arc={arc.result}" + (f" ({_in_comment(comment)})" if comment else "")


def _iprev_result(iprev: IprevResult) -> str:
    name = f" ({_in_comment(iprev.name)})" if iprev.name else ""
    return f"iprev={iprev.result}{name}{_property('policy.iprev', iprev.ip)}"


def _property(name: str, value: str) -> str:
    if not value:
        return ""
    return f" {name}={value if _PVALUE.fullmatch(value) else _quoted(value)}"


def _spf_value(value: str) -> str:
    return value if _DOT_ATOM.fullmatch(value) else _quoted(value)


def _quoted(value: str) -> str:
    return '"' + _CONTROL.sub(" ", value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _in_comment(text: str) -> str:
    return _CONTROL.sub(" ", text).replace("\\", "").replace("(", "[").replace(")", "]")[:300]


@lru_cache(maxsize=4)
def _date_time(moment: datetime) -> str:
    """RFC 5322's form of a time in whole seconds; a busy server asks for the same one again and again."""
    return format_datetime(moment)


def _field(text: str) -> bytes:
    return text.encode("utf-8", "replace") + b"\r\n"
