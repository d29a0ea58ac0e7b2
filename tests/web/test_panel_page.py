"""docs/panel.md, taken at its word."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import sqlite_shell
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.message.compose import OutgoingAttachment

from web.support import Live, deliver, queue

pytestmark = pytest.mark.peers

PAGE = Path(__file__).parents[2] / "docs/panel.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


INVITATION = (
    b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:7\r\nDTSTART:20261201T100000Z\r\nDURATION:PT1H\r\n"
    b"SUMMARY:Plan\r\nORGANIZER:mailto:ann@remote.example\r\nATTENDEE:mailto:demo@example.test\r\n"
    b"END:VEVENT\r\nEND:VCALENDAR\r\n"
)


def test_every_curl_line_works(live: Live, settings: Settings, database: Database, tmp_path: Path) -> None:
    deliver(database)
    queue(database, "customer@remote.test")
    deliver(database, attachments=[OutgoingAttachment("invite.ics", "text/calendar", INVITATION)])
    script = "\n".join(blocks("sh")).replace("http://127.0.0.1:4031", live.url)
    script = script.replace("/home/root/onifast", str(settings.root))
    command = ["bash", "-euxo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    assert "Inbox" in (tmp_path / "inbox.html").read_text()
    assert script.count("curl ") >= 18


def test_every_sql_statement_works(settings: Settings, database: Database) -> None:
    deliver(database, subject="Hello")
    database.close()
    answers = [sqlite_shell.run(settings.database, statement) for statement in blocks("sql")]
    assert len(answers) >= 3 and answers[-1]
