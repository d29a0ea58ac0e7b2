"""Messages that tests of the junk filter teach: they share words within their kind, and have some of their own."""

from __future__ import annotations

import json
from typing import Any

from mail_rows import put
from onifast_shared.db.database import Connection, Database
from onifast_shared.junk import judging, model, words
from onifast_shared.junk.judging import JunkVerdict
from onifast_shared.junk.model import Kind, Learnable
from onifast_shared.junk.words import Reading
from onifast_shared.mailboxes import mailbox
from onifast_shared.message.parsing import parse

NOW = 1_800_000_000.0
PASSED = {"dmarc": "pass", "spf": "pass"}
JUNK_TEXT = "Cheap watches and casino bonus, click here to unsubscribe, number {0}, offer{0}"
GOOD_TEXT = "The minutes of the garden committee and the budget of the school, number {0}, note{0}"


def letter(number: int, text: str, sender: str = "") -> bytes:
    """A message, by default of a sender of its own."""
    author = sender or f"sender{number}@place{number}.test"
    return (
        f"From: {author}\r\nTo: ann@here.test\r\nSubject: News {number}\r\n"
        f"Message-ID: <{number}@remote.test>\r\n\r\n{text.format(number)}\r\n"
    ).encode()


def reading_of(raw: bytes, authentication: dict[str, Any] | None = None) -> Reading:
    """A message as the filter reads it."""
    parsed = parse(raw)
    return words.read(parsed, parsed.text or "", authentication or {})


def train(database: Database, owner: str = "ann", junk: int = 30, good: int = 30) -> None:
    """Has so many messages of each kind learned for a user."""

    def learn(tx: Connection) -> None:
        kinds: list[tuple[Kind, str, int]] = [("junk", JUNK_TEXT, junk), ("good", GOOD_TEXT, good)]
        for kind, text, how_many in kinds:
            for number in range(how_many):
                features = reading_of(letter(number, text)).features
                model.learn(tx, owner, kind, Learnable(features), NOW)

    database.write(learn)


def arrive(
    database: Database,
    raw: bytes,
    owner: str = "ann",
    folder: str = "inbox",
    found: dict[str, Any] | None = None,
    **more: Any,
) -> int:
    """A message that smtpd has just taken in, and nobody has judged; its number."""
    results = {"spf": "none", "dmarc": "none"} if found is None else found
    more |= {"folder": folder, "authentication": results, "is_judged": False}
    return put(database, raw, owner=owner, domain="here.test", now=NOW, **more)


def judged(database: Database, email_id: int, *, own_filter: bool = True) -> JunkVerdict:
    """The verdict on a message, and that put into effect."""

    def judge(tx: Connection) -> JunkVerdict:
        arrived = judging.look(tx, email_id)
        assert arrived is not None
        reading = reading_of(mailbox.raw(tx, email_id), dict(arrived.authentication))
        verdict = judging.judge(tx, arrived, reading, own_filter=own_filter)
        judging.settle(tx, arrived, verdict)
        return verdict

    return database.write(judge)


def folder_of(database: Database, email_id: int) -> str:
    """Where a message lies."""
    return str(database.read(lambda tx: tx.execute("SELECT folder FROM emails WHERE id = ?", (email_id,)).get))


def stored(database: Database, sql: str, *values: Any) -> list[Any]:
    """Rows of the database."""
    return database.read(lambda tx: list(tx.execute(sql, values)))


def as_json(value: object) -> str:
    """JSON as columns have it."""
    return json.dumps(value)
