"""A domain's DKIM keys as people are shown them: each with its record, what DNS says of it, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.dkim.keys import Algorithm, DnsRecord
from onifast_shared.dkim.published import RecordCheck
from onifast_shared.dkim.rotation import DomainKeys
from onifast_shared.dkim.selectors import ACTIVE, PUBLISHING, RETIRED, RETIRING, Selector
from onifast_shared.values import times

SHOWN = (PUBLISHING, ACTIVE, RETIRING, RETIRED)
"""The states of keys that somebody has to do something about, in the order in which they are shown."""

_NOT_SIGNING = (PUBLISHING, RETIRING, RETIRED)


@dataclass(frozen=True)
class KeyReport:
    """One key. `check` is what DNS says now, None where it was not asked; times are epoch seconds, as in Selector."""

    selector: str
    algorithm: Algorithm
    state: str
    record: DnsRecord
    created_ts: int | None = None
    published_ts: int | None = None
    switched_ts: int | None = None
    retire_ts: int | None = None
    check: RecordCheck | None = None

    @property
    def published(self) -> bool | None:
        """Whether DNS has exactly this key; None where it was not asked or gave no answer."""
        return self.check.published if self.check else None


@dataclass(frozen=True)
class DomainKeyReport:
    """A domain's keys, in the order of SHOWN. `is_replaced` as in DomainKeys."""

    domain: str
    keys: tuple[KeyReport, ...]
    is_replaced: bool = False

    def in_state(self, state: str) -> list[KeyReport]:
        """The keys in a state."""
        return [key for key in self.keys if key.state == state]

    @property
    def main(self) -> KeyReport | None:
        """The key that every verifier understands: the RSA key that signs."""
        active = self.in_state(ACTIVE)
        return next((key for key in active if key.algorithm == "rsa-sha256"), active[0] if active else None)


def records(standing: DomainKeys) -> list[DnsRecord]:
    """What DNS is to be asked about for a report."""
    return [key.record for key in of(standing).keys]


def of(standing: DomainKeys, checks: Mapping[str, RecordCheck] | None = None) -> DomainKeyReport:
    """The report on a domain's keys; `checks` is what DNS says, by the records' names."""
    rows = {row.fingerprint: row for row in standing.rows}
    signing = {key.fingerprint: key for key in standing.signing}
    # The files decide which keys sign, even in the moment before the table follows them.
    keys = [_of_row(rows[name], ACTIVE) if name in rows else _unrecorded(key) for name, key in signing.items()]
    names = {key.selector for key in standing.signing}
    others = [
        row
        for row in standing.rows
        if row.fingerprint not in signing and row.selector not in names and row.state in _NOT_SIGNING
    ]
    keys += [_of_row(row, row.state) for row in others]
    keys.sort(key=lambda key: SHOWN.index(key.state))
    if checks is not None:
        keys = [replace(key, check=checks.get(key.record.name, key.check)) for key in keys]
    return DomainKeyReport(standing.domain, tuple(keys), standing.is_replaced)


def advice(report: DomainKeyReport, publish_wait: float) -> str:
    """What to do next, in a sentence or several; '' where all is well."""
    if report.is_replaced:
        return (
            "Another program has put a key in place since this rotation began, so it does not go on by itself:"
            " switch to the new key, or abort."
        )
    if waiting := report.in_state(PUBLISHING):
        return _about_publishing(waiting, publish_wait)
    if not report.main:
        return f"Mail of {report.domain} goes out unsigned. Make a key."
    said = [f"Publish {key.record.name}." for key in report.in_state(ACTIVE) if key.published is False]
    for key in report.in_state(RETIRING):
        said.append(
            f"Keep {key.record.name} until {times.rfc3339(key.retire_ts or 0)}: mail that it signed is under way."
        )
    said += [f"{key.record.name} is needed no more: remove it from DNS." for key in report.in_state(RETIRED)]
    return " ".join(said)


def _about_publishing(waiting: list[KeyReport], publish_wait: float) -> str:
    missing = [key for key in waiting if key.published_ts is None]
    if missing:
        names = " and ".join(key.record.name for key in missing)
        return f"Add {names} to DNS, and leave the records that are there. The switch to the new key follows by itself."
    since = max(key.published_ts or 0 for key in waiting)
    return (
        f"DNS has shown the new record since {times.rfc3339(since)}. The switch to the new key follows by itself,"
        f" not before {times.rfc3339(since + publish_wait)}. Leave both records in DNS."
    )


def _unrecorded(key: dkim_keys.SigningKey) -> KeyReport:
    return KeyReport(key.selector, key.algorithm, ACTIVE, dkim_keys.dns_record(key))


def _of_row(row: Selector, state: str) -> KeyReport:
    record = dkim_keys.record_of(row.domain, row.selector, row.value)
    return KeyReport(
        row.selector,
        row.algorithm,
        state,
        record,
        row.created_ts,
        row.published_ts,
        row.switched_ts,
        row.retire_ts,
        RecordCheck(None, row.problem) if row.problem and state == PUBLISHING else None,
    )
