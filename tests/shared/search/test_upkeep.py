"""The index follows whatever becomes of mail, and whoever does it; what it lacks is seen, and made up for."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import sqlite_shell
from mail_rows import put
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import mailbox
from onifast_shared.search import check, index, upkeep
from onifast_shared.search.check import IndexUnfinished
from searchable import follow, found, index_all, parse_new, search, store

LEFT = (
    "SELECT count(*) FROM search_documents; SELECT count(*) FROM search_volumes; SELECT count(*) FROM search_removals;"
)


def deliver(database: Database, subject: str, text: str = "", owner: str = "ann", now: float = 1.0) -> int:
    raw = f"From: Bob <b@x.test>\r\nCc: Zoë <zoe@y.test>\r\nSubject: {subject}\r\n\r\n{text}".encode()
    return put(database, raw, owner=owner, now=now)


def words_left(database: Database) -> int:
    """How many words the index still has, by SQLite's own count of them."""
    make = "CREATE VIRTUAL TABLE IF NOT EXISTS temp.left USING fts5vocab('main', 'mail_words', 'row'); "
    return int(sqlite_shell.run(database.path, f"{make} SELECT count(*) FROM temp.left;")[0])


def test_a_deleted_message_leaves_no_word(database: Database) -> None:
    ids = [deliver(database, "zebra 会議", "stripes and more"), deliver(database, "zebra")]
    index_all(database)
    assert words_left(database) > 5
    database.write(lambda tx: mailbox.erase(tx, ids))
    assert found(database, "zebra") == []
    follow(database)
    assert (words_left(database), sqlite_shell.run(database.path, LEFT)) == (0, ["0", "0", "0"])


@pytest.mark.parametrize(
    ("change", "gone", "there"),
    [
        ("UPDATE emails SET subject = 'lion'", "zebra", "lion"),
        ("UPDATE emails SET body = 'lion' WHERE body <> ''", "stripes", "zebra lion"),
        ("UPDATE emails SET sender = 'lion@z.test', sender_name = NULL", "from:bob", "from:lion"),
        ("UPDATE emails SET recipient = 'lion@z.test'", "to:ann@x.test", "to:lion"),
        ("UPDATE emails SET body = x'6c696f6e'", "stripes", "lion"),
        ("UPDATE emails SET subject = 'puma'; UPDATE emails SET subject = 'lion'", "puma", "lion cc:zoe"),
    ],
)
def test_what_any_program_changes_is_followed(change: str, gone: str, there: str, database: Database) -> None:
    email_id = deliver(database, "zebra", "stripes")
    index_all(database)
    sqlite_shell.run(database.path, f"{change};")
    assert found(database, gone) == []
    follow(database)
    assert (found(database, gone), found(database, there)) == ([], [email_id])
    assert list(check.check(database)) == []
    sqlite_shell.run(database.path, "PRAGMA foreign_keys=OFF; DELETE FROM emails;")
    follow(database)
    assert (words_left(database), sqlite_shell.run(database.path, LEFT)) == (0, ["0", "0", "0"])


def test_mail_that_becomes_anothers_is_found_by_them_alone(database: Database) -> None:
    email_id = deliver(database, "zebra")
    index_all(database)
    sqlite_shell.run(database.path, "UPDATE emails SET owner = 'ben';")
    assert found(database, "zebra") == found(database, "zebra", "ben") == []
    follow(database)
    assert (found(database, "zebra"), found(database, "zebra", "ben")) == ([], [email_id])
    sqlite_shell.run(database.path, "UPDATE emails SET owner = '~1:ben';")
    follow(database)
    assert words_left(database) == 0
    sqlite_shell.run(database.path, "UPDATE emails SET owner = NULL;")
    follow(database)
    assert (found(database, "zebra", "ben"), found(database, "zebra", None)) == ([], [email_id])


def test_a_row_that_takes_anothers_place_is_found_by_its_own_words(database: Database) -> None:
    email_id = deliver(database, "zebra")
    index_all(database)
    values = f"({email_id}, 'ann', 'x@x.test', 'ann@x.test', 'lion', 'b', 'inbox')"
    columns = "id, owner, sender, recipient, subject, body, folder"
    sqlite_shell.run(database.path, f"INSERT OR REPLACE INTO emails ({columns}) VALUES {values};")
    index_all(database)
    assert (found(database, "zebra"), found(database, "lion")) == ([], [email_id])


def test_rows_of_scripts_are_found(database: Database) -> None:
    sqlite_shell.run(
        database.path,
        "INSERT INTO emails (owner, sender, recipient, subject, body, received_at) VALUES"
        " ('ann', 'x@x.test', 'ann@x.test', 'zebra', 'stripes', '2024-03-01T12:00:00+01:00');",
    )
    index_all(database)
    assert found(database, "zebra stripes from:x before:2024-03-02 after:2024-03-01") == [1]


def test_what_changes_while_it_is_read_is_not_indexed_as_it_was(database: Database) -> None:
    email_id = deliver(database, "zebra")
    parse_new(database)
    while database.write(upkeep.empty_some):
        pass
    batch = database.read(upkeep.queued)
    sqlite_shell.run(database.path, "UPDATE emails SET subject = 'lion';")
    database.write(lambda tx: store(tx, batch))
    assert found(database, "zebra") == []
    follow(database)
    assert (found(database, "zebra"), found(database, "lion")) == ([], [email_id])


def test_two_processes_that_sweep_index_each_message_once(database: Database) -> None:
    ids = [deliver(database, f"zebra {number}") for number in range(3)]
    parse_new(database)
    sqlite_shell.run(database.path, "DELETE FROM search_queue; UPDATE search_progress SET form = '', position = 9;")
    while database.write(upkeep.empty_some):
        if database.read(upkeep.missing):
            break
    batch = database.read(upkeep.missing)
    assert batch is not None
    for _ in range(2):
        database.write(lambda tx: store(tx, batch))
    assert sorted(found(database, "zebra")) == ids
    assert database.read(upkeep.missing) is None


def test_another_form_of_words_has_all_of_them_made_anew(database: Database) -> None:
    ids = [deliver(database, f"zebra {number}") for number in range(3)]
    index_all(database)
    sqlite_shell.run(database.path, "UPDATE search_progress SET form = 'another';")
    assert database.write(upkeep.empty_some)
    assert search(database, "zebra").incomplete_before is not None
    deliver(database, "zebra of today")
    index_all(database)
    assert len(found(database, "zebra")) == len(ids) + 1
    assert search(database, "zebra").incomplete_before is None
    assert list(check.check(database)) == []


def test_a_volume_that_has_lost_most_is_merged(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "VOLUME_SIZE", 8)
    monkeypatch.setattr(upkeep, "_SPARSE", 2)
    ids = [deliver(database, "zebra", now=float(number)) for number in range(40)]
    index_all(database)
    database.write(lambda tx: mailbox.erase(tx, [each for each in ids if each % 8 != 1]))
    index_all(database)
    assert found(database, "zebra") == [each for each in reversed(ids) if each % 8 == 1]
    assert sqlite_shell.run(database.path, "SELECT count(*) FROM search_volumes;") == ["1"]
    assert list(check.check(database)) == []


def test_the_index_of_earlier_versions_is_emptied(database: Database) -> None:
    email_id = deliver(database, "zebra")
    parse_new(database)
    fill = "INSERT INTO mail_search (rowid, subject) SELECT id, subject FROM emails;"
    sqlite_shell.run(database.path, f"{fill} INSERT INTO mail_search (rowid, subject) VALUES (7000, 'more');")
    assert not database.write(upkeep.empty_former)  # not before the new one is complete
    follow(database)
    while database.write(upkeep.empty_former):
        pass
    left = "SELECT count(*) FROM mail_search_idx; SELECT count(*) FROM mail_search('zebra');"
    assert sqlite_shell.run(database.path, left) == ["0", "0"]
    assert found(database, "zebra") == [email_id]


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]) -> Run:
    for owner in ("ann", "ben"):
        deliver(database, "zebra", owner=owner)
    index_all(database)
    environ = {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": "mail.example.test"}

    def run_command(*words: str) -> tuple[int, str]:
        status = ctl.main(words, environ)
        return status, "".join(capsys.readouterr())

    return run_command


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("DELETE FROM search_documents WHERE email_id = 1; DELETE FROM search_queue", "it is not in the index"),
        ("UPDATE search_documents SET checksum = 1 WHERE email_id = 1", "with other words"),
        ("UPDATE search_documents SET received_ts = 9 WHERE email_id = 1", "or another time"),
        ("INSERT INTO mail_words (mail_words) VALUES ('delete-all')", "its words are not in the index"),
        ("UPDATE search_volumes SET owner = 'carol' WHERE owner = 'ann'", "its words are not in the index"),
    ],
)
def test_damage_is_listed_and_mended(damage: str, problem: str, run: Run, database: Database) -> None:
    assert run("search", "check") == (0, "the index has the words of all mail\n")
    sqlite_shell.run(database.path, f"{damage};")
    status, out = run("search", "check")
    assert status == 1 and out.startswith("1\tann\t") and problem in out
    assert run("search", "rebuild")[0] == 0
    with pytest.raises(IndexUnfinished):
        list(check.check(database))
    assert run("search", "check") == (1, "onifast-mailctl: the index is being emptied, to be made anew by outbox\n")
    follow(database)
    assert run("search", "check", "--json") == (0, "[]\n")
    assert found(database, "zebra") == [1]


def test_one_owners_mail_is_indexed_anew(run: Run, database: Database) -> None:
    before = sqlite_shell.run(database.path, "SELECT id FROM search_documents WHERE email_id = 2;")
    assert json.loads(run("search", "rebuild", "--owner", "ann", "--json")[1]) == {"rebuilding": "ann"}
    assert found(database, "zebra") == []
    follow(database)
    assert found(database, "zebra") == [1]
    assert sqlite_shell.run(database.path, "SELECT id FROM search_documents WHERE email_id = 2;") == before
    assert run("search", "check", "--owner", "ann")[0] == 0


def test_an_entry_of_no_message_is_listed(run: Run, database: Database) -> None:
    columns = "id, email_id, received_ts, extras, checksum"
    orphan = f"INSERT INTO search_documents ({columns}) VALUES (99999999, 77, 1, '', 1);"
    sqlite_shell.run(database.path, orphan)
    assert "77\t-\tit is in the index, and there is no such message" in run("search", "check")[1]
