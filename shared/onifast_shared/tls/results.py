"""What TLS reports will say (RFC 8460): sessions that were alike, counted by UTC day, and the fate of each report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from onifast_shared.db.database import Connection

PolicyType = Literal["sts", "tlsa", "no-policy-found"]
State = Literal["unwanted", "posting", "sent", "failed"]

DAY = 86_400

KEPT_DAYS = 3
"""Days after which a day's counts go, reported or not."""

MOST_ROWS_A_DAY = 100_000
"""Kinds of session counted in one day: who names exchangers without end must not fill the disk."""

MOST_ROWS_OF_DOMAIN = 1000
"""Those of one domain: each may quote a policy of its own, and a report has to hold them all."""

_MOST_TEXT = 300


@dataclass(frozen=True)
class PolicyUsed:
    """A policy as a report quotes it: its text line by line, and the exchangers that it allows (MTA-STS alone)."""

    kind: PolicyType = "no-policy-found"
    string: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()


@dataclass(frozen=True)
class SessionResult:
    """Sessions that are counted together. `result` is '' for success, else a result type of the RFC (section 4.3)."""

    policy_domain: str
    policy: PolicyUsed
    result: str = ""
    sending_ip: str = ""
    mx_host: str = ""
    mx_ip: str = ""
    reason: str = ""


@dataclass(frozen=True)
class TlsReport:
    """A day's report to one of the places that a domain names."""

    day: str
    policy_domain: str
    uri: str
    state: str
    retry_ts: int
    detail: str


def day_of(now: float) -> str:
    """The UTC day, `YYYY-MM-DD`."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")


def day_begins(day: str) -> int:
    """The first second of a UTC day."""
    return int(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())


def count(tx: Connection, results: Mapping[SessionResult, int], now: float) -> None:
    """Adds sessions to those of today."""
    day = day_of(now)
    room = _KindRoom(tx, day)
    for item, sessions in results.items():
        policy = json.dumps({"string": item.policy.string, "mx": item.policy.mx})
        key = (
            day, item.policy_domain, item.policy.kind, policy, item.result, item.sending_ip, item.mx_host, item.mx_ip,
            item.reason[:_MOST_TEXT],
        )  # fmt: skip
        tx.execute(_COUNT_MORE, (sessions, *key))
        if not tx.changes() and room.take(item.policy_domain):
            tx.execute(_COUNT_FIRST, (*key, sessions))


class _KindRoom:
    """How many more kinds a day may have. Each number is found out once: that reads all that there were so far."""

    def __init__(self, tx: Connection, day: str) -> None:
        self._tx = tx
        self._day = day
        self._left = MOST_ROWS_A_DAY - int(tx.execute(_ROWS_OF_DAY, (day, MOST_ROWS_A_DAY)).get)
        self._left_to: dict[str, int] = {}

    def take(self, domain: str) -> bool:
        """Whether there is room for one more of this domain; it is taken."""
        left = self._left_to.get(domain)
        if left is None:
            rows = self._tx.execute(_ROWS_OF_DOMAIN, (self._day, domain, MOST_ROWS_OF_DOMAIN)).get
            left = MOST_ROWS_OF_DOMAIN - int(rows)
        taken = min(left, self._left) > 0
        self._left_to[domain] = left - taken
        self._left -= taken
        return taken


def of_day(tx: Connection, day: str, policy_domain: str) -> dict[SessionResult, int]:
    """What was counted for a domain."""
    sql = """
        SELECT policy_domain, policy_type, policy, result, sending_ip, mx_host, mx_ip, reason, sessions
        FROM tls_results WHERE day = ? AND policy_domain = ?
    """
    found = {}
    for domain, kind, policy, *rest, sessions in tx.execute(sql, (day, policy_domain)):
        quoted = json.loads(policy)
        used = PolicyUsed(kind, tuple(quoted["string"]), tuple(quoted["mx"]))
        found[SessionResult(domain, used, *rest)] = sessions
    return found


def unreported(
    tx: Connection, now: float, after: tuple[str, str] = ("", ""), limit: int = 100
) -> list[tuple[str, str]]:
    """(day, domain) of past days without a report, in order, those after `after`."""
    sql = """
        SELECT DISTINCT day, policy_domain FROM tls_results AS counted
        WHERE day < ?1 AND (day, policy_domain) > (?2, ?3)
          AND NOT EXISTS (SELECT 1 FROM tls_reports AS report
                          WHERE report.day = counted.day AND report.policy_domain = counted.policy_domain)
        ORDER BY day, policy_domain LIMIT ?4
    """
    return [(day, domain) for day, domain in tx.execute(sql, (day_of(now), *after, limit))]


def begin(tx: Connection, day: str, policy_domain: str, reports: Sequence[tuple[str, State]], now: float) -> bool:
    """Takes on a day's reports to a domain: (place, state) each; False where another process has done so."""
    sql = "SELECT 1 FROM tls_reports WHERE day = ? AND policy_domain = ?"
    if tx.execute(sql, (day, policy_domain)).fetchone():
        return False
    for uri, state in reports:
        tx.execute(
            "INSERT INTO tls_reports (day, policy_domain, uri, state, retry_ts) VALUES (?, ?, ?, ?, ?)",
            (day, policy_domain, uri, state, int(now)),
        )
    return True


def claim_posting(tx: Connection, now: float, seconds: float) -> TlsReport | None:
    """A report that waits to be posted, claimed for this process for a time."""
    sql = f"{_SELECT} WHERE state = 'posting' AND retry_ts <= ? ORDER BY retry_ts LIMIT 1"
    row = tx.execute(sql, (int(now),)).fetchone()
    if row is None:
        return None
    report = TlsReport(*row)
    _set(tx, report, "posting", int(now + seconds), report.detail)
    return report


def end_posting(tx: Connection, report: TlsReport, state: State, detail: str) -> None:
    """Records what became of a report; one that is still 'posting' is tried again when its time has come."""
    tx.execute(
        "UPDATE tls_reports SET state = ?, detail = ? WHERE day = ? AND policy_domain = ? AND uri = ?",
        (state, detail[:_MOST_TEXT], report.day, report.policy_domain, report.uri),
    )


def list_reports(tx: Connection, limit: int = 500) -> list[TlsReport]:
    """The newest reports, those that somebody wanted."""
    sql = f"{_SELECT} WHERE state <> 'unwanted' ORDER BY day DESC, policy_domain LIMIT ?"
    return [TlsReport(*row) for row in tx.execute(sql, (limit,))]


def sweep(tx: Connection, now: float) -> None:
    """Forgets old counts, and what became of their reports some days later."""
    tx.execute("DELETE FROM tls_results WHERE day < ?", (day_of(now - KEPT_DAYS * DAY),))
    tx.execute("DELETE FROM tls_reports WHERE day < ?", (day_of(now - 30 * DAY),))


_ROWS_OF_DAY = "SELECT count(*) FROM (SELECT 1 FROM tls_results WHERE day = ? LIMIT ?)"
_ROWS_OF_DOMAIN = """
    SELECT count(*) FROM (SELECT 1 FROM tls_results WHERE day = ? AND policy_domain = ? LIMIT ?)
"""
_COUNT_MORE = """
    UPDATE tls_results SET sessions = sessions + ?
    WHERE day = ? AND policy_domain = ? AND policy_type = ? AND policy = ? AND result = ? AND sending_ip = ?
          AND mx_host = ? AND mx_ip = ? AND reason = ?
"""
_COUNT_FIRST = """
    INSERT INTO tls_results (day, policy_domain, policy_type, policy, result, sending_ip, mx_host, mx_ip, reason,
                             sessions)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_SELECT = "SELECT day, policy_domain, uri, state, retry_ts, detail FROM tls_reports"


def _set(tx: Connection, report: TlsReport, state: State, retry_ts: int, detail: str) -> None:
    tx.execute(
        "UPDATE tls_reports SET state = ?, retry_ts = ?, detail = ? WHERE day = ? AND policy_domain = ? AND uri = ?",
        (state, retry_ts, detail, report.day, report.policy_domain, report.uri),
    )
