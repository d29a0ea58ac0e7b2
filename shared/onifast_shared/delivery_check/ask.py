"""Asks outbox what would become of mail to an address, and waits for its answer."""

from __future__ import annotations

import time
from typing import Any

from onifast_shared.db.database import Database
from onifast_shared.delivery_check import store
from onifast_shared.queue import hold_rules
from onifast_shared.values.address import Address

PATIENCE = 20.0
"""Seconds: outbox answers at once, but for what the DNS takes."""

_LOOK = 0.05


class NoAnswer(Exception):
    """Outbox said nothing: it does not run, or the DNS keeps it waiting."""

    def __init__(self) -> None:
        super().__init__("outbox gave no answer: it is not running, or the DNS is slow")


def ask(
    database: Database, owner: str | None, sender: Address | None, recipient: Address, *, patience: float = PATIENCE
) -> list[dict[str, Any]]:
    """The findings about mail from `sender`, in order: `about`, `verdict`, `text` and `facts` each. Blocks.

    `owner` is the user who asks, None for an administrator. Raises NoAnswer, TooManyDeliveryChecks, DatabaseError.
    """
    number = database.write(lambda tx: store.ask(tx, owner, sender, recipient, time.time()))
    deadline = time.monotonic() + patience
    while (answer := database.read(lambda tx: store.answer_to(tx, number))) is None:
        if time.monotonic() > deadline:
            raise NoAnswer
        time.sleep(_LOOK)
    if answer["problem"]:
        raise NoAnswer
    return list(answer["findings"])


def with_notes(database: Database, findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The findings as administrators see them: a hold rule with its note, which its owner is not told."""
    return [_noted(database, each) if each["about"] == "hold" else each for each in findings]


def _noted(database: Database, finding: dict[str, Any]) -> dict[str, Any]:
    rule = database.read(lambda tx: hold_rules.get(tx, finding["facts"].get("rule", 0)))
    return finding | {"text": f"{finding['text']} Its note: {rule.note}"} if rule and rule.note else finding
