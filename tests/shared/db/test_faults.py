"""Files that are removed, exchanged, overwritten or damaged: nothing is taken for new, nothing committed is lost."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import pytest
import sqlite_shell
from onifast_shared.db import identity, keeper, troubles
from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseBusy, DatabaseCorrupt, DatabaseError, DatabaseRefused, DatabaseUnavailable

PATIENCE = 60.0

# Another program: writes what it is told, and says what came of it.
OTHER = """
import sys
from pathlib import Path
from onifast_shared.db.database import Database
from onifast_shared.db.errors import DatabaseError
db = Database.open(Path(sys.argv[1]))
print("ready", flush=True)
for line in sys.stdin:
    try:
        db.write(lambda tx: tx.execute("REPLACE INTO mail_config VALUES (?, 'x')", (line.strip(),)))
        print("written", flush=True)
    except DatabaseError as error:
        print(type(error).__name__, flush=True)
db.close()
"""


class Other:
    """Another program that has the database open."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert self.heard() == "ready"

    def heard(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def write(self, key: str) -> str:
        """Has it write a key; `written`, or the name of an error."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{key}\n")
        self.process.stdin.flush()
        return self.heard()


@contextmanager
def another_program(path: Path) -> Iterator[Other]:
    command = [sys.executable, "-c", OTHER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Other(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE) == 0


def put(key: str) -> Callable[[Connection], object]:
    return lambda tx: tx.execute("INSERT INTO mail_config (key, value) VALUES (?, 'x')", (key,))


def keys(tx: Connection) -> set[str]:
    return {row[0] for row in tx.execute("SELECT key FROM mail_config")}


def eventually(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def works(database: Database) -> bool:
    try:
        database.write(put(f"probe-{time.monotonic()}"))
    except (DatabaseError, apsw.Error):
        return False
    return True


def refuses(database: Database) -> bool:
    try:
        database.write(put(f"probe-{time.monotonic()}"))
    except (DatabaseBusy, apsw.Error):
        return False
    except DatabaseUnavailable:
        return database.connections is None
    return False


def kinds(database: Database) -> set[str]:
    return {each.kind for each in troubles.present(database.path)}


def beside(database: Database | Path, suffix: str) -> Path:
    path = database if isinstance(database, Path) else database.path
    return path.with_name(path.name + suffix)


@pytest.fixture
def path(database: Database) -> Path:
    """The path of a database that was used and closed."""
    database.write(put("mail"))
    database.close()
    return database.path


# What lies in the place of a database that was there


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def exchange_for_a_foreign_one(path: Path) -> None:
    path.unlink()
    sqlite_shell.run(path, "CREATE TABLE moz_places (id INTEGER PRIMARY KEY, url TEXT);")


def exchange_for_an_empty_one(path: Path) -> None:
    path.unlink()
    sqlite_shell.run(path, "VACUUM;PRAGMA user_version=1;")


def exchange_for_another_installations(path: Path) -> None:
    path.unlink()
    sqlite_shell.run(path, (Path(identity.__file__).parent / "migrations/0001_reference.sql").read_text("utf-8"))


def write_a_letter(path: Path) -> None:
    path.write_bytes(b"This is a letter, not a database. " * 1000)


IN_ITS_PLACE = [
    remove,
    empty,
    exchange_for_a_foreign_one,
    exchange_for_an_empty_one,
    exchange_for_another_installations,
    write_a_letter,
]


@pytest.mark.parametrize("harm", IN_ITS_PLACE)
def test_what_lies_in_the_place_of_a_database_is_no_new_installation(path: Path, harm: Callable[[Path], None]) -> None:
    harm(path)
    before = path.read_bytes() if path.exists() else None
    with pytest.raises((DatabaseRefused, DatabaseCorrupt)) as refused:
        Database.open(path)
    assert "onifast-mailctl database" in str(refused.value) or "backup" in str(refused.value)
    assert (path.read_bytes() if path.exists() else None) == before


@pytest.mark.parametrize("harm", IN_ITS_PLACE)
def test_a_program_that_starts_over_it_works_as_soon_as_the_database_is_back(
    path: Path, harm: Callable[[Path], None]
) -> None:
    kept = beside(path, ".kept")
    shutil.copy(path, kept)
    harm(path)
    with closing(Database.open(path, patient=True)) as database:
        assert refuses(database)
        assert not works(database)
        kept.replace(path)
        eventually(lambda: works(database))
        assert "mail" in database.read(keys)


def test_a_database_from_before_there_were_marks_gets_one(path: Path) -> None:
    identity.mark_path(path).unlink()
    Database.open(path).close()
    mark = identity.remembered(path)
    assert mark is not None
    assert sqlite_shell.run(path, "SELECT id FROM database_identity;") == [mark.id]
    assert identity.mark_path(path).stat().st_mode & 0o777 == 0o660


def test_a_foreign_database_is_not_made_ours_even_at_a_first_start(tmp_path: Path) -> None:
    path = tmp_path / "onifast-mail.db"
    sqlite_shell.run(path, "CREATE TABLE moz_places (id INTEGER PRIMARY KEY);")
    with pytest.raises(DatabaseRefused):
        Database.open(path)
    assert sqlite_shell.run(path, "SELECT name FROM sqlite_master;") == ["moz_places"]


def test_an_older_copy_of_the_same_database_is_taken(path: Path) -> None:
    copy = beside(path, ".backup")
    shutil.copy(path, copy)
    with closing(Database.open(path)) as database:
        database.write(put("later"))
    copy.replace(path)
    with closing(Database.open(path)) as database:
        assert database.read(keys) == {"mail"}


def test_a_mark_that_cannot_be_understood_is_made_anew_but_refuses_an_empty_place(path: Path) -> None:
    identity.mark_path(path).write_text("{")
    kept = beside(path, ".kept")
    path.rename(kept)
    with pytest.raises(DatabaseRefused):
        Database.open(path)
    kept.rename(path)
    Database.open(path).close()
    assert identity.remembered(path) not in {None, identity.UNKNOWN}


def test_a_copy_beside_its_predecessors_wal_is_refused(path: Path) -> None:
    copy = beside(path, ".backup")
    shutil.copy(path, copy)
    with closing(apsw.Connection(str(path))) as crashed:
        crashed.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        crashed.execute("INSERT INTO mail_config VALUES ('of the predecessor', '')")
    assert beside(path, "-wal").stat().st_size
    copy.replace(path)
    with pytest.raises(DatabaseRefused, match="-wal"):
        Database.open(path)
    beside(path, "-wal").rename(beside(path, "-wal.old"))
    with closing(Database.open(path)) as database:
        assert database.read(keys) == {"mail"}


# What happens under programs that run


@pytest.mark.parametrize("suffixes", [("-wal",), ("-shm",), ("-wal", "-shm"), ("-wal", "-shm", "-gate", "-turn")])
def test_what_was_committed_into_a_wal_that_was_removed_is_saved(database: Database, suffixes: tuple[str, ...]) -> None:
    with another_program(database.path) as other:
        database.write(put("before"))
        assert other.write("before too") == "written"
        for suffix in suffixes:
            beside(database, suffix).unlink()
        eventually(lambda: other.write("attempt") != "written")
        eventually(lambda: other.write("after") == "written")
        eventually(lambda: works(database))
        assert {"before", "before too", "after"} <= database.read(keys)
    assert sqlite_shell.run(database.path, "PRAGMA integrity_check;") == ["ok"]


@pytest.mark.parametrize("order", ["script", "script, program", "script, script, program, program"])
def test_what_a_script_committed_into_another_wal_in_that_second_is_saved_too(database: Database, order: str) -> None:
    """Where the old WAL holds what is not in the database yet, the script fails with an I/O error by itself."""
    database.write(put("before"))
    sqlite_shell.run(database.path, "PRAGMA wal_checkpoint;")
    beside(database, "-wal").unlink()
    wanted = {"before"}
    for number, who in enumerate(order.split(", ")):
        key = f"{number} by {who}"
        if who == "program":
            works(database)  # refused, unless the keeper was quicker
        else:
            sqlite_shell.run(database.path, f"INSERT INTO mail_config VALUES ('{key}', '');")
            wanted.add(key)
    eventually(lambda: database.connections is None)
    eventually(lambda: works(database))
    assert wanted <= database.read(keys)
    assert sqlite_shell.run(database.path, "PRAGMA integrity_check;") == ["ok"]


def test_a_wal_that_was_exchanged_is_noticed(database: Database) -> None:
    database.write(put("before"))
    wal = beside(database, "-wal")
    wal.rename(beside(database, "-wal.away"))
    wal.write_bytes(b"no wal" * 100)
    eventually(lambda: refuses(database))
    eventually(lambda: works(database))
    assert "before" in database.read(keys)
    assert sqlite_shell.run(database.path, "PRAGMA integrity_check;") == ["ok"]


def test_a_removed_wal_is_not_made_anew_while_a_stranger_holds_on_to_it(database: Database) -> None:
    database.write(put("before"))
    with closing(apsw.Connection(str(database.path))) as stranger:
        stranger.set_busy_timeout(10_000)
        assert stranger.execute("SELECT count(*) FROM mail_config").get == 1
        beside(database, "-wal").unlink()
        eventually(lambda: refuses(database))
        stranger.execute("INSERT INTO mail_config VALUES ('of the stranger', '')")
        assert refuses(database)
    eventually(lambda: works(database))
    assert {"before", "of the stranger"} <= database.read(keys)


def test_a_database_that_is_removed_while_open_is_rescued_to_a_copy(database: Database) -> None:
    with another_program(database.path) as other:
        assert other.write("mail") == "written"
        database.path.unlink()
        eventually(lambda: refuses(database))
        eventually(lambda: other.write("attempt") != "written")
        eventually(lambda: list(database.path.parent.glob("*.rescued-*[0-9]")))
        (copy,) = database.path.parent.glob("*.rescued-*[0-9]")
        assert not database.path.exists()
        copy.rename(database.path)
        eventually(lambda: other.write("after") == "written")
        eventually(lambda: works(database))
        assert {"mail", "after"} <= database.read(keys)


def test_a_folder_that_goes_and_comes_back_is_no_new_installation(database: Database) -> None:
    database.write(put("mail"))
    folder = database.path.parent
    away = folder.with_name("away")
    folder.rename(away)
    eventually(lambda: refuses(database))
    time.sleep(2 * keeper.LOOK_SECONDS)
    assert not folder.exists()
    away.rename(folder)
    eventually(lambda: works(database))
    assert "mail" in database.read(keys)


def test_an_older_copy_that_is_put_in_place_under_running_programs_is_taken(database: Database) -> None:
    database.write(put("early"))
    backup = beside(database, ".backup")
    sqlite_shell.run(database.path, f".backup {backup}")
    with another_program(database.path) as other:
        assert other.write("late") == "written"
        backup.replace(database.path)
        eventually(lambda: not refuses(database) and "late" not in database.read(keys))
        eventually(lambda: other.write("after") == "written")
        eventually(lambda: works(database))
        assert {"early", "after"} <= database.read(keys)
    assert sqlite_shell.run(database.path, "PRAGMA integrity_check;") == ["ok"]
    assert not list(database.path.parent.glob("*.rescued-*[0-9]"))


@pytest.mark.parametrize("content", [b"", b"no database " * 10_000])
def test_a_database_that_is_overwritten_while_open_takes_no_more_mail(database: Database, content: bytes) -> None:
    database.write(put("mail"))
    backup = beside(database, ".backup")
    sqlite_shell.run(database.path, f".backup {backup}")
    subprocess.run(["/usr/bin/cp", "/dev/stdin", database.path], input=content, check=True)
    eventually(lambda: refuses(database))
    eventually(lambda: troubles.REFUSED in kinds(database))
    subprocess.run(["/usr/bin/cp", backup, database.path], check=True)
    eventually(lambda: works(database))
    assert "mail" in database.read(keys)
    assert sqlite_shell.run(database.path, "PRAGMA integrity_check;") == ["ok"]
    eventually(lambda: troubles.REFUSED not in kinds(database))


def test_a_database_that_another_one_is_copied_over_takes_no_more_mail(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / path.name
    Database.open(other).close()
    with closing(Database.open(path)) as database:
        database.write(put("more"))
        subprocess.run(["/usr/bin/cp", other, path], check=True)
        eventually(lambda: refuses(database))
