"""Several deliverers on one database: they share the work, and of two that hold the same message only one counts."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable

import sqlite_shell
from onifast_outbox.claiming.leases import Leases
from onifast_outbox.housekeeping.janitor import Janitor
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings

from fakes.smtp_script import STALL
from fakes.smtp_server import ScriptedSmtpServer

from .helpers import Outbox
from .programs import PATIENCE, Program, insert

Run = Callable[..., Program]


def wait_until_sent(settings: Settings, count: int) -> None:
    """Returns once so many rows were sent."""
    end = time.monotonic() + PATIENCE
    while sqlite_shell.run(settings.database, "SELECT count(*) FROM outbox WHERE status = 'sent'") != [str(count)]:
        assert time.monotonic() < end, sqlite_shell.run(settings.database, "SELECT status, last_error FROM outbox")
        time.sleep(0.1)


def test_three_deliverers_deliver_each_message_once(run: Run, settings: Settings, port: int) -> None:
    recipients = [f"bob{number}@remote.test" for number in range(90)]
    with ScriptedSmtpServer(host="127.0.0.25", port=port) as peer:
        programs = [run() for _ in range(3)]
        for program in programs:
            program.wait_for(" started ")
        insert(settings, *recipients)
        wait_until_sent(settings, 90)
        assert Counter(message.rcpt_to[0] for message in peer.messages) == Counter(recipients)
        for program in programs:
            assert program.stop() == 0
    assert sqlite_shell.run(settings.database, "SELECT DISTINCT status, attempts FROM outbox") == ["sent|1"]


def test_a_deliverer_that_stood_still_longer_than_its_lease_sends_nothing_twice(
    run: Run, settings: Settings, port: int
) -> None:
    recipients = [f"bob{number}@remote.test" for number in range(3)]
    with ScriptedSmtpServer({"DATA": STALL}, host="127.0.0.25", port=port) as peer:
        first = run()
        first.wait_for(" started ")
        insert(settings, *recipients)
        for recipient in recipients:
            peer.wait_for_command(f"RCPT TO:<{recipient}>")
        first.process.send_signal(signal.SIGSTOP)
        peer.set("DATA", None)
        second = run()
        wait_until_sent(settings, 3)
        first.process.send_signal(signal.SIGCONT)
        peer.release()
        first.wait_for("work=delivering", 3)
        insert(settings, "eve@remote.test")
        wait_until_sent(settings, 4)
        assert Counter(message.rcpt_to[0] for message in peer.messages) == Counter([*recipients, "eve@remote.test"])
        assert (first.stop(), second.stop()) == (0, 0)
    assert sqlite_shell.run(settings.database, "SELECT DISTINCT status, attempts FROM outbox") == ["sent|1"]


async def test_a_clock_that_was_set_back_makes_nothing_wait_for_it(outbox: Outbox, database: Database) -> None:
    await outbox.submit("late@remote.test", "wanted@remote.test")
    now = time.time()
    outbox.sql("UPDATE outbox SET ready = 0, next_attempt_ts = 9e9")
    outbox.sql("UPDATE outbox SET status = 'deferred' WHERE recipient = 'late@remote.test'")
    janitor = Janitor(database, Leases(database, 20.0), outbox.settings)
    await janitor.tidy(now)
    due = dict(row.split("|") for row in outbox.sql("SELECT recipient, next_attempt_ts <= 8e9 FROM outbox"))
    assert due == {"late@remote.test": "1", "wanted@remote.test": "0"}
