"""Commands and the audit trail: which leave a line, and who it says ran them."""

from __future__ import annotations

import argparse
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest
from onifast_shared.accounts import audit
from onifast_shared.accounts.audit import AuditEvent
from onifast_shared.ctl import audited
from onifast_shared.ctl.main import main, parser
from onifast_shared.db.database import Database


def commands(whole: argparse.ArgumentParser) -> Iterator[str]:
    for action in whole._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from commands(each)
            return
    yield str(whole._defaults["spoken"])


def test_every_command_leaves_a_line_or_says_why_not() -> None:
    known = set(commands(parser()))
    assert known - audited.CHANGES.keys() - audited.WITHOUT_LINE.keys() == set()
    assert (audited.CHANGES.keys() | audited.WITHOUT_LINE.keys()) - known == set()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The settings of an installation with nobody in it."""
    for name in ("users", "certs", "config"):
        (tmp_path / name).mkdir()
    return {"ONIFAST_MAIL_ROOT": str(tmp_path), "ONIFAST_MAIL_HOSTNAME": "mail.host.test"}


def said(environ: dict[str, str]) -> list[AuditEvent]:
    path = Path(environ["ONIFAST_MAIL_ROOT"]) / "config/onifast-mail.db"
    database = Database.open(path, timeout=10)
    try:
        return database.read(lambda tx: audit.list_page(tx, limit=200)).rows
    finally:
        database.close()


def me() -> str:
    return f"unix:{pwd.getpwuid(os.getuid()).pw_name}"


def test_a_change_is_written_with_the_unix_user(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("USER", "somebody-else")
    monkeypatch.setenv("LOGNAME", "somebody-else")
    (password := tmp_path / "password").write_text("hunter2\n")
    server = ["mx.test", "--user", "me", "--password-file", str(password)]
    assert main(["route", "set", "to", "there.test", *server], environ) == 0
    (event,) = said(environ)
    assert (event.action, event.actor.name) == ("route.set", me())
    assert "there.test" in event.object and "hunter2" not in str(event.details)


def test_what_finds_nothing_or_only_looks_is_not_written(environ: dict[str, str]) -> None:
    assert main(["address", "remove", "nobody@there.test"], environ) == 1
    assert main(["address", "list"], environ) == 0
    assert main(["audit", "list"], environ) == 0
    assert said(environ) == []


def test_the_trail_is_searched_at_the_shell(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    for domain in ("one.test", "two.test"):
        assert main(["route", "set", "to", domain, "mx.test"], environ) == 0
    capsys.readouterr()
    assert main(["audit", "list", "--q", "two.test", "--actor", me()], environ) == 0
    out = capsys.readouterr().out
    assert "two.test" in out and "one.test" not in out
    assert main(["audit", "list", "--until", "2001-01-01T00:00:00Z"], environ) == 0
    assert capsys.readouterr().out == ""


def test_who_logged_in_before_becoming_root_is_named(tmp_path: Path) -> None:
    login = tmp_path / "loginuid"
    for text, token in ((f"{os.getuid()}", ""), (f"{2**32 - 1}", ""), ("65534", "login:nobody"), ("x", "")):
        login.write_text(text)
        assert audited.actor(login).token == token
    assert audited.actor(tmp_path / "none").name == me()
