"""The database as several programs and Unix users share it: durable writes, fair errors, safe first starts."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import pytest
import sqlite_shell
from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseBusy, DatabaseUnavailable, SchemaTooNew

PATIENCE = 30.0  # seconds after which what another thread should have done counts as not done

OPENER = """
import sys
from pathlib import Path
from onifast_shared.db.database import Database
print("ready", flush=True)
sys.stdin.readline()
for path in sys.argv[1:]:
    db = Database.open(Path(path))
    db.write(lambda tx: tx.execute("INSERT INTO mail_config (key, value) VALUES (hex(randomblob(8)), 'x')"))
    db.close()
    print("opened", flush=True)
"""


def put(key: str, value: str) -> Callable[[Connection], str]:
    def change(tx: Connection) -> str:
        tx.execute("INSERT INTO mail_config (key, value) VALUES (?, ?)", (key, value))
        return value

    return change


def keys(tx: Connection) -> set[str]:
    return {row[0] for row in tx.execute("SELECT key FROM mail_config")}


def test_write_gives_what_its_function_returns(database: Database) -> None:
    assert database.write(put("a", "1")) == "1"
    assert database.read(keys) == {"a"}


def open_files() -> set[str]:
    return {str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()}


def test_what_a_job_might_have_to_undo_is_kept_in_no_file(database: Database) -> None:
    def fill(tx: Connection) -> None:
        tx.execute(
            "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
            " INSERT INTO mail_config (key, value) SELECT i, hex(zeroblob(50)) FROM n"
        )

    def change_many_pages(tx: Connection) -> set[str]:
        tx.execute("UPDATE mail_config SET value = hex(zeroblob(49))")
        return open_files()

    database.write(fill)
    before = open_files()
    assert not {file for file in database.write(change_many_pages) - before if "(deleted)" in file}


def test_a_failed_write_undoes_its_own_changes_only(database: Database) -> None:
    def fail(tx: Connection) -> None:
        tx.execute("INSERT INTO mail_config (key, value) VALUES ('bad', '')")
        raise LookupError("on purpose")

    async def three() -> list[object]:
        tasks = (database.awrite(put("one", "")), database.awrite(fail), database.awrite(put("two", "")))
        return list(await asyncio.gather(*tasks, return_exceptions=True))

    results = asyncio.run(three())
    assert isinstance(results[1], LookupError)
    assert database.read(keys) == {"one", "two"}


def test_a_failed_write_that_is_alone_leaves_nothing_and_hinders_nobody_after_it(database: Database) -> None:
    def fail(tx: Connection) -> None:
        tx.execute("INSERT INTO mail_config (key, value) VALUES ('bad', '')")
        raise LookupError("on purpose")

    with pytest.raises(LookupError, match="on purpose"):
        database.write(fail)
    database.write(put("after", ""))
    assert database.read(keys) == {"after"}


def test_writes_that_wait_for_a_commit_share_the_next_one(database: Database) -> None:
    before = database.data_version()
    release = threading.Event()
    first = threading.Thread(target=lambda: database.write(lambda _tx: release.wait(10)))
    first.start()
    others = [threading.Thread(target=database.write, args=(put(str(n), ""),)) for n in range(50)]
    for thread in others:
        thread.start()
    release.set()
    for thread in [first, *others]:
        thread.join()
    assert len(database.read(keys)) == 50
    assert database.data_version() - before < 25


def test_a_commit_waits_for_the_disk_unless_nothing_in_it_has_to_last(database: Database) -> None:
    def syncing(tx: Connection) -> bool:
        return bool(tx.execute("PRAGMA synchronous").get == 2)

    async def scenario() -> None:
        assert await database.awrite(syncing)
        assert not await database.awrite(syncing, lasting=False)
        assert await database.awrite(syncing)
        release = threading.Event()
        first = asyncio.create_task(database.awrite(lambda _tx: release.wait(10)))
        await asyncio.sleep(0)
        together = [asyncio.create_task(database.awrite(syncing, lasting=lasting)) for lasting in (False, True, False)]
        await asyncio.sleep(0)
        release.set()
        await first
        assert await asyncio.gather(*together) == [True, True, True]

    asyncio.run(scenario())


def test_what_need_not_last_is_seen_by_others_at_once(database: Database) -> None:
    asyncio.run(database.awrite(put("claimed", ""), lasting=False))
    assert "claimed" in sqlite_shell.run(database.path, "SELECT key FROM mail_config")
    assert "claimed" in database.read(keys)


def test_a_peek_sees_what_is_committed_and_changes_nothing(database: Database) -> None:
    database.write(put("one", ""))
    assert database.peek(keys) == {"one"} == asyncio.run(database.apeek(keys))
    with pytest.raises(DatabaseUnavailable):
        database.peek(put("two", ""))


def test_a_reader_sees_one_snapshot(database: Database) -> None:
    def look_twice(tx: Connection) -> tuple[set[str], set[str]]:
        early = keys(tx)
        thread = threading.Thread(target=database.write, args=(put("new", ""),))
        thread.start()
        thread.join()
        return early, keys(tx)

    assert database.read(look_twice) == (set(), set())
    assert database.read(keys) == {"new"}


def test_a_reader_that_rests_gives_its_pages_back_and_one_that_reads_is_left_alone(database: Database) -> None:
    database.write(lambda tx: [put(f"key{n}", "x" * 1000)(tx) for n in range(1000)])
    everything = "SELECT sum(length(value)) FROM mail_config"

    def pages() -> int:
        """Octets that this thread's connection keeps."""
        return database.read(lambda tx: tx.status(apsw.SQLITE_DBSTATUS_CACHE_USED)[0])

    assert database.read(lambda tx: tx.execute(everything).get) == 1_000_000
    kept = pages()
    reads, goes_on = threading.Event(), threading.Event()

    def slowly(tx: Connection) -> int:
        rows = tx.execute("SELECT length(value) FROM mail_config")
        first = int(next(iter(rows))[0])
        reads.set()
        goes_on.wait(PATIENCE)
        return first + sum(int(row[0]) for row in rows)

    with ThreadPoolExecutor() as pool:
        reading = pool.submit(database.read, slowly)
        assert reads.wait(PATIENCE)
        database.shrink()
        goes_on.set()
        assert reading.result(PATIENCE) == 1_000_000
    assert pages() < kept / 4


def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        database.read(put("a", "1"))


def test_a_database_locked_by_another_program_is_waited_for(database: Database) -> None:
    holder = apsw.Connection(str(database.path))
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusy):
        database.write(put("late", ""), timeout=0.2)
    waiting = threading.Thread(target=database.write, args=(put("patient", ""),))
    waiting.start()
    holder.execute("ROLLBACK")
    waiting.join()
    holder.close()
    assert database.read(keys) == {"patient"}


def test_a_cancelled_caller_leaves_the_writer_working(database: Database) -> None:
    async def scenario() -> None:
        release = threading.Event()
        running = asyncio.create_task(database.awrite(lambda _tx: release.wait(10)))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(database.awrite(put("cancelled", "")))
        await asyncio.sleep(0)
        waiting.cancel()
        release.set()
        await running
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await database.awrite(put("after", ""))

    asyncio.run(scenario())
    assert "after" in database.read(keys)


def test_a_closed_database_refuses_writes(database: Database) -> None:
    database.close()
    with pytest.raises(DatabaseUnavailable):
        database.write(put("a", ""))


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "onifast-mail.db"
    path.write_bytes(b"This is a letter, not a database. " * 100)
    with pytest.raises(DatabaseUnavailable, match=r"onifast-mail\.db"):
        Database.open(path)


def test_files_are_for_the_group_and_nobody_else(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        db = Database.open(tmp_path / "config" / "onifast-mail.db")
        db.write(put("a", ""))
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in db.path.parent.iterdir()}
        db.close()
    finally:
        os.umask(old)
    assert set(modes.values()) == {0o660}, modes
    assert stat.S_IMODE(db.path.parent.stat().st_mode) == 0o2770


def test_the_wal_begins_anew_while_writing_goes_on(database: Database) -> None:
    # How far the WAL overshoots its 16 MiB depends on how the disk keeps up with the writer.
    wal = database.path.with_name(database.path.name + "-wal")
    row = "INSERT INTO mail_config (key, value) VALUES (hex(randomblob(8)), zeroblob(65536))"
    written = 0
    while wal.stat().st_size + 32 * 1024 * 1024 > written:
        database.write(lambda tx: tx.execute(row))
        written += 65536
        assert written < 1024**3


def test_a_database_that_needs_a_newer_program_is_refused_and_not_touched(database: Database) -> None:
    database.write(
        lambda tx: tx.execute("INSERT INTO schema_migrations (version, name, oldest_compatible) VALUES (99, 'x', 99)")
    )
    database.close()
    before = database.path.read_bytes()
    with pytest.raises(SchemaTooNew, match="99"):
        Database.open(database.path)
    assert database.path.read_bytes() == before


def test_a_database_of_a_newer_program_that_is_compatible_is_opened(database: Database) -> None:
    database.write(
        lambda tx: tx.execute("INSERT INTO schema_migrations (version, name, oldest_compatible) VALUES (99, 'x', 2)")
    )
    database.close()
    again = Database.open(database.path)
    again.close()


def test_debians_sqlite_writes_and_checks_the_file(database: Database) -> None:
    assert sqlite_shell.run(database.path, "PRAGMA integrity_check; PRAGMA auto_vacuum;") == ["ok", "2"]
    sqlite_shell.run(database.path, "INSERT INTO mail_config VALUES ('from', 'script');")
    assert database.read(keys) == {"from"}


@pytest.mark.slow
def test_three_programs_that_start_at_once_make_one_database_forty_times(tmp_path: Path) -> None:
    paths = [str(tmp_path / str(n) / "config" / "onifast-mail.db") for n in range(40)]
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, *paths], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for opener in openers:
        assert opener.stdout is not None
        assert opener.stdout.readline() == "ready\n"
    outputs = [opener.communicate("go\n", timeout=100)[0] for opener in openers]
    assert [output.count("opened") for output in outputs] == [40, 40, 40]
    for path in paths:
        db = Database.open(Path(path))
        assert len(db.read(keys)) == 3
        db.close()


@pytest.mark.root
def test_two_unix_users_of_one_group_share_the_database(open_folder: Path) -> None:
    config = open_folder / "config"
    config.mkdir()
    os.chown(config, 0, 64200)
    config.chmod(0o2770)
    # The files of the checkout may be closed to these users: everything is loaded before the change of user.
    script = (
        "import os, sys; from onifast_shared.db import database, migrate\n"
        "migrate.migrations()\n"
        "os.setgroups([64200]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2])); from pathlib import Path\n"
        "d = database.Database.open(Path(sys.argv[1]))\n"
        "d.write(lambda tx: tx.execute('INSERT INTO mail_config VALUES (?, ?)', (sys.argv[2], '')))\n"
        "sys.stdin.readline(); d.close()"
    )
    command = [sys.executable, "-c", script, str(config / "onifast-mail.db")]
    first = subprocess.Popen([*command, "64201"], stdin=subprocess.PIPE, text=True)
    second = subprocess.Popen([*command, "64202"], stdin=subprocess.PIPE, text=True)
    second.communicate("\n", timeout=30)
    first.communicate("\n", timeout=30)
    assert (first.returncode, second.returncode) == (0, 0)
    assert sorted(sqlite_shell.run(config / "onifast-mail.db", "SELECT key FROM mail_config;")) == ["64201", "64202"]


def test_closing_waits_for_a_read_that_another_thread_has_begun(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "mail.db")
    reading, failed = threading.Event(), list[BaseException]()

    def long() -> None:
        def read(tx: Connection) -> None:
            reading.set()
            counted = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)"
            tx.execute(f"{counted} SELECT max(i) FROM n").fetchall()

        try:
            database.read(read)
        except BaseException as error:
            failed.append(error)

    reader = threading.Thread(target=long)
    reader.start()
    reading.wait()
    database.close()
    reader.join()
    assert not failed
