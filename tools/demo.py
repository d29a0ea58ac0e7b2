"""python -m tools.demo - make the demo user of `make run`, with an address and a few messages, once.

Reads the settings as every program does (exit status 2 and one line for a wrong one). Writes `users/demo.json` below
`root`, and the messages through the one door that all mail takes. A user file that is there already means that all of
it is: nothing is written then, so mail that was read, moved or deleted stays as it was left.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import IncomingMessage, LocalDelivery, SentCopy
from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.machine.config import ConfigError, Settings
from onifast_shared.mailboxes import contents, counts, labelling, labels, mailbox
from onifast_shared.mailboxes.contents import ContentRef
from onifast_shared.message.compose import Draft, build
from onifast_shared.message.parsing import summary
from onifast_shared.queue import claims, returns
from onifast_shared.queue import store as queue
from onifast_shared.queue.claims import ClaimCapacity
from onifast_shared.queue.next_hops import NextHops
from onifast_shared.queue.store import DeliveryAttempt, Lease, QueuedRecipient, Submission
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address
from onifast_shared.values.reply import Reply

from tools import demo_letters, demo_mail
from tools.demo_mail import DemoMessage

USER = "demo"
PASSWORD = "demo"  # noqa: S105 - it is printed on the screen; the programs listen on loopback
ADDRESS = Address.parse("demo@example.test")
ELSEWHERE = "ann@remote.example"
FRIEND = "max@remote.example"
BAKERY = "orders@bakery.example"

COLOURS = {"Work": "blue", "Reading": "amber"}
"""The labels at the top, with their colours; there is an own folder beside them."""


def make(settings: Settings) -> bool:
    """Makes what is missing; False if the demo user was there already. Raises OSError, DatabaseError."""
    user_file = settings.users_dir / f"{USER}.json"
    if user_file.exists():
        return False
    db = Database.open(settings.database, timeout=settings.database_timeout)
    try:
        db.write(lambda tx: addresses.add(tx, ADDRESS, USER))
        if db.read(_has_no_mail):
            asyncio.run(_fill(db, settings))
    finally:
        db.close()
    _write_user(user_file)
    return True


def _has_no_mail(tx: Connection) -> bool:
    return not any(each.total for each in counts.of(tx, USER).values())


async def _fill(db: Database, settings: Settings) -> None:
    """What was received, what came back, and what is on its way to another site."""
    now = datetime.now(UTC)
    db.write(_make_labels)
    for each in sorted(demo_letters.earlier(ADDRESS, settings.hostname, now), key=lambda each: each.when or now):
        db.write(lambda tx, each=each: _place(tx, each, now))  # type: ignore[misc]
    for each in demo_mail.received(ADDRESS, settings.hostname, now):
        await _receive(db, settings, each)
    await _send(db, settings, BAKERY, "Thank you", "The bread was very good. Thank you!\n")
    sent = await _send(db, settings, FRIEND, "Summer photos", "Hello Max,\n\nhere is where the photos are.\n")
    db.write(lambda tx: _take(tx, settings, int(now.timestamp()) - 3600))
    await _receive(db, settings, demo_mail.returned(sent, ADDRESS, FRIEND, now))
    await _receive(db, settings, demo_mail.welcome(ADDRESS, settings.hostname, now))
    lunch = "Hello Ann,\n\nthis message shows what becomes of mail to other sites here: outbox captures it.\n"
    await _send(db, settings, ELSEWHERE, "Lunch?", lunch)
    later = "Hello Max,\n\nthis one waits in Scheduled until tomorrow; change it, or send it now.\n"
    await _send(db, settings, FRIEND, "Market day", later, release_ts=int(now.timestamp()) + 86400)


def _make_labels(tx: Connection) -> None:
    now = time.time()
    for name, colour in COLOURS.items():
        labels.create(tx, USER, name, colour=colour, now=now)
    labels.create(tx, USER, "Work/Figures", colour="teal", now=now)
    labels.create(tx, USER, "Receipts", is_folder=True, now=now)


def _place(tx: Connection, message: DemoMessage, now: datetime) -> None:
    """Puts a message of some days ago where it lies by now."""
    email_id = mailbox.add(
        tx,
        owner=USER,
        recipient=message.recipients or str(ADDRESS),
        reverse_path=message.reverse_path,
        content_id=contents.attach(tx, ContentRef(len(message.raw), message.raw, None)),
        size=len(message.raw),
        now=(message.when or now).timestamp(),
        folder=message.folder,
        is_read=message.is_read,
    )
    _sort(tx, message, [email_id])


async def _receive(db: Database, settings: Settings, message: DemoMessage) -> None:
    delivery = LocalDelivery(USER, str(ADDRESS), folder=message.folder, is_judged=bool(message.folder != "inbox"))
    incoming = IncomingMessage(message.reverse_path, [delivery], file_copies=settings.file_copies)
    ids = (await accept.deliver(db, message.raw, incoming)).email_ids
    db.write(lambda tx: _sort(tx, message, ids))


def _sort(tx: Connection, message: DemoMessage, ids: list[int]) -> None:
    """As the demo user would have left it."""
    label = labels.find(tx, USER, message.label) if message.label else None
    if label is not None:
        labelling.assign(tx, label, ids)
    labelling.set_starred(tx, USER, ids, message.is_starred)
    mailbox.set_read(tx, USER, ids, message.is_read)


async def _send(
    db: Database, settings: Settings, recipient: str, subject: str, text: str, *, release_ts: int = 0
) -> bytes:
    draft = Draft(f"Demo <{ADDRESS}>", [recipient], subject, text=text)
    raw = build(draft, settings.hostname)
    submission = Submission(
        sender=str(ADDRESS),
        origin="web",
        owner=USER,
        submitted_by=USER,
        subject=subject,
        body_type="7BIT",
        release_ts=release_ts,
    )
    await accept.asubmit(db, raw, submission, [QueuedRecipient(recipient)], SentCopy(USER, recipient))
    return raw


def _take(tx: Connection, settings: Settings, taken_ts: int) -> None:
    """Another site's server takes what is queued, as far as the queue knows: what comes back came from somewhere."""
    found = claims.claim(tx, NextHops(tx, settings), Lease("demo", 0, 60_000), ClaimCapacity(10), time.time()).claims
    reply = Reply(250, "2.0.0", "Ok: queued as 4FQzWn2pXz")
    for claim in found:
        returns.note_sent(tx, {claim.content_id: summary(contents.read(tx, claim.content_id)).message_id})
        for row in claim.rows:
            attempt = DeliveryAttempt(taken_ts, 180, "delivered", "mx.remote.example[192.0.2.25]:25", reply=reply)
            queue.settle(tx, claim.token, row.id, "sent", attempt=attempt)


def _write_user(user_file: Path) -> None:
    """The panel's file, complete or not there at all."""
    user_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = user_file.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        json.dump({"username": USER, "password": _hash(PASSWORD)}, stream)
    unfinished.rename(user_file)


def _hash(password: str) -> str:
    """A scrypt hash in the notation `scrypt:N:r:p$salt$hash`."""
    salt = secrets.token_hex(8)
    n, r, p = 32768, 8, 1
    digest = hashlib.scrypt(password.encode(), salt=salt.encode(), n=n, r=r, p=p, maxmem=64 << 20, dklen=64)
    return f"scrypt:{n}:{r}:{p}${salt}${digest.hex()}"


def main() -> None:
    try:
        make(Settings.load())
    except ConfigError as error:
        _stop(str(error))
    except DatabaseError as error:
        _stop(f"the demo messages cannot be stored: {error}")
    except OSError as error:
        _stop(f"cannot write {error.filename}: {error.strerror}")


def _stop(line: str) -> None:
    print(line, file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
