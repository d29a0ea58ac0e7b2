"""TLS reports (RFC 8460): what a domain asks for, the JSON of a day, and the message that carries it. No I/O."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from onifast_shared.tls.results import DAY, PolicyUsed, SessionResult, day_begins
from onifast_shared.values.address import Address, AddressError

MAIL_TYPE = "application/tlsrpt+gzip"

# A domain may name several places; one that names hundreds wants something else.
_MOST_PLACES = 5


@dataclass(frozen=True)
class ReportDestination:
    """Where a report is to go: a mailbox, or an https URL."""

    uri: str
    mailbox: Address | None = None


@dataclass(frozen=True)
class Reporter:
    """Who reports: this server, and the address that answers for it."""

    hostname: str

    @property
    def contact(self) -> str:
        """The host's postmaster."""
        return f"postmaster@{self.hostname}"


@dataclass(frozen=True)
class DayReport:
    """A day's report about a domain, ready to be sent."""

    policy_domain: str
    day: str
    report_id: str
    file_name: str
    body: bytes


def parse_record(records: Sequence[bytes]) -> list[ReportDestination]:
    """The places that the TXT records of `_smtp._tls.<domain>` name; none where they ask for nothing (section 3).

    Several records count as none. Places of kinds that are unknown here are passed over.
    """
    policies = [text for text in map(_ascii, records) if re.match(r"v=TLSRPTv1[ \t]*;", text)]
    if len(policies) != 1:
        return []
    tags = dict(part.strip().partition("=")[::2] for part in policies[0].split(";") if part.strip())
    places = [_place(uri.strip()) for uri in tags.get("rua", "").split(",")]
    return list(dict.fromkeys(place for place in places if place))[:_MOST_PLACES]


def _place(uri: str) -> ReportDestination | None:
    try:
        parts = urlsplit(uri)
        if parts.scheme == "mailto":
            mailbox = Address.parse(unquote(parts.path))
            return None if mailbox.needs_smtputf8 or mailbox.is_literal else ReportDestination(uri, mailbox)
        if parts.scheme == "https" and parts.hostname and not parts.username:
            return ReportDestination(uri)
    except (AddressError, ValueError):
        pass
    return None


def build(reporter: Reporter, policy_domain: str, day: str, results: Mapping[SessionResult, int]) -> DayReport:
    """The report: gzipped JSON (section 4.4). The same facts make the same id, whichever process makes it."""
    begin, end = day_begins(day), day_begins(day) + DAY - 1
    by_policy: dict[PolicyUsed, dict[SessionResult, int]] = {}
    for item, sessions in results.items():
        by_policy.setdefault(item.policy, {})[item] = sessions
    mark = hashlib.sha256(f"{reporter.hostname} {policy_domain} {day}".encode()).hexdigest()[:16]
    report_id = f"{day}.{mark}@{reporter.hostname}"
    content = {
        "organization-name": reporter.hostname,
        "date-range": {"start-datetime": _rfc3339(begin), "end-datetime": _rfc3339(end)},
        "contact-info": reporter.contact,
        "report-id": report_id,
        "policies": [_policy(policy_domain, used, found) for used, found in by_policy.items()],
    }
    # No time of its own in the archive: what is sent again is the same.
    body = gzip.compress(json.dumps(content).encode(), mtime=0)
    file_name = f"{reporter.hostname}!{policy_domain}!{begin}!{end}!{mark}.json.gz"
    return DayReport(policy_domain, day, report_id, file_name, body)


def _policy(domain: str, used: PolicyUsed, results: Mapping[SessionResult, int]) -> dict[str, Any]:
    policy: dict[str, Any] = {"policy-type": used.kind, "policy-string": list(used.string), "policy-domain": domain}
    if used.mx:
        policy["mx-host"] = list(used.mx)
    failed = {item: sessions for item, sessions in results.items() if item.result}
    content: dict[str, Any] = {
        "policy": policy,
        "summary": {
            "total-successful-session-count": sum(n for item, n in results.items() if not item.result),
            "total-failure-session-count": sum(failed.values()),
        },
    }
    if failed:
        content["failure-details"] = [_failure(item, sessions) for item, sessions in failed.items()]
    return content


def _failure(item: SessionResult, sessions: int) -> dict[str, Any]:
    details = {
        "result-type": item.result,
        "sending-mta-ip": item.sending_ip,
        "receiving-mx-hostname": item.mx_host,
        "receiving-ip": item.mx_ip,
        "failure-reason-code": item.reason,
    }
    return {name: text for name, text in details.items() if text} | {"failed-session-count": sessions}


def build_message(reporter: Reporter, report: DayReport, to: Address, now: float) -> bytes:
    """The mail that carries a report (section 5.3). It asks for no TLS: it may report that TLS fails."""
    boundary = f"=_{hashlib.sha256(report.report_id.encode()).hexdigest()[:32]}"
    title = f"Report Domain: {report.policy_domain} Submitter: {reporter.hostname} Report-ID: <{report.report_id}>"
    head = [
        f"From: TLS reports of {reporter.hostname} <{reporter.contact}>",
        f"To: {to}",
        *_folded("Subject: ", title),
        f"Date: {format_datetime(datetime.fromtimestamp(now, UTC))}",
        f"Message-ID: <tlsrpt.{report.report_id}>",
        f"TLS-Report-Domain: {report.policy_domain}",
        f"TLS-Report-Submitter: {reporter.hostname}",
        "TLS-Required: No",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        'Content-Type: multipart/report; report-type="tlsrpt";',
        f' boundary="{boundary}"',
    ]
    words = [
        f"This is a TLS report from {reporter.hostname} (RFC 8460): how the connections were protected over which",
        f"it brought mail to {report.policy_domain} on {report.day} (UTC). The file beside this text is for programs.",
    ]
    encoded = base64.encodebytes(report.body).decode().strip().split("\n")
    parts = [
        ["Content-Type: text/plain; charset=us-ascii", "", *words],
        [
            f"Content-Type: {MAIL_TYPE}",
            "Content-Transfer-Encoding: base64",
            "Content-Disposition: attachment;",
            f' filename="{report.file_name}"',
            "",
            *encoded,
        ],
    ]
    lines = [*head, ""]
    for part in parts:
        lines += [f"--{boundary}", *part]
    return ("\r\n".join([*lines, f"--{boundary}--"]) + "\r\n").encode("ascii")


def _folded(name: str, text: str) -> list[str]:
    """A header field, broken before the words that a line of 78 does not hold (RFC 5322 section 2.1.1)."""
    lines = [name.rstrip()]
    for word in text.split(" "):
        if len(lines[-1]) + 1 + len(word) > 78:
            lines.append("")
        lines[-1] += f" {word}"
    return lines


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ascii(record: bytes) -> str:
    return record.decode("ascii") if record.isascii() else ""
