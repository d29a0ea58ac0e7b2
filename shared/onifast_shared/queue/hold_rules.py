"""Hold rules: which mail waits for a person before it is tried at all, by sender, recipient and owner.

A rule counts from its commit on, for what waits already too: rows that it meets become `held` as they would be claimed.
What an administrator let go then is held by no rule again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection, SqlValue
from onifast_shared.queue import held as held_rows
from onifast_shared.queue import view as queue_view
from onifast_shared.values.address import Address, AddressError, parse_domain
from onifast_shared.values.set_aside import LIVE
from onifast_shared.values.stored_forms import folded

ANY = ""
"""The pattern that every sender, recipient or owner meets."""


MOST_AT_ONCE = 500
"""Rows that one step releases, so that no transaction is long."""


HELD_BY = "held by rule"
"""How `last_error` of a row begins that a rule holds."""


class RuleError(ValueError):
    """`field` cannot be what was given; the text says why."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True)
class Pattern:
    """What a rule asks for: all that is not ANY has to fit. Make one with `parse`."""

    sender: str = ANY
    recipient: str = ANY
    owner: str = ANY

    @classmethod
    def parse(cls, sender: str = "", recipient: str = "", owner: str = "") -> Pattern:
        """From what people write: an address, or a domain as `example.com` or `@example.com`. Raises RuleError."""
        pattern = cls(_party("sender", sender), _party("recipient", recipient), owner.strip())
        if pattern == cls():
            raise RuleError("sender", "a sender, a recipient or a user is needed: this would hold all mail")
        return pattern

    def __str__(self) -> str:
        words = [("from", self.sender), ("to", self.recipient), ("of user", self.owner)]
        return "mail " + " ".join(f"{word} {text}" for word, text in words if text)


@dataclass(frozen=True)
class HoldRule:
    """A rule. `note` is for administrators: it may speak of somebody who is not to know."""

    id: int
    pattern: Pattern
    note: str
    created_by: str
    created_ts: int

    @property
    def reason(self) -> str:
        """What stands in `last_error` of a row that it holds, for its owner to read."""
        return f"{HELD_BY} {self.id} ({self.pattern})"


def add(tx: Connection, pattern: Pattern, note: str, created_by: str, now: float) -> HoldRule | None:
    """Makes a rule; None if there is one just like it."""
    tx.execute(
        "INSERT OR IGNORE INTO hold_rules (sender, recipient, owner, note, created_by, created_ts)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (pattern.sender, pattern.recipient, pattern.owner, " ".join(note.split()), created_by, int(now)),
    )
    return get(tx, tx.last_insert_rowid()) if tx.changes() else None


def get(tx: Connection, rule_id: int) -> HoldRule | None:
    """One rule."""
    return next(iter(_rules(tx, "WHERE id = ?", rule_id)), None)


def list_all(tx: Connection) -> list[HoldRule]:
    """Every rule, newest first, but for those about users who are gone."""
    return _rules(tx, f"WHERE {LIVE} ORDER BY id DESC")


def remove(tx: Connection, rule_id: int) -> bool:
    """Ends a rule; what it holds stays held. False if there was none."""
    tx.execute("DELETE FROM hold_rules WHERE id = ?", (rule_id,))
    return tx.changes() > 0


def hold(tx: Connection, row_ids: Iterable[int], now: float) -> set[int]:
    """Holds those of these waiting rows that a rule asks for; returns their ids."""
    held = set()
    for row_id in row_ids:
        row = tx.execute(_WAITING, (row_id,)).fetchone()
        rule = matching(tx, *row) if row else None
        if rule is not None:
            tx.execute(
                "UPDATE outbox SET status = 'held', last_error = ?, hold_rule = ? WHERE id = ?",
                (rule.reason, rule.id, row_id),
            )
            held.add(row_id)
    held_rows.tell(tx, sorted(held), now)
    return held


def count_held(tx: Connection) -> dict[int, int]:
    """How many rows each rule holds, by its id; those of ended rules among them."""
    sql = """
        SELECT hold_rule, count(*) FROM outbox INDEXED BY outbox_held_by
        WHERE status = 'held' AND hold_rule IS NOT NULL GROUP BY hold_rule
    """
    return dict(tx.execute(sql))


def release(tx: Connection, rule_id: int, now: float, limit: int = MOST_AT_ONCE) -> int:
    """Lets go what a rule holds, or held before it was ended, the oldest first; returns how many rows."""
    sql = """
        SELECT id FROM outbox INDEXED BY outbox_held_by
        WHERE status = 'held' AND hold_rule IS NOT NULL AND hold_rule = ? ORDER BY id LIMIT ?
    """
    rows: list[tuple[Any, ...]] = tx.execute(sql, (rule_id, limit)).fetchall()
    return len(queue_view.act(tx, None, [row[0] for row in rows], "release", now))


def matching(tx: Connection, sender: str, owner: str | None, recipient: str) -> HoldRule | None:
    """The oldest rule that asks to hold mail of this envelope."""
    forms = (*_forms(sender), *_forms(recipient), owner or ANY)
    where = "WHERE sender IN (?, ?, '') AND recipient IN (?, ?, '') AND owner IN (?, '') ORDER BY id LIMIT 1"
    return next(iter(_rules(tx, where, *forms)), None)


_WAITING = """
    SELECT coalesce(sender, ''), owner, coalesce(recipient, '') FROM outbox
    WHERE id = ? AND status IN ('pending', 'deferred') AND released = 0
"""


def _forms(text: str) -> tuple[str, str]:
    """The patterns that fit an address of a row, but for ANY."""
    try:
        address = Address.parse(text)
    except AddressError:
        return ANY, ANY
    return folded(address), f"@{address.domain}"


def _party(field: str, text: str) -> str:
    text = text.strip().removeprefix("*")
    if not text:
        return ANY
    try:
        if "@" in text.removeprefix("@"):
            return folded(Address.parse(text))
        return f"@{parse_domain(text.removeprefix('@'))}"
    except AddressError as error:
        raise RuleError(field, str(error)) from None


def _rules(tx: Connection, rest: str, *bind: SqlValue) -> list[HoldRule]:
    sql = f"SELECT id, sender, recipient, owner, note, created_by, created_ts FROM hold_rules {rest}"
    return [HoldRule(row[0], Pattern(*row[1:4]), *row[4:]) for row in tx.execute(sql, bind)]
