"""onifast-mailctl fsck: each kind of disagreement is made, found, mended, and not found again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlite_shell
from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import SentCopy
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Database
from onifast_shared.fsck.examination import KINDS
from onifast_shared.machine.config import Settings
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.search import upkeep

Finding = dict[str, str | None]
MAIL = ".onifast/mail"
INTACT = f"20260101T000000Z-{1}.eml"


@dataclass
class Host:
    """An installation with a message of ann's in sent, in the queue, and as a copy in her home."""

    settings: Settings
    database: Database
    capsys: pytest.CaptureFixture[str]

    def sql(self, *statements: str) -> None:
        """As another program would, without foreign keys."""
        sqlite_shell.run(self.database.path, " ".join(statements))

    def value(self, sql: str) -> object:
        return self.database.read(lambda tx: tx.execute(sql).get)

    def fsck(self, *words: str) -> tuple[int, list[Finding]]:
        environ = {
            "ONIFAST_MAIL_ROOT": str(self.settings.root),
            "ONIFAST_MAIL_HOME_ROOT": str(self.settings.home_root),
            "ONIFAST_MAIL_HOSTNAME": "mail.example.test",
        }
        status = ctl.main(["fsck", "--json", *words], environ)
        return status, [json.loads(line) for line in self.capsys.readouterr().out.splitlines()]

    @property
    def mail(self) -> Path:
        return self.settings.home_root / "ann" / MAIL

    @property
    def kept(self) -> list[Path]:
        return sorted(self.settings.config_dir.glob("lost+found/*/*"))


@pytest.fixture
def host(settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]) -> Host:
    submission = Submission(sender="ann@example.test", origin="smtp", owner="ann", submitted_by="user:ann")
    raw = b"Subject: Bread\r\n\r\nTwo loaves.\r\n"
    accept.submit(database, raw, submission, [QueuedRecipient("bob@remote.test")], SentCopy("ann", "bob@remote.test"))
    made = Host(settings, database, capsys)
    made.mail.mkdir(parents=True)
    (made.mail / INTACT).write_bytes(raw)
    made.sql(f"UPDATE emails SET filing = 2, judged = 1, file_path = '/nowhere/{INTACT}' WHERE id = 1;")
    return made


def orphan(host: Host) -> None:
    host.sql("INSERT INTO contents (size, data, created_ts) VALUES (5, CAST('Hello' AS BLOB), 1);")


def lose_pieces(host: Host) -> None:
    host.sql("UPDATE contents SET data = NULL WHERE id = 1;", "DELETE FROM content_pieces;")


def break_reference(host: Host) -> None:
    host.sql("INSERT INTO content_pieces (content_id, seq, data) VALUES (77, 0, CAST('left' AS BLOB));")


def unknown_state(host: Host) -> None:
    host.sql("UPDATE outbox SET status = 'limbo' WHERE id = 1;")


def dead_lease(host: Host) -> None:
    lease = "lease_token = 'x', lease_boot = 'earlier', lease_until = 1"
    host.sql(f"UPDATE outbox SET status = 'sending', {lease} WHERE id = 1;")


def wrong_count(host: Host) -> None:
    host.sql("UPDATE folder_counts SET total = 9 WHERE owner = 'ann';")


def unindexed(host: Host) -> None:
    """It counts as indexed, and is in no index; nothing is behind."""
    while host.database.write(upkeep.empty_some):
        pass
    host.sql("UPDATE emails SET indexed = 1;", "DELETE FROM search_queue;", "DELETE FROM search_documents;")
    host.sql("UPDATE search_progress SET position = 0;")


def no_copy(host: Host) -> None:
    (host.mail / INTACT).unlink()


def left_over(host: Host) -> None:
    path = host.settings.config_dir / "onifast-mail.db.rescued-17.part"
    path.write_bytes(b"half")
    os.utime(path, (1, 1))


def open_key(host: Host) -> None:
    folder = host.settings.certs_dir / "example.test"
    folder.mkdir(parents=True)
    (folder / "privkey.pem").write_text("secret")
    (folder / "privkey.pem").chmod(0o644)
    (folder / "fullchain.pem").write_text("for all")
    (folder / "fullchain.pem").chmod(0o644)


MADE: dict[str, Callable[[Host], None]] = {
    "unused-contents": orphan,
    "incomplete-contents": lose_pieces,
    "foreign-rows": break_reference,
    "queue-states": unknown_state,
    "leases": dead_lease,
    "counts": wrong_count,
    "search": unindexed,
    "missing-copies": no_copy,
    "left-overs": left_over,
    "rights": open_key,
}
BY_PEOPLE = {"pages", "unknown-copies"}
"""Kinds that fsck does not mend by itself; they have tests of their own."""


def test_each_kind_is_made_here() -> None:
    assert {kind.name for kind in KINDS} == MADE.keys() | BY_PEOPLE


def test_nothing_is_wrong_where_nothing_is(host: Host) -> None:
    assert host.fsck() == (0, [])
    assert host.fsck("--fix") == (0, [])
    assert host.kept == []


@pytest.mark.parametrize("kind", MADE)
def test_what_is_wrong_is_found_and_mended(kind: str, host: Host) -> None:
    MADE[kind](host)
    status, found = host.fsck()
    assert status == 1 and {each["kind"] for each in found} >= {kind}
    assert all(each["mended"] is None for each in found)
    status, found = host.fsck("--fix", kind)
    assert status == 0 and found and all(each["kind"] == kind and each["mended"] for each in found)
    told = host.value("SELECT group_concat(details) FROM audit_events WHERE action = 'database.mend'")
    assert str(told).count(f'"{kind}"') == 1
    if kind == "incomplete-contents":
        return  # the queue's row stays until a person cancels it
    assert host.fsck(kind) == (0, [])


def test_what_is_taken_out_is_kept(host: Host) -> None:
    orphan(host)
    break_reference(host)
    assert host.fsck("--fix")[0] == 0
    rows, eml = host.kept
    assert (eml.name, eml.read_bytes()) == ("contents-2.eml", b"Hello")
    assert json.loads(rows.read_text())["data"] == {"base64": "bGVmdA=="}
    assert eml.stat().st_mode & 0o007 == 0


def test_a_queue_row_without_its_content_is_held_and_never_sent_empty(host: Host) -> None:
    lose_pieces(host)
    host.fsck("--fix")
    assert host.value("SELECT status FROM outbox") == "held"
    assert host.value("SELECT content_id FROM outbox") == 1
    status, found = host.fsck()
    assert status == 1 and [each["remedy"] for each in found] == ["onifast-mailctl queue cancel 1"]
    host.sql("UPDATE outbox SET status = 'cancelled';")
    assert host.fsck("incomplete-contents") == (0, [])


def test_many_rows_are_read_in_steps(host: Host) -> None:
    host.sql(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)"
        " INSERT INTO contents (size, data, created_ts) SELECT 1, x'41', 1 FROM n;"
    )
    status, found = host.fsck("--fix", "unused-contents")
    assert (status, len(found), host.value("SELECT count(*) FROM contents")) == (0, 1200, 1)


def test_a_copy_of_no_message_is_named_with_what_brings_it_in(host: Host) -> None:
    (host.mail / "$(reboot) 99.eml").write_bytes(b"Subject: x\r\n\r\n")
    homes = host.settings.home_root
    (homes / "eve" / ".onifast").mkdir(parents=True)
    (homes / "eve" / MAIL).symlink_to(host.mail)
    (homes / "mallory").mkdir()
    (homes / "mallory/.onifast").symlink_to(homes / "ann/.onifast")
    (homes / "trent").symlink_to(homes / "ann")
    status, found = host.fsck("--fix")
    assert status == 1 and [each["kind"] for each in found] == ["unknown-copies"]
    assert f"import mail ann '{host.mail}/$(reboot) 99.eml' brings" in str(found[0]["remedy"])


def test_an_index_that_does_not_fit_its_table_is_found(host: Host) -> None:
    host.sql(
        "PRAGMA writable_schema = 1; PRAGMA ignore_check_constraints = 1;",
        "UPDATE sqlite_master SET sql = replace(sql, 'WHERE status = ''sending''', 'WHERE status <> ''sending''')"
        " WHERE name = 'outbox_leased';",
    )
    status, found = host.fsck("pages")
    assert status == 1 and {each["where"] for each in found} == {"outbox"}


def test_an_unknown_kind_or_no_database_is_status_2(host: Host) -> None:
    assert host.fsck("everything")[0] == 2
    host.database.close()
    host.database.path.unlink()
    assert host.fsck()[0] == 2
