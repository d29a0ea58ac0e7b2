"""The commands of onifast-mailctl as docs/ and README.md print them: each is run, and does what it says."""

from __future__ import annotations

import io
import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import SentCopy
from onifast_shared.accounts import mailbox_users, shared_mailboxes
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Connection, Database
from onifast_shared.dkim import keys
from onifast_shared.machine.config import Settings
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.recipients import addresses
from onifast_shared.transport import routes
from onifast_shared.transport.routes import StoredRoute
from onifast_shared.values.address import Address

DOCS = Path(__file__).parents[3] / "docs"
LINE = re.compile(r"^(?:\$ | {4})?(?:\w+=\S+ )?(?:\S*/)?onifast-mailctl (.+)$", re.MULTILINE)
ADDRESSES = ("demo@example.test", "info@example.com", "x@shop.example")
ELSEWHERE = {
    "delivery-check": "waits for outbox: tests/e2e/test_delivery_check.py runs it",
    "setup": "makes accounts on the machine: tests/supervision/test_installation.py runs it in a root of its own",
    "doctor": "asks the network: tests/shared/doctor has one with answers",
    "test-mail": "waits for outbox: tests/supervision/test_installation.py runs it",
}
"""What is run elsewhere, and why; here it is looked at alone whether it can be said."""

NOT_ZERO = {
    r"check-config": (1, "the tests' machine lacks the manual's accounts; test_installation.py makes them"),
    r"health .*": (1, "no program runs; tests/supervision/test_health.py runs all"),
    r"dkim check .*": (1, "no DNS shows the key; test_dkim.py has one that does"),
    r"domain dns \S+$": (1, "no DNS has the records; tests/web/test_domain_dns.py has one that does"),
    r"source set .*": (2, "this machine lacks the example's address; tests/shared/transport has one that it has"),
    r"search check .*": (1, "outbox does not run, and the index of a new database is still to be made"),
    r"(import (mail|aliases)|export mail) .*": (2, "there is no such file or directory; test_moving.py has some"),
    r"import database .*": (1, "there is no such database; test_moving.py has one"),
    r"user restore ann .*": (1, "she is here; test_users.py restores who is not"),
    r"user purge 17 .*": (1, "nobody departed; test_users.py purges who did"),
    r"backup (list|verify|restore).*": (
        2,
        "there is no backup yet; tests/shared/backup makes and restores some",
    ),
    r"backup confirm": (1, "nothing was restored; tests/shared/backup confirms what was"),
    r"token revoke .*": (1, "there is no token yet; the last test makes it first"),
    r"vacation off .*": (1, "no note is on; test_mail_filters.py turns one off"),
    r"webhook (calls|replay) 1 .*": (1, "no call was made yet; tests/web/test_webhooks.py makes some"),
}
"""What does not end with 0 on a tree where nothing has happened yet, and the status that it has, and why."""


def documented() -> list[str]:
    pages = [*sorted(DOCS.glob("*.md")), DOCS.parent / "README.md"]
    found = [line for page in pages for line in LINE.findall(page.read_text())]
    # What a shell does with the exit status is not ours.
    return list(dict.fromkeys(line.partition(" || ")[0] for line in found))


@pytest.fixture
def environ(settings: Settings, database: Database, tmp_path: Path) -> dict[str, str]:
    """What programs are started with on a tree that has what the manual's examples name."""
    for username in ("ann", "alice", "demo", "shop"):
        (settings.users_dir / f"{username}.json").write_text(json.dumps({"password": "x"}))
    database.write(fill)
    queue_two(database)
    database.close()
    keys.generate(settings.certs_dir, "example.com", settings.dkim_selector)
    return {
        "ONIFAST_MAIL_ROOT": str(settings.root),
        "ONIFAST_MAIL_HOSTNAME": settings.hostname,
        "ONIFAST_MAIL_BACKUP_DIR": str(tmp_path / "backups"),
        "ONIFAST_MAIL_WRITES_USERS": "true",
    }


def fill(tx: Connection) -> None:
    """The addresses of the examples, a mailbox user and a shared mailbox."""
    for text in (*ADDRESSES, "staff@example.test", "team@example.test"):
        addresses.add(tx, Address.parse(text), "demo")
    addresses.add(tx, Address.parse("ann@example.com"), "ann")
    routes.put(tx, StoredRoute("recipient_domain", "partner.example", None))
    mailbox_users.create(tx, Address.parse("staff@example.test"), "demo", None, 1)
    shared_mailboxes.create(tx, Address.parse("team@example.test"), "demo", ["demo"], 1)


def queue_two(database: Database) -> None:
    """What the examples call 17, and what fits `spam@`."""
    for sender, number in (("demo@example.test", 17), ("spam@shop.example", 18)):
        submission = Submission(sender=sender, origin="smtp", owner="demo", submitted_by="user:demo")
        copy = SentCopy("demo", "bob@remote.test")
        made = accept.submit(database, b"Subject: x\r\n\r\n", submission, [QueuedRecipient("bob@remote.test")], copy)
        sql, bind = "UPDATE outbox SET id = ?, status = 'deferred' WHERE id = ?", (number, *made.outbox_ids)
        database.write(lambda tx, sql=sql, bind=bind: tx.execute(sql, bind) and None)  # type: ignore[misc]


def test_there_are_some() -> None:
    assert len(documented()) > 30


@pytest.mark.parametrize("line", documented())
def test_it_does_what_it_says(
    line: str, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(line, comments=True)
    if words[0] in ELSEWHERE:
        assert ctl.parser().parse_args(words).command
        return
    monkeypatch.setattr(sys, "stdin", io.StringIO("secret words\n"))
    wanted = next((status for pattern, (status, _) in NOT_ZERO.items() if re.fullmatch(pattern, line)), 0)
    assert ctl.main(words, environ) == wanted, capsys.readouterr().err


def test_each_exception_is_of_some_command() -> None:
    assert [each for each in NOT_ZERO if not any(re.fullmatch(each, line) for line in documented())] == []


def test_the_tokens_of_panel_md_are_made_listed_and_revoked(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line for line in LINE.findall((DOCS / "panel.md").read_text()) if line.startswith("token ")]
    assert [line.split()[1] for line in lines] == ["create", "list", "revoke"]
    assert [ctl.main(shlex.split(line), environ) for line in lines] == [0, 0, 0]
    token, listed = capsys.readouterr().out.splitlines()
    assert token.startswith("onifast_")
    assert listed.split("\t")[:3] == ["1", "Order script", "read send"]
