"""Each change of a queue row's state that the code makes stands in TRANSITIONS, and each of these is made."""

from __future__ import annotations

import ast
import contextlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import onifast_shared
import pytest
from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import SentCopy
from onifast_shared.db.database import Connection, Database
from onifast_shared.departed import moving
from onifast_shared.departed.belongings import MANY
from onifast_shared.machine.config import Settings
from onifast_shared.queue import actions, due, hold_rules, restored, returns, sandbox, waiting
from onifast_shared.queue import claims as queue_claims
from onifast_shared.queue import scripts as queue_scripts
from onifast_shared.queue import store as queue
from onifast_shared.queue.hold_rules import Pattern
from onifast_shared.queue.next_hops import NextHops
from onifast_shared.queue.scripts import ScriptRow
from onifast_shared.queue.store import Lease, QueuedRecipient, Submission
from onifast_shared.values.address import Address

SETTINGS = Settings(hostname="mail.host.test")
BOOT, TOKEN, LATER = "boot-1", "t" * 32, 2e9
CHANGES_A_STATE = re.compile(r"UPDATE\s+outbox\s+SET\b.*?\bstatus = (?!.*\bFROM\b)", re.DOTALL)

Step = Callable[[Connection, int], object]


def claim(tx: Connection, _: int) -> None:
    due.place(tx)
    due.promote(tx, LATER)
    queue_claims.claim(tx, NextHops(tx, SETTINGS), Lease(BOOT, 0, 60_000), queue_claims.ClaimCapacity(10), LATER)


def claim_under_a_rule(tx: Connection, row_id: int) -> None:
    hold_rules.add(tx, Pattern(sender="ann@example.test"), "", "root", 1.0)
    claim(tx, row_id)


def settle(state: str) -> Step:
    return lambda tx, row_id: queue.settle(tx, TOKEN, row_id, state, attempt=None)


def act(action: str) -> Step:
    return lambda tx, row_id: actions.act(tx, None, [row_id], action, LATER)


def recall(tx: Connection, row_id: int) -> None:
    with contextlib.suppress(waiting.NotWaiting, waiting.TooLate, waiting.NoCopy):
        waiting.recall(tx, "ann", row_id, SETTINGS, time.time())


def refuse(tx: Connection, row_id: int) -> None:
    queue_scripts.refuse(tx, ScriptRow(row_id, "", "", "", ""), "no address")


def set_aside(tx: Connection, row_id: int) -> None:
    """Of two transactions (`moving`): what the second does to a row."""
    moving.set_aside(tx, "ann", "test", 1.0)
    (move,) = moving.under_way(tx)
    moving.move_rows(tx, move, next(each for each in MANY if each.table == "outbox"), [row_id])
    tx.execute("DELETE FROM user_moves")


STEPS: list[tuple[str, Step]] = [
    ("claim", claim),
    ("claim", claim_under_a_rule),
    *(("settle", settle(state)) for state in ("sent", "deferred", "failed", "sandboxed")),
    ("give_back", lambda tx, row_id: queue.give_back(tx, TOKEN, [row_id])),
    ("release_dead", lambda tx, _: queue.release_dead(tx, "boot-2", 0)),
    *((action, act(action)) for action in ("retry", "cancel", "hold", "release")),
    ("recall", recall),
    ("set_aside", set_aside),
    ("redirect", lambda tx, row_id: sandbox.redirect(tx, None, [row_id], Address("eve", "there.test"), LATER)),
    ("prepare", refuse),
    ("mark_returned", lambda tx, row_id: returns.mark_returned(tx, row_id, "550 5.1.1 no such user")),
    ("restore", lambda tx, _: restored.hold(tx, "20270101T000000Z")),
    ("hold_unknown", lambda tx, _: queue_scripts.hold_unknown(tx)),
]
"""Everything that may change a state, by the name that TRANSITIONS has for it."""


def row_in(database: Database, state: str, *, attempts: int, prepared: bool) -> int:
    """A row in a state, as the code leaves one, or one that a script INSERTed."""
    submission = Submission("ann@example.test", "api", owner="ann", subject="x")
    to = [QueuedRecipient("bob@remote.test")]
    (row_id,) = accept.submit(database, b"A: b\r\n\r\n", submission, to, SentCopy("ann", "bob@remote.test")).outbox_ids

    def force(tx: Connection) -> None:
        lease = (TOKEN, BOOT, 60_000) if state == "sending" else (None, None, None)
        tx.execute(
            "UPDATE outbox SET status = ?, attempts = ?, lease_token = ?, lease_boot = ?, lease_until = ? WHERE id = ?",
            (state, attempts, *lease, row_id),
        )
        if not prepared:
            tx.execute("UPDATE outbox SET content_id = NULL, email_id = NULL WHERE id = ?", (row_id,))

    database.write(force)
    return row_id


def status_of(tx: Connection, row_id: int) -> str:
    return str(tx.execute("SELECT status FROM outbox WHERE id = ?", (row_id,)).get)


def variants(state: str) -> Iterator[tuple[int, bool]]:
    yield from ((0, True), (1, True))
    if state == "pending":
        yield (0, False)


@pytest.mark.parametrize("state", queue.STATES)
def test_the_code_makes_the_steps_of_the_table_and_no_others(database: Database, state: str) -> None:
    made: dict[str, set[str]] = {}
    for name, step in STEPS:
        for attempts, prepared in variants(state):
            row_id = row_in(database, state, attempts=attempts, prepared=prepared)
            database.write(lambda tx, step=step, row_id=row_id: step(tx, row_id))  # type: ignore[misc]
            found = database.read(lambda tx, row_id=row_id: status_of(tx, row_id))  # type: ignore[misc]
            if found != state:
                made.setdefault(found, set()).add(name)
            database.write(lambda tx: tx.execute("DELETE FROM outbox"))
            database.write(lambda tx: tx.execute("DELETE FROM hold_rules"))
    assert made == {after: set(names.split(", ")) for after, names in queue.TRANSITIONS[state].items()}


def test_every_module_that_changes_a_state_is_among_the_steps() -> None:
    root = Path(onifast_shared.__file__).parent
    changing = {
        module.stem
        for module in root.rglob("*.py")
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CHANGES_A_STATE.search(node.value)
    }
    assert changing == {"claims", "hold_rules", "restored", "returns", "sandbox", "scripts", "store", "view", "waiting"}
