"""A domain's records as a fragment of its zone file (RFC 1035 section 5.1)."""

from __future__ import annotations

from collections.abc import Iterable

from onifast_shared.domain_dns.records import RecordState


def fragment(domain: str, found: Iterable[RecordState]) -> str:
    """What to publish, a line each; what stands in another zone, or is there already, as a comment."""
    lines = [f"; What mail of {domain} needs in DNS, and is better for."]
    for record in found:
        if record.zone_line:
            lines.append(_line(domain, record))
    return "\n".join(lines) + "\n"


def _line(domain: str, record: RecordState) -> str:
    if record.name != domain and not record.name.endswith(f".{domain}"):
        return f"; in another zone: {record.zone_line}"
    if record.state == "good":
        return f"; there already: {record.zone_line}"
    return record.zone_line
