"""The commands of onifast-mailctl as docs/ prints them: each is one, with the words that it takes."""

from __future__ import annotations

import io
import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings

DOCS = Path(__file__).parents[3] / "docs"
LINE = re.compile(r"^(?:\$ | {4})?(?:\S*/)?onifast-mailctl (.+)$", re.MULTILINE)
WAITS = "delivery-check"
"""What waits for outbox: tests/e2e/test_delivery_check.py runs it."""


def documented() -> list[str]:
    found = [line for page in sorted(DOCS.glob("*.md")) for line in LINE.findall(page.read_text())]
    # What a shell does with the exit status is not ours.
    return list(dict.fromkeys(line.partition(" || ")[0] for line in found))


@pytest.fixture
def environ(settings: Settings, database: Database) -> dict[str, str]:
    """What programs of this test's tree are started with."""
    database.close()
    for username in ("ann", "alice", "demo", "shop"):
        (settings.users_dir / f"{username}.json").write_text(json.dumps({"password": "x"}))
    return {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": settings.hostname}


def test_there_are_some() -> None:
    assert len(documented()) > 30


@pytest.mark.parametrize("line", documented())
def test_it_is_a_command(line: str, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(line, comments=True)
    arguments = ctl.parser().parse_args(words)  # leaves with SystemExit where they are not
    if words[0] != WAITS:
        monkeypatch.setattr(sys, "stdin", io.StringIO("secret\n"))
        assert ctl.main(words, environ) in (0, 1, 2)
    assert arguments.command


def test_the_tokens_of_panel_md_are_made_listed_and_revoked(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line for line in LINE.findall((DOCS / "panel.md").read_text()) if line.startswith("token ")]
    assert [line.split()[1] for line in lines] == ["create", "list", "revoke"]
    assert [ctl.main(shlex.split(line), environ) for line in lines] == [0, 0, 0]
    token, listed = capsys.readouterr().out.splitlines()
    assert token.startswith("onifast_")
    assert listed.split("\t")[:3] == ["1", "Order script", "read send"]
