"""The demo user and their messages: made once, kept as they were left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from onifast_shared.accounts.panel_users import UserDirectory
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import labelling, mailbox
from onifast_shared.queue import view
from onifast_shared.recipients import addresses

from tools import demo


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    environ = {"ONIFAST_MAIL_ROOT": str(tmp_path / "root"), "ONIFAST_MAIL_HOSTNAME": "mail.example.test"}
    return Settings.load(environ)


def inbox(settings: Settings) -> list[str]:
    db = Database.open(settings.database)
    try:
        return [row.subject for row in db.read(lambda tx: mailbox.list_page(tx, demo.USER, "inbox")).rows]
    finally:
        db.close()


def test_the_demo_user_can_log_in_and_owns_the_address(settings: Settings) -> None:
    demo.make(settings)
    assert UserDirectory(settings).authenticate("demo", "demo") is not None
    db = Database.open(settings.database)
    try:
        assert db.read(lambda tx: addresses.owns(tx, "demo", demo.ADDRESS))
    finally:
        db.close()


def test_the_welcome_is_the_newest_message(settings: Settings) -> None:
    assert demo.make(settings) is True
    assert inbox(settings) == [
        "Welcome to onifast-mail",
        "Undelivered Mail Returned to Sender",
        "Figures for March",
        "Weekly report",
        "Fresh on Saturday",
        "Zahlen für März",
    ]


def test_there_is_a_message_for_each_thing_to_try(settings: Settings) -> None:
    demo.make(settings)
    db = Database.open(settings.database)
    try:
        (*_, letter) = db.read(lambda tx: mailbox.list_page(tx, demo.USER, "inbox")).rows
        labelled = db.read(lambda tx: labelling.of_messages(tx, [letter.id]))[letter.id]
        assert ([each.name for each in labelled], letter.is_starred) == (["Work/Figures"], True)
        (lure,) = db.read(lambda tx: mailbox.list_page(tx, demo.USER, "junk")).rows
        assert lure.subject == "Your password expires today"
        fates = db.read(lambda tx: [(row.recipient, row.status) for row in view.list_page(tx, owner=demo.USER).rows])
        assert fates == [("ann@remote.example", "pending"), ("max@remote.example", "sent")]
    finally:
        db.close()


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
