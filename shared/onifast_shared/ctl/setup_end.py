"""What a setup ends with: the records for DNS, in words and as a zone fragment, and the way to a first mail."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from onifast_shared.ctl.tools import UsageError
from onifast_shared.domain_dns import zone
from onifast_shared.domain_dns.records import RecordState
from onifast_shared.machine.config import Settings

_SYSTEMD = Path("/run/systemd/system")
_SUPERVISED = Path("/etc/onifast-mail/supervisord.conf")
_SOCKETS = "onifast-smtp.socket onifast-submission.socket onifast-submissions.socket onifast-web.socket"
_STATES = {"good": "there", "missing": "to publish", "wrong": "to change", "unknown": "not known"}


def write_zone(settings: Settings, domain: str, found: Sequence[RecordState]) -> Path:
    """Writes a zone fragment beside the settings, for who edits zone files. Raises UsageError."""
    file = settings.config_dir / f"{domain}.zone"
    try:
        file.write_text(zone.fragment(domain, found))
        file.chmod(0o640)
    except OSError as error:
        raise UsageError(f"zone fragment {file} cannot be written: {error.strerror}") from None
    return file


class SetupReport(NamedTuple):
    """What there is to say: `facts` by their names, what was `made`, what DNS has, and where the zone fragment lies."""

    facts: Mapping[str, str]
    made: Sequence[str]
    notes: Sequence[str]
    domain: str
    found: Sequence[RecordState]
    zone_file: Path


def lines(settings: Settings, report: SetupReport) -> Iterator[str]:
    """Line by line: what there is, what was made, what DNS has, what comes next."""
    yield from (f"{name + ':':11} {value}" for name, value in report.facts.items())
    yield ""
    yield from (f"made {each}" for each in report.made)
    yield from (f"note: {each}" for each in report.notes)
    if not report.made:
        yield "nothing had to be made: all of it was there"
    yield ""
    yield from _records(report)
    yield ""
    yield from _next_steps(settings, report.facts["address"])


def _records(report: SetupReport) -> Iterator[str]:
    needed = [each for each in report.found if each.is_needed]
    open_ones = [each for each in needed if each.state != "good"]
    if not open_ones:
        yield f"DNS has all that mail of {report.domain} needs."
        return
    yield f"DNS records that mail of {report.domain} needs ({len(needed) - len(open_ones)} of {len(needed)} are there):"
    for record in open_ones:
        yield ""
        line = record.zone_line or f"{record.name}. IN {record.type} (the address of this host)"
        yield f"  {_STATES[record.state]}: {line}"
        if record.note:
            yield f"    {record.note}"
        if record.state == "wrong":
            yield f"    {record.problem}"
    yield ""
    yield f"All of them, and what mail is better for, are in {report.zone_file}"


def _next_steps(settings: Settings, address: str) -> Iterator[str]:
    tool = _tool()
    yield "Then:"
    yield f"  {_start()}"
    yield f"  {tool} test-mail {address}   # a first mail within; then one to an address elsewhere"
    yield f"  {tool} doctor   # what still stands between this host and good delivery"
    yield f"Mail to {address} comes in as soon as DNS has the MX record: write to it from elsewhere."
    yield f"It is read at {_webmail(settings)}"


def _tool() -> str:
    return sys.argv[0] if sys.argv[0].endswith("onifast-mailctl") and "/" in sys.argv[0] else "onifast-mailctl"


def _start() -> str:
    if _SYSTEMD.exists():
        return f"systemctl daemon-reload && systemctl enable --now {_SOCKETS} onifast-mail.target"
    if _SUPERVISED.exists():
        return f"start supervisord with {_SUPERVISED}: docs/operations.md, Start, has the command"
    return "start the three programs: onifast-smtpd, onifast-web, onifast-outbox (docs/operations.md, Start)"


def _webmail(settings: Settings) -> str:
    if settings.webmail_url:
        return settings.webmail_url
    listen = next((each for each in settings.http_listen if each.port), None)
    where = f"http://127.0.0.1:{listen.port}{settings.url_prefix}/" if listen else "the webmail's socket"
    return f"{where} (docs/proxy.md has it behind a web server)"
