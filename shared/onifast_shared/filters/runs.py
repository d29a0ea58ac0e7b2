"""Filters run on mail that is here already: started by people, carried out by outbox some messages at a time.

Each step is one transaction, which says how far the run has come: whoever is killed repeats nothing. What messages were
like before is kept, so that a run can be undone, in steps too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.filters import acting, rules, store
from onifast_shared.filters.deciding import FiredFilters, MailFilter
from onifast_shared.filters.rules import FilterError
from onifast_shared.mailboxes import labelling, labels, mailbox
from onifast_shared.mailboxes.email_rows import EmailRow

AT_ONCE = 50
"""Messages that one step looks at, and the octets after which it looks at no more."""
MOST_OCTETS = 16 * 1024 * 1024
MOST_KEPT = 20
"""Runs of one owner that are remembered."""
LOOKED_THROUGH = ("inbox", "archive", "junk", "trash")

_END = 2**53


@dataclass(frozen=True)
class FilterRun:
    """A run: `filters` as they were when it began, the `folders` to be looked through yet, and how far it has come."""

    id: int
    owner: str
    filter_id: int | None
    title: str
    filters: tuple[MailFilter, ...]
    folders: tuple[str, ...]
    state: str
    before: tuple[int, int]
    total: int
    seen: int
    changed: int
    started_ts: int
    ended_ts: int | None

    @property
    def is_active(self) -> bool:
        """Whether outbox is at it."""
        return self.state in ("running", "undoing")

    @property
    def can_be_undone(self) -> bool:
        """Whether it has ended, and changed what can be put back."""
        return self.state in ("done", "stopped") and self.changed > 0


def start(
    tx: Connection, owner: str, filters: Sequence[MailFilter], folders: Sequence[str], *, now: float
) -> FilterRun:
    """Begins a run of one filter or of several, on some folders; raises FilterError."""
    if not filters:
        raise FilterError("filter", "there is none that could be run")
    if unknown := sorted(set(folders) - set(LOOKED_THROUGH)):
        raise FilterError("folders", f"{unknown[0]} is none of {', '.join(LOOKED_THROUGH)}")
    if not folders:
        raise FilterError("folders", "say which")
    if tx.execute(f"SELECT 1 FROM filter_runs WHERE owner = ? AND {_ACTIVE}", (owner,)).fetchone():
        raise FilterError("filter", "filters are running already: wait for them, or stop them")
    marks = ", ".join("?" * len(folders))
    total = tx.execute(f"SELECT count(*) FROM emails WHERE owner = ? AND folder IN ({marks})", (owner, *folders)).get
    title = filters[0].name if len(filters) == 1 else ""
    told = json.dumps([{"id": each.id, "name": each.name, "rule": rules.as_dict(each.rule)} for each in filters])
    tx.execute(
        "INSERT INTO filter_runs (owner, filter_id, title, rules, folders, state, before_ts, before_id, total,"
        " started_ts, stepped_ts) VALUES (?, ?, ?, ?, ?, 'running', ?, ?, ?, ?, ?)",
        (owner, filters[0].id if len(filters) == 1 else None, title, told, json.dumps(list(folders)), _END, _END,
         total, int(now), now),
    )  # fmt: skip
    run_id = tx.last_insert_rowid()
    tx.execute(
        "DELETE FROM filter_runs WHERE owner = ?1 AND id <="
        " (SELECT id FROM filter_runs WHERE owner = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        (owner, MOST_KEPT),
    )
    found = get(tx, owner, run_id)
    assert found is not None  # noqa: S101 - it has just been made
    return found


def get(tx: Connection, owner: str, run_id: int) -> FilterRun | None:
    """A run; None where it does not exist or is somebody else's."""
    row = tx.execute(f"{_SELECT} WHERE id = ? AND owner = ?", (run_id, owner)).fetchone()
    return None if row is None else _run(row)


def latest(tx: Connection, owner: str, limit: int = 5) -> list[FilterRun]:
    """An owner's last runs, the latest first."""
    sql = f"{_SELECT} WHERE owner = ? ORDER BY id DESC LIMIT ?"
    return [_run(row) for row in tx.execute(sql, (owner, limit))]


def stop(tx: Connection, owner: str, run_id: int, now: float) -> bool:
    """Ends a run where it is; False where it is not under way."""
    sql = "UPDATE filter_runs SET state = 'stopped', ended_ts = ? WHERE id = ? AND owner = ? AND state = 'running'"
    tx.execute(sql, (int(now), run_id, owner))
    return tx.changes() > 0


def undo(tx: Connection, owner: str, run_id: int) -> bool:
    """Has what a run changed put back as it was; False where there is nothing to undo."""
    found = get(tx, owner, run_id)
    if found is None or not found.can_be_undone:
        return False
    sql = "UPDATE filter_runs SET state = 'undoing', total = changed, seen = 0, ended_ts = NULL WHERE id = ?"
    tx.execute(sql, (run_id,))
    return True


def is_waiting(tx: Connection) -> bool:
    """Whether there is a run to go on with."""
    return bool(tx.execute(f"SELECT EXISTS (SELECT 1 FROM filter_runs WHERE {_ACTIVE})").get)


def next_one(tx: Connection) -> FilterRun | None:
    """The run that has waited longest for its next step."""
    row = tx.execute(f"{_SELECT} WHERE {_ACTIVE} ORDER BY stepped_ts LIMIT 1").fetchone()
    return None if row is None else _run(row)


def messages(tx: Connection, run: FilterRun) -> list[EmailRow]:
    """The messages that a step looks at: those before the ones that the last step looked at."""
    if not run.folders:
        return []
    sql = """
        SELECT id FROM emails WHERE owner = ? AND folder = ? AND (received_ts, id) < (?, ?) AND judged = 1
        ORDER BY received_ts DESC, id DESC LIMIT ?
    """
    ids = [int(row[0]) for row in tx.execute(sql, (run.owner, run.folders[0], *run.before, AT_ONCE))]
    found, octets = list[EmailRow](), 0
    for row in mailbox.get_some(tx, run.owner, ids):
        octets += row.size
        if found and octets > MOST_OCTETS:
            break
        found.append(row)
    return found


def step(tx: Connection, run: FilterRun, looked_at: Sequence[tuple[EmailRow, FiredFilters]], now: float) -> int:
    """Does what the filters say with these messages, and notes how far the run has come; how many it changed.

    Nothing is done where somebody else has made this step, or stopped the run.
    """
    there = get(tx, run.owner, run.id)
    if there is None or there.state != "running" or (there.before, there.folders) != (run.before, run.folders):
        return 0
    changed = sum(_change(tx, run, row, fired, now) for row, fired in looked_at if fired.filters)
    if looked_at:
        last = looked_at[-1][0]
        before, folders = (last.received_ts, last.id), run.folders
    else:
        before, folders = (_END, _END), run.folders[1:]
    state = "running" if folders else "done"
    tx.execute(
        "UPDATE filter_runs SET folders = ?, before_ts = ?, before_id = ?, seen = seen + ?, changed = changed + ?,"
        " stepped_ts = ?, state = ?, ended_ts = ? WHERE id = ?",
        (json.dumps(list(folders)), *before, len(looked_at), changed, now, state,
         None if folders else int(now), run.id),
    )  # fmt: skip
    return changed


def step_back(tx: Connection, run: FilterRun, now: float) -> int:
    """Puts some of the messages back as they were; how many. 0: all are, and the run is undone."""
    sql = "SELECT email_id, before FROM filter_run_changes WHERE run_id = ? ORDER BY email_id DESC LIMIT ?"
    rows = tx.execute(sql, (run.id, AT_ONCE)).fetchall()
    for email_id, before in rows:
        _restore(tx, run.owner, int(str(email_id)), json.loads(str(before)))
        tx.execute("DELETE FROM filter_run_changes WHERE run_id = ? AND email_id = ?", (run.id, email_id))
    ended = not rows
    tx.execute(
        "UPDATE filter_runs SET seen = seen + ?, stepped_ts = ?, state = ?, ended_ts = ? WHERE id = ? AND state = ?",
        (len(rows), now, "undone" if ended else "undoing", int(now) if ended else None, run.id, "undoing"),
    )
    return len(rows)


def _change(tx: Connection, run: FilterRun, row: EmailRow, fired: FiredFilters, now: float) -> int:
    before = _as_it_is(tx, run.owner, row.id)
    if before is None or before["folder"] != run.folders[0]:
        return 0  # it has been moved, or is gone
    is_junk = before["folder"] == "junk"
    done = acting.apply_to_old(tx, run.owner, row.id, fired, is_junk=is_junk)
    if before == _as_it_is(tx, run.owner, row.id):
        return 0
    for each, deeds in done:
        store.note(tx, each, deeds, email_id=row.id, sender=row.sender, subject=row.subject, now=now)
    tx.execute(
        "INSERT OR IGNORE INTO filter_run_changes (run_id, email_id, before) VALUES (?, ?, ?)",
        (run.id, row.id, json.dumps(before)),
    )
    return tx.changes()


def _as_it_is(tx: Connection, owner: str, email_id: int) -> dict[str, Any] | None:
    row = mailbox.get(tx, owner, email_id)
    if row is None:
        return None
    marks = [label.id for label in labelling.of_messages(tx, [email_id]).get(email_id, [])]
    return {"folder": row.folder, "labels": sorted(marks), "read": row.is_read, "starred": row.is_starred}


def _restore(tx: Connection, owner: str, email_id: int, before: dict[str, Any]) -> None:
    now = _as_it_is(tx, owner, email_id)
    if now is None:
        return
    mailbox.move(tx, owner, [email_id], before["folder"])
    wanted = [label for label_id in before["labels"] if (label := labels.get(tx, owner, label_id)) is not None]
    for label_id in set(now["labels"]) - set(before["labels"]):
        if (label := labels.get(tx, owner, label_id)) is not None:
            labelling.take_off(tx, label, [email_id])
    for label in wanted:
        labelling.assign(tx, label, [email_id])
    mailbox.set_read(tx, owner, [email_id], before["read"])
    labelling.set_starred(tx, owner, [email_id], before["starred"])


_ACTIVE = "state IN ('running', 'undoing')"
_SELECT = (
    "SELECT id, owner, filter_id, title, rules, folders, state, before_ts, before_id, total, seen, changed,"
    " started_ts, ended_ts FROM filter_runs"
)


def _run(row: Sequence[Any]) -> FilterRun:
    run_id, owner, filter_id, title, told, folders, state, before_ts, before_id, *others = row
    found = []
    for place, each in enumerate(json.loads(told)):
        try:
            found.append(MailFilter(each["id"], owner, place, each["name"], True, rules.parse(each["rule"])))
        except FilterError:
            continue  # a newer program's
    return FilterRun(
        run_id,
        owner,
        filter_id,
        title,
        tuple(found),
        tuple(json.loads(folders)),
        state,
        (before_ts, before_id),
        *others,
    )
