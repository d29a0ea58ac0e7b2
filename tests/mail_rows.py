"""Puts messages into mailboxes as smtpd does, without smtpd."""

from __future__ import annotations

from typing import Any

from onifast_shared.db.database import Connection, Database
from onifast_shared.mailboxes import contents, mailbox


def put(database: Database, raw: bytes, *, owner: str = "ann", domain: str = "x.test", now: float, **more: Any) -> int:
    """A message that has just come in for an owner, and is not indexed yet; its id."""
    ref = contents.store(database, raw)

    def write(tx: Connection) -> int:
        return mailbox.add(
            tx,
            owner=owner,
            recipient=f"{owner}@{domain}",
            reverse_path="b@x.test",
            content_id=contents.attach(tx, ref),
            size=len(raw),
            now=now,
            **more,
        )

    return database.write(write)
