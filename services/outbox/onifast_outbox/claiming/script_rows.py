"""Makes messages of the rows that scripts INSERT into `outbox` with nothing but sender, recipient, subject and body."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from onifast_shared.db.database import Database
from onifast_shared.mailboxes import contents
from onifast_shared.message.compose import DraftError, from_script
from onifast_shared.queue import scripts as queue_scripts
from onifast_shared.queue.scripts import PreparedRow, ScriptRow
from onifast_shared.values.address import Address, AddressError, split_list

from onifast_outbox import maillog

LOCAL_NAMES = ("localhost", "localhost.localdomain")

_SENDER_FORMS = "user@example.com, Name <user@example.com>, or a user name of this host, as www-data"
_RECIPIENT_FORMS = "user@example.com or Name <user@example.com>, with commas between several"


@dataclass(frozen=True)
class ScriptMessage:
    """The message of a row, its envelope sender, and its recipients."""

    message: bytes
    sender: str
    recipients: list[str]


class UnusableRow(ValueError):
    """The row cannot become a message; the text tells the script's author what to write instead."""


def build(row: ScriptRow, hostname: str) -> ScriptMessage:
    """The message that a row stands for. Raises UnusableRow."""
    for column, text in (("sender", row.sender), ("recipient", row.recipient)):
        if not text.strip().isprintable():
            raise UnusableRow(f"{column}: contains a line end or control character")
    name, sender = _sender(row.sender, hostname)
    recipients = _recipients(row.recipient)
    author = f'"{_quoted(name)}" <{sender}>' if name else str(sender)
    # A line end in a subject is a slip of the script, or an attempt to add header fields: it becomes a space.
    subject = " ".join(row.subject.split())
    try:
        message = from_script(author, row.recipient.strip(), subject, row.body, hostname)
    except DraftError as error:
        raise UnusableRow(f"the row makes no message: {error}") from None
    unique = {recipient.key: str(recipient) for recipient in recipients}
    return ScriptMessage(message, str(sender), list(unique.values()))


async def prepare(db: Database, rows: Sequence[ScriptRow], hostname: str) -> None:
    """Makes messages of these rows, or marks them as failed with the reason why not. Raises DatabaseError."""
    # Together, so that they share commits.
    await asyncio.gather(*(_make(db, row, hostname) for row in rows))


async def _make(db: Database, row: ScriptRow, hostname: str) -> None:
    try:
        built = build(row, hostname)
    except UnusableRow as error:
        await _refuse(db, row, str(error))
    except Exception:
        # A bug of ours: the row must not hold up those behind it.
        maillog.unforeseen(f"preparing {row.id}")
        await _refuse(db, row, "an unforeseen error on this server: the row makes no message")
    else:
        await _prepare(db, row, built)


async def _refuse(db: Database, row: ScriptRow, reason: str) -> None:
    await db.awrite(lambda tx: queue_scripts.refuse(tx, row, reason))
    maillog.refused(row.id, reason)


async def _prepare(db: Database, row: ScriptRow, built: ScriptMessage) -> None:
    made = PreparedRow(await contents.astore(db, built.message), built.sender, built.recipients)
    rows = await db.awrite(lambda tx: queue_scripts.prepare(tx, row, made))
    for row_id, recipient in zip(rows, built.recipients, strict=False):
        maillog.prepared(made.queue_id, row_id, built.sender, recipient)


def _sender(text: str, hostname: str) -> tuple[str, Address]:
    """(name, address) of the sender column; one without a domain, or at localhost, is a user of this host."""
    entries = split_list(text)
    if len(entries) != 1:
        raise UnusableRow(f"sender: exactly one address is needed; write {_SENDER_FORMS}")
    name, written = entries[0]
    local, at, domain = written.rpartition("@")
    if not at:
        local, domain = written, hostname
    elif domain.lower().removesuffix(".") in LOCAL_NAMES:
        domain = hostname
    try:
        return name, Address.parse(f"{local}@{domain}")
    except AddressError as error:
        raise UnusableRow(_no_address("sender", text, error, _SENDER_FORMS)) from None


def _recipients(text: str) -> list[Address]:
    addresses = []
    for _, written in split_list(text):
        try:
            addresses.append(Address.parse(written))
        except AddressError as error:
            raise UnusableRow(_no_address("recipient", written, error, _RECIPIENT_FORMS)) from None
    if not addresses:
        raise UnusableRow(f"recipient: an address is needed; write {_RECIPIENT_FORMS}")
    return addresses


def _no_address(column: str, written: str, error: AddressError, forms: str) -> str:
    """What is wrong with a column, and what to write there; of what has no @, the rules of addresses say nothing."""
    why = f" ({error})" if "@" in written else ""
    return f"{column} {written[:100]!r} is no address{why}; write {forms}"


def _quoted(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')
