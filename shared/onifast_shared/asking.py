"""Asks outbox what would become of mail to an address, and waits for its answer."""

from __future__ import annotations

import time
from typing import Any

from onifast_shared import inquiries
from onifast_shared.address import Address
from onifast_shared.db.database import Database

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

    `owner` is the user who asks, None for an administrator. Raises NoAnswer, TooManyInquiries, DatabaseError.
    """
    number = database.write(lambda tx: inquiries.ask(tx, owner, sender, recipient, time.time()))
    deadline = time.monotonic() + patience
    while (answer := database.read(lambda tx: inquiries.answer_to(tx, number))) is None:
        if time.monotonic() > deadline:
            raise NoAnswer
        time.sleep(_LOOK)
    if answer["problem"]:
        raise NoAnswer
    return list(answer["findings"])
