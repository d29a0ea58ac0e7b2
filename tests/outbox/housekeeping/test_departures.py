"""Users who are gone, as the running deliverer finds them."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlite_shell
from onifast_outbox.claiming import leases
from onifast_outbox.filing.copies import Filer, Filing
from onifast_outbox.filing.filer import DONE
from onifast_outbox.housekeeping.departures import Departures
from onifast_shared.db.database import Connection, Database
from onifast_shared.departed import changes, moving, store
from onifast_shared.departed.changes import UserChangeRequest
from onifast_shared.departed.watching import PATIENCE
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address
from outbox.programs import Program

NOW = 1_800_000_000.0


def remove_file(settings: Settings, name: str) -> None:
    Path(settings.users_dir, f"{name}.json").unlink()


def write_file(settings: Settings, *names: str) -> None:
    settings.users_dir.mkdir(parents=True, exist_ok=True)
    for name in names:
        Path(settings.users_dir, f"{name}.json").write_text('{"password": "x"}')


def test_the_program_does_what_a_panel_asks_for_in_plain_sql(run: Callable[..., Program], settings: Settings) -> None:
    write_file(settings, "ann", "ben")
    program = run()
    program.wait_for("started")
    sqlite_shell.run(
        settings.database,
        "INSERT INTO mail_addresses (address, owner) VALUES ('ann@here.test', 'ann');"
        "INSERT INTO emails (sender, recipient, subject) VALUES ('x@there.test', 'ann@here.test', 'old');"
        "INSERT INTO user_changes (action, username) VALUES ('remove', 'ann');",
    )
    program.wait_for("user-moved source=ann target=~1:ann")
    assert any("user-changed change=1 action=remove user=ann departure=1 by=sql" in line for line in program.lines)
    assert sqlite_shell.run(settings.database, "SELECT owner FROM emails;") == ["~1:ann"]
    assert sqlite_shell.run(settings.database, "SELECT count(*) FROM mail_addresses;") == ["0"]
    assert program.stop() == 0


def test_a_program_that_starts_finishes_what_another_began(run: Callable[..., Program], settings: Settings) -> None:
    database = Database.open(settings.database)
    database.close()
    sqlite_shell.run(
        settings.database,
        "INSERT INTO emails (sender, recipient, subject, owner) VALUES ('x@there.test', 'a@here.test', 'old', 'ann');"
        "INSERT INTO departures (username, departed_ts, asked_by) VALUES ('ann', 1, 'panel');"
        "INSERT INTO user_moves (source, target, through) VALUES ('ann', '~1:ann', '{\"emails\": 1}');",
    )
    program = run()
    program.wait_for("user-moved source=ann target=~1:ann")
    assert sqlite_shell.run(settings.database, "SELECT owner FROM emails;") == ["~1:ann"]
    assert program.stop() == 0


async def test_no_copy_is_written_into_the_home_of_the_next_one(database: Database) -> None:
    """The list of what is to be filed was read before its owner went."""

    def fill(tx: Connection) -> None:
        for subject in ("first", "second"):
            tx.execute("INSERT INTO emails (subject, owner, filing) VALUES (?, 'ann', 1)", (subject,))

    written: list[str] = []

    class Written(Filer):
        async def write(self, owner: str, name: str, content: bytes) -> tuple[int, str]:
            written.append(name)
            await database.awrite(lambda tx: changes.make(tx, UserChangeRequest("remove", "ann", "test"), NOW))
            moving.finish(database)
            return DONE, name

    database.write(fill)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        filing = Filing(database, Written(ours))
        assert await filing.run_once(NOW) == 2
        assert await filing.run_once(NOW) == 0
    assert len(written) == 1


async def test_a_sweep_lets_depart_and_deletes_in_time(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "onifast")
    boot_ms = leases.boot_now_ms()
    elapsed = 0.0
    monkeypatch.setattr("onifast_outbox.housekeeping.departures.boot_now_ms", lambda: boot_ms + int(elapsed * 1000))
    write_file(settings, "ann", "ben", "root")
    database.write(lambda tx: addresses.add(tx, Address.parse("ann@here.test"), "ann"))
    gone = Departures(database, settings)

    async def look() -> list[str]:
        await gone.look(NOW + elapsed)
        await gone.carry_on(NOW + elapsed)
        return [each.username for each in database.read(store.list_all)]

    await look()
    remove_file(settings, "ann")
    assert await look() == []
    elapsed += PATIENCE
    assert await look() == ["ann"]
    elapsed += settings.departed_mail_kept
    assert await look() == ["ann"]
    elapsed += 3600
    assert await look() == []
    text = caplog.text
    for event in (
        "user-missing user=ann",
        "user-departed user=ann departure=1",
        "departed-deleted departure=1 user=ann",
    ):
        assert event in text


async def test_a_log_says_once_that_many_vanished(
    settings: Settings, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    write_file(settings, "ann", "ben", "root")
    gone = Departures(database, settings)
    await gone.look(time.time())
    for name in ("ann", "ben"):
        remove_file(settings, name)
    for _ in range(3):
        await gone.look(time.time())
    assert caplog.text.count("users-held waiting=2 users=ann,ben") == 1
    settings.users_dir.rename(settings.users_dir.with_name("elsewhere"))
    for _ in range(3):
        await gone.look(time.time())
    assert caplog.text.count("user-directory-trouble") == 1
