"""onifast-mailctl queue show: all that is known of one delivery, for a person at a terminal or as JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from onifast_shared.ctl.tools import DONE, NOTHING, column, complain, read
from onifast_shared.machine.config import Settings
from onifast_shared.queue import view as queue_view
from onifast_shared.queue.view import AttemptRow, OutboxRow
from onifast_shared.values import times


def show(arguments: argparse.Namespace, settings: Settings) -> int:
    """Prints deliveries with their attempts; NOTHING where one of them does not exist."""
    rows = read(settings, lambda tx: {row_id: queue_view.get(tx, None, row_id) for row_id in arguments.ids})
    found = [row for row in rows.values() if row is not None]
    if arguments.json:
        print(json.dumps([_values(row) for row in found], ensure_ascii=False))
    else:
        print("\n\n".join("\n".join(_lines(row)) for row in found), end="\n" if found else "")
    missing = [row_id for row_id, row in rows.items() if row is None]
    for row_id in missing:
        complain(f"{row_id}: no such message", NOTHING)
    return NOTHING if missing else DONE


def _values(row: OutboxRow) -> dict[str, Any]:
    values = asdict(row)
    for name in ("created", "next_attempt", "release"):
        values[f"{name}_at"] = _moment(values.pop(f"{name}_ts"))
    values["history"] = [
        {"at": times.rfc3339(attempt.pop("started_ts")), **attempt} for attempt in map(asdict, row.history)
    ]
    return values


def _lines(row: OutboxRow) -> Iterator[str]:
    facts = {
        "id": row.id,
        "status": row.status,
        "from": row.sender or "<> (a bounce)",
        "to": row.recipient,
        "it was for": row.original_recipient,
        "subject": row.subject,
        "owner": row.owner,
        "submitted by": row.submitted_by,
        "origin": row.origin,
        "sandbox": row.sandbox_domain,
        "queued": _moment(row.created_ts),
        "not before": _moment(row.release_ts),
        "next attempt": _moment(row.next_attempt_ts),
        "attempts": row.attempts,
        "last answer": row.last_error,
    }
    for name, value in facts.items():
        if value not in (None, ""):
            yield f"{name + ':':14}{column(value)}"
    for attempt in row.history:
        yield ""
        yield from _attempt_lines(attempt)


def _attempt_lines(attempt: AttemptRow) -> Iterator[str]:
    server = [f"at {attempt.host}"] if attempt.host else []
    address = [f"[{attempt.address}]"] if attempt.address else []
    stages = ", ".join(f"{name} {milliseconds}" for name, milliseconds in attempt.stages.items())
    lines = (
        [f"{times.rfc3339(attempt.started_ts)}  {attempt.outcome}", *server, *address],
        ["  TLS:  ", attempt.tls, attempt.tls_level] if attempt.tls or attempt.tls_level else [],
        [f"  took:   {attempt.duration_ms} ms", f"({stages})" if stages else ""],
        ["  told:  ", str(attempt.code or ""), attempt.enhanced, attempt.reply]
        if attempt.code or attempt.reply
        else [],
        ["  means: ", attempt.explanation] if attempt.explanation else [],
    )
    for words in lines:
        if words:
            yield column(" ".join(filter(None, words)))


def _moment(moment: int | None) -> str | None:
    return times.rfc3339(moment) if moment else None
