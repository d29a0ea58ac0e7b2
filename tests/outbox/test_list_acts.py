"""The running program goes on with acts on long lists, makes deletions final, and wakes what was put off."""

from __future__ import annotations

import time
from collections.abc import Callable

from mail_rows import put
from onifast_shared.acts import journal, steps
from onifast_shared.acts.journal import AskedAct
from onifast_shared.acts.scope import ListScope
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import counts, mailbox

from .programs import PATIENCE, Program


def until(database: Database, holds: Callable[[Connection], bool]) -> None:
    """Returns once something holds in the database."""
    end = time.monotonic() + PATIENCE
    while not database.read(holds):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_what_users_began_is_finished_without_them(run: Callable[..., Program], settings: Settings) -> None:
    database, now = Database.open(settings.database), time.time()
    raw = b"From: b@x.test\r\nSubject: Hello\r\n\r\nx"
    ids = [put(database, raw, now=now - 200 + number) for number in range(120)]
    deleted = put(database, raw, now=now, folder="trash")
    delete, snooze = AskedAct("ann", "delete", "", "trash"), AskedAct("ann", "snooze", str(int(now) + 1), "inbox")
    database.write(lambda tx: steps.act(tx, delete, [deleted], now - journal.DELETED_FOR))
    database.write(lambda tx: steps.act(tx, snooze, [ids[0]], now))
    program = run()
    try:
        until(database, lambda tx: tx.execute("SELECT 1 FROM emails WHERE id = ?", (deleted,)).fetchone() is None)
        until(database, lambda tx: mailbox.list_page(tx, "ann", "inbox", limit=1).rows[0].id == ids[0])
        asked = AskedAct("ann", "move", "archive", "inbox")
        database.write(lambda tx: steps.act_on_all(tx, asked, ListScope("inbox"), time.time()))
        until(database, lambda tx: counts.of(tx, "ann")["inbox"].total == 0)
        assert database.read(lambda tx: counts.of(tx, "ann"))["archive"].total == len(ids)
    finally:
        assert program.stop() == 0
        database.close()
