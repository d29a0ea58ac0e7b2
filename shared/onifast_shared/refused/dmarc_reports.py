"""What DMARC aggregate reports will say (RFC 7489 section 7.2): one row a day for messages that are alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from onifast_shared.db.database import Connection

KEPT_DAYS = 30
"""Days after which a row goes, reported or not."""

MOST_ROWS_A_DAY = 50_000
"""Kinds of message counted in one day: who forges without end must not fill the disk."""


@dataclass(frozen=True)
class Observation:
    """One message, as a report counts it. `results` are SPF's and each signature's domain, selector and result."""

    policy_domain: str
    policy: str
    source_ip: str
    disposition: str
    reason: str
    header_from: str
    envelope_from: str
    dkim_aligned: bool
    spf_aligned: bool
    results: Mapping[str, Any]


@dataclass(frozen=True)
class AggregateRow:
    """How many messages of a day were alike."""

    day: str
    observation: Observation
    messages: int


_OBSERVED = tuple(item.name for item in fields(Observation))
"""The table has columns of the same names."""


def count(tx: Connection, observation: Observation, now: float) -> None:
    """Counts one message."""
    day, item = _day(now), observation
    tx.execute(
        """
        INSERT INTO dmarc_aggregates (day, policy_domain, policy, source_ip, disposition, reason, header_from,
                                      envelope_from, dkim_aligned, spf_aligned, results, messages)
        SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1
        WHERE (SELECT count(*) FROM (SELECT 1 FROM dmarc_aggregates WHERE day = ?1 LIMIT ?12)) < ?12
        ON CONFLICT DO UPDATE SET messages = messages + 1
        """,
        (
            day, item.policy_domain, item.policy, item.source_ip, item.disposition, item.reason, item.header_from,
            item.envelope_from, _word(item.dkim_aligned), _word(item.spf_aligned),
            json.dumps(dict(item.results), sort_keys=True), MOST_ROWS_A_DAY,
        ),
    )  # fmt: skip


def sweep(tx: Connection, now: float) -> None:
    """Forgets what is too old to be reported."""
    tx.execute("DELETE FROM dmarc_aggregates WHERE day < ?", (_day(now - KEPT_DAYS * 86400),))


def of_day(tx: Connection, day: str) -> list[AggregateRow]:
    """A day's rows (`YYYY-MM-DD`, UTC), by policy domain."""
    sql = (
        f"SELECT {', '.join(_OBSERVED)}, messages FROM dmarc_aggregates WHERE day = ? ORDER BY policy_domain, source_ip"
    )
    return [_row(day, row) for row in tx.execute(sql, (day,))]


def _row(day: str, columns: Any) -> AggregateRow:
    *observed, messages = columns
    row = dict(zip(_OBSERVED, observed, strict=True))
    row |= {name: row[name] == "pass" for name in ("dkim_aligned", "spf_aligned")}
    row["results"] = json.loads(row["results"])
    return AggregateRow(day, Observation(**row), messages)


def _day(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")


def _word(aligned: bool) -> str:
    return "pass" if aligned else "fail"
