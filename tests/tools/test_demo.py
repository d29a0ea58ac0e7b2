"""The demo user and their messages: made once, kept as they were left."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from onifast_outbox.filing import indexer
from onifast_shared.accounts.panel_users import UserDirectory
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import counts, labelling, mailbox
from onifast_shared.queue import view
from onifast_shared.recipients import addresses

from tools import demo, demo_files, demo_letters


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    environ = {"ONIFAST_MAIL_ROOT": str(tmp_path / "root"), "ONIFAST_MAIL_HOSTNAME": "mail.example.test"}
    return Settings.load(environ)


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    with closing(Database.open(settings.database)) as db:
        yield db


def inbox(settings: Settings) -> list[str]:
    with opened(settings) as db:
        return [row.subject for row in db.read(lambda tx: mailbox.list_page(tx, demo.USER, "inbox")).rows]


async def index(db: Database) -> None:
    while await indexer.run_once(db):
        pass


def test_the_demo_user_can_log_in_and_owns_the_address(settings: Settings) -> None:
    demo.make(settings)
    assert UserDirectory(settings).authenticate("demo", "demo") is not None
    with opened(settings) as db:
        assert db.read(lambda tx: addresses.owns(tx, "demo", demo.ADDRESS))


def test_the_welcome_is_the_newest_message(settings: Settings) -> None:
    assert demo.make(settings) is True
    subjects = inbox(settings)
    assert subjects[:8] == [
        "Welcome to onifast-mail",
        "Undelivered Mail Returned to Sender",
        "Figures for March",
        "Weekly report",
        "Fresh on Saturday",
        "Zahlen für März",
        "How to find things",
        "Keys for everything",
    ]
    assert {"Re: Moving the shop", "תמונות מהקיץ", "会議の資料", "Pictures of the lake"} < set(subjects)
    with opened(settings) as db:
        counted = db.read(lambda tx: counts.of(tx, demo.USER))
    assert sum(each.total for each in counted.values()) > 40
    assert all(counted[folder].total for folder in ("inbox", "sent", "drafts", "archive", "junk", "trash"))
    assert 4 <= counted["inbox"].unread < counted["inbox"].total / 2


def test_those_who_wrote_to_each_other_are_in_one_conversation(settings: Settings) -> None:
    demo.make(settings)
    with opened(settings) as db:
        asyncio.run(index(db))
        rows = db.read(lambda tx: mailbox.list_page(tx, demo.USER, None, limit=100)).rows
    of = {row.conversation_id for row in rows if row.subject.endswith("Street party: who brings what?")}
    assert len(of) == 1 and sum(row.conversation_id in of for row in rows) == 12
    plan = [row for row in rows if row.subject.endswith("Moving the shop")]
    assert len({row.conversation_id for row in plan}) == 1 and len(plan) == 4


def test_each_file_is_what_it_says(tmp_path: Path) -> None:
    files = {
        "a.pdf": ("application/pdf", demo_files.page("Title", ["one", "two"])),
        "a.png": ("image/png", demo_files.picture(60, 40, (0, 0, 0), (255, 255, 255))),
        "a.wav": ("audio/x-wav", demo_files.sound()),
        "a.vcf": ("text/vcard", demo_files.contact("Ann", "ann@example.test", "Shop")),
    }
    for name, (content_type, octets) in files.items():
        (tmp_path / name).write_bytes(octets)
        command = ["file", "--brief", "--mime-type", str(tmp_path / name)]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == content_type
    assert len(list(demo_letters.earlier(demo.ADDRESS, "mail.example.test", datetime.now(UTC)))) > 30


def test_there_is_a_message_for_each_thing_to_try(settings: Settings) -> None:
    demo.make(settings)
    with opened(settings) as db:
        rows = db.read(lambda tx: mailbox.list_page(tx, demo.USER, "inbox")).rows
        (letter,) = [row for row in rows if row.subject == "Zahlen für März"]
        labelled = db.read(lambda tx: labelling.of_messages(tx, [letter.id]))[letter.id]
        assert ([each.name for each in labelled], letter.is_starred) == (["Work/Figures"], True)
        junk = db.read(lambda tx: mailbox.list_page(tx, demo.USER, "junk")).rows
        assert [row.subject for row in junk] == ["Your password expires today", "Today alone"]
        fates = db.read(lambda tx: [(row.recipient, row.status) for row in view.list_page(tx, owner=demo.USER).rows])
        assert fates == [
            ("max@remote.example", "pending"),
            ("ann@remote.example", "pending"),
            ("max@remote.example", "sent"),
            ("orders@bakery.example", "sent"),
        ]
        waiting = db.read(
            lambda tx: [row.subject for row in view.list_page(tx, owner=demo.USER).rows if row.release_ts]
        )
        assert waiting == ["Market day"]


def test_a_second_run_writes_nothing(settings: Settings) -> None:
    demo.make(settings)
    before = inbox(settings)
    assert demo.make(settings) is False
    assert inbox(settings) == before


def test_a_run_that_was_cut_off_before_its_end_is_finished_by_the_next(settings: Settings) -> None:
    demo.make(settings)
    before = inbox(settings)
    (settings.users_dir / "demo.json").unlink()
    assert demo.make(settings) is True
    assert inbox(settings) == before


def test_the_user_file_holds_a_hash_and_is_closed_to_others(settings: Settings) -> None:
    demo.make(settings)
    file = settings.users_dir / "demo.json"
    assert json.loads(file.read_text())["password"].startswith("scrypt:")
    assert file.stat().st_mode & 0o077 == 0
