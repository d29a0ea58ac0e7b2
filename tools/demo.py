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
from datetime import UTC, datetime
from pathlib import Path

from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import IncomingMessage, LocalDelivery, SentCopy
from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.machine.config import ConfigError, Settings
from onifast_shared.mailboxes import counts
from onifast_shared.message.compose import Draft, OutgoingAttachment, build
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address

USER = "demo"
PASSWORD = "demo"  # noqa: S105 - it is printed on the screen; the programs listen on loopback
ADDRESS = Address.parse("demo@example.test")
ELSEWHERE = "ann@remote.example"

_WELCOME = """\
Welcome to onifast-mail.

This mailbox belongs to the demo user. The three programs that serve it are running on this machine only:

- smtpd took this message, web shows it, outbox files and delivers.
- Write to anyone: mail to other sites is captured and shown in the outbox, and never sent.
- Send a first message from a terminal with one of the lines that `make run` has printed.

docs/panel.md tells how a panel, or a script, uses the API and the database.
"""

_REPORT = """\
<!doctype html>
<html><body style="font-family: sans-serif">
<h1>Weekly report</h1>
<p>All <b>three programs</b> were up the whole week.</p>
<table border="1" cellpadding="6">
<tr><th>Day</th><th>Received</th><th>Sent</th></tr>
<tr><td>Monday</td><td>412</td><td>97</td></tr>
<tr><td>Tuesday</td><td>388</td><td>104</td></tr>
<tr><td>Wednesday</td><td>431</td><td>88</td></tr>
</table>
<p>The picture below comes from another site, so it is shown only when you ask for it:</p>
<p><img src="https://remote.example/chart.png" alt="A chart of the week"></p>
</body></html>
"""

_LETTER = """\
Grüße aus Zürich!

The figures that you asked for are attached. Could you look at them before Friday?

Zoë
"""

_FIGURES = "day,received,sent\r\nMonday,412,97\r\nTuesday,388,104\r\nWednesday,431,88\r\n"


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
    """Three messages received, and one on its way to another site."""
    for draft in _received(datetime.now(UTC)):
        raw = build(draft, settings.hostname)
        delivery = LocalDelivery(owner=USER, recipient=str(ADDRESS))
        reverse_path = draft.from_.rpartition("<")[2].rstrip(">")
        incoming = IncomingMessage(reverse_path=reverse_path, deliveries=[delivery], file_copies=settings.file_copies)
        await accept.deliver(db, raw, incoming)
    await _send(db, settings)


def _received(now: datetime) -> list[Draft]:
    """Plain text, HTML with a remote picture, and an attachment under names that are not ASCII: oldest first."""
    to = [f"Demo <{ADDRESS}>"]
    figures = OutgoingAttachment("Zahlen für März.csv", "text/csv", _FIGURES.encode())
    return [
        Draft("Zoë Müller <zoe@remote.example>", to, "Zahlen für März", text=_LETTER, attachments=[figures], date=now),
        Draft("Reports <reports@remote.example>", to, "Weekly report", html=_REPORT, date=now),
        Draft("onifast-mail <postmaster@example.test>", to, "Welcome to onifast-mail", text=_WELCOME, date=now),
    ]


async def _send(db: Database, settings: Settings) -> None:
    text = "Hello Ann,\n\nthis message shows what becomes of mail to other sites here: outbox captures it.\n"
    draft = Draft(f"Demo <{ADDRESS}>", [f"Ann <{ELSEWHERE}>"], "Lunch?", text=text)
    submission = Submission(
        sender=str(ADDRESS), origin="web", owner=USER, submitted_by=USER, subject=draft.subject, body_type="7BIT"
    )
    copy = SentCopy(USER, ELSEWHERE)
    await accept.asubmit(db, build(draft, settings.hostname), submission, [QueuedRecipient(ELSEWHERE)], copy)


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
