"""docs/panel.md, taken at its word."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sqlite_shell
from onifast_shared.accounts import second_factor
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.message.compose import OutgoingAttachment

from web.support import Live, deliver, queue

pytestmark = pytest.mark.peers

CTL = Path(sys.executable).with_name("onifast-mailctl")
UNFINISHED = {"dkim …", "user confirm"}
"""What sentences name without saying of what."""
PAGE = Path(__file__).parents[2] / "docs/panel.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def environment(settings: Settings) -> dict[str, str]:
    """For onifast-mailctl on the test's tree."""
    (host, port), *_ = settings.dns_servers
    return os.environ | {
        "PATH": f"{CTL.parent}:{os.environ['PATH']}",
        "ONIFAST_MAIL_ROOT": str(settings.root),
        "ONIFAST_MAIL_HOSTNAME": settings.hostname,
        "ONIFAST_MAIL_DNS_SERVERS": f"{host}:{port}",
    }


INVITATION = (
    b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:7\r\nDTSTART:20261201T100000Z\r\nDURATION:PT1H\r\n"
    b"SUMMARY:Plan\r\nORGANIZER:mailto:ann@remote.example\r\nATTENDEE:mailto:demo@example.test\r\n"
    b"END:VEVENT\r\nEND:VCALENDAR\r\n"
)


@pytest.mark.timeout(600)  # more than a hundred programs, one after another
def test_every_curl_line_works(live: Live, settings: Settings, database: Database, tmp_path: Path) -> None:
    deliver(database)
    queue(database, "customer@remote.test")
    deliver(database, attachments=[OutgoingAttachment("invite.ics", "text/calendar", INVITATION)])
    (settings.root / "sso").mkdir(mode=0o770)
    script = "\n".join(blocks("sh")).replace("http://127.0.0.1:4031", live.url)
    script = script.replace("/home/root/onifast", str(settings.root)).replace(
        "chgrp onifast-mail", f"chgrp {os.getgid()}"
    )
    command = ["bash", "-euxo", "pipefail", "-c", script]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(settings), capture_output=True, text=True, timeout=580, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    assert "Inbox" in (tmp_path / "inbox.html").read_text()
    assert script.count("curl ") >= 18


def test_the_example_in_php_works(live: Live, settings: Settings, database: Database, tmp_path: Path) -> None:
    deliver(database)
    (example,) = blocks("php")
    token = settings.panel_token_path.read_text().strip()
    example = example.replace("'OnifastMail.php'", f"'{PAGE.parent}/panel/OnifastMail.php'")
    example = example.replace("new OnifastMail();", f"new OnifastMail('{live.url}', '{token}');")
    program = tmp_path / "page.php"
    program.write_text(f"<?php\n{example}")
    command = ["php", "-d", "display_errors=stderr", "-d", "output_buffering=4096", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "demo@example.test\nshop@kit.test\n1 unread\n"


def test_every_command_that_stands_in_a_sentence_works(settings: Settings, database: Database) -> None:
    whole = [each for each in re.findall(r"`onifast-mailctl ([^`]*)`", PAGE.read_text()) if each not in UNFINISHED]
    assert len(whole) >= 3
    database.write(lambda tx: second_factor.begin(tx, "demo", 1e9))
    database.write(lambda tx: second_factor.confirm(tx, "demo", "", 1e9, lambda *_: 1))
    for command in whole:
        words = command.replace("USER", "demo").replace("NAME", "panel").split()
        done = subprocess.run([CTL, *words], env=environment(settings), capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, (command, done.stderr)


def test_every_sql_statement_works(settings: Settings, database: Database) -> None:
    deliver(database, subject="Hello")
    database.close()
    answers = [sqlite_shell.run(settings.database, statement) for statement in blocks("sql")]
    assert len(answers) >= 3 and answers[-1]
