"""onifast-mailctl import and export: mail from files, databases and Postfix's tables, at the shell, and out again."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from mail_rows import put
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import labelling, labels, mailbox
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.moving import jobs, working
from onifast_shared.recipients import addresses, forwards
from searchable import index_all

Run = Callable[..., tuple[int, str, str]]
MBOX = "".join(
    f"From a@x.test Mon Jan  5 10:00:00 2015\nFrom: a@x.test\nSubject: m{number}\nMessage-ID: <{number}@x>\n\nx\n\n"
    for number in range(120)
)


@pytest.fixture
def run(settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one command on the test's tree; its status, output and errors."""
    Path(settings.users_dir, "ann.json").write_text('{"username": "ann", "password": "x"}')
    environ = {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": settings.hostname}

    def run_command(*arguments: str) -> tuple[int, str, str]:
        status = ctl.main(arguments, environ)
        return status, *capsys.readouterr()

    return run_command


def rows(database: Database, folder: str) -> list[EmailRow]:
    return database.read(lambda tx: mailbox.list_page(tx, "ann", folder, limit=500)).rows


def test_a_file_comes_in_and_goes_on_where_it_was_broken_off(
    run: Run, database: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old.mbox"
    path.write_text(MBOX)
    step = working.JobWork.step

    def broken_off(work: working.JobWork) -> bool:
        step(work)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(working.JobWork, "step", broken_off)
        assert run("import", "mail", "ann", str(path))[0] == 1
    assert 0 < len(rows(database, "inbox")) < 120
    status, out, _ = run("import", "mail", "ann", str(path), "--json")
    assert (status, json.loads(out)["messages"], json.loads(out)["state"]) == (0, 120, "done")
    assert len(rows(database, "inbox")) == 120
    assert run("import", "mail", "ann", str(path))[1] == "0 messages, 120 were here already, 0 passed over\n"
    assert len(database.read(lambda tx: jobs.list_all(tx, "ann"))) == 2
    assert json.loads(run("import", "list", "ann", "--json")[1])[0]["duplicates"] == 120
    actions = json.loads(run("audit", "list", "--owner", "ann", "--json")[1])
    assert "mail.import" in str(actions)


@pytest.mark.root
def test_links_that_users_made_lead_root_to_nobodys_mail(run: Run, tmp_path: Path) -> None:
    (tmp_path / "Maildir").mkdir()
    (tmp_path / "Maildir" / "1.eml").write_text("Subject: x\n\nx")
    link, file_link = tmp_path / "link", tmp_path / "link.eml"
    link.symlink_to(tmp_path / "Maildir")
    file_link.symlink_to(tmp_path / "Maildir" / "1.eml")
    assert run("import", "mail", "ann", str(link))[1] == "1 messages, 0 were here already, 0 passed over\n"
    for each in (link, file_link):
        os.lchown(each, 12345, 12345)
    for path in (link, link / "1.eml", file_link):
        status, _, err = run("import", "mail", "ann", str(path))
        assert (status, "is a link that somebody else" in err) == (2, True)


def test_what_is_exported_is_for_nobody_elses_eyes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "old.mbox").write_text(MBOX)
    run("import", "mail", "ann", str(tmp_path / "old.mbox"))
    assert run("export", "mail", "ann", str(tmp_path / "new.mbox"))[0] == 0
    assert stat.S_IMODE((tmp_path / "new.mbox").stat().st_mode) == 0o600


def test_a_directory_says_what_it_passes_over(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "Maildir"
    (folder / "cur").mkdir(parents=True)
    (folder / "cur" / "1.a:2,S").write_text("Subject: x\n\nx")
    (folder / "evil:2,S").symlink_to("/etc/passwd")
    status, out, err = run("import", "mail", "ann", str(folder), "--into", "Old/2015")
    assert (status, out) == (0, "1 messages, 0 were here already, 1 passed over\n") and "evil" in err
    assert "evil" in run("import", "report", "ann", "1")[1]
    assert run("import", "report", "ann", "9")[0] == 1
    assert run("import", "mail", "ann", str(tmp_path / "none"))[0] == 2
    assert run("import", "mail", "nobody", str(folder))[0] == 2


def test_mail_comes_from_another_database(run: Run, database: Database, tmp_path: Path) -> None:
    other = Database.open(tmp_path / "other.db")
    put(other, b"Subject: one\r\nMessage-ID: <1@y>\r\n\r\nx", owner="old", now=1.4e9, folder="sent")
    second = put(other, b"Subject: two\r\nMessage-ID: <2@y>\r\n\r\n" + b"x" * 600_000, owner="old", now=1.4e9)
    put(other, b"Subject: three\r\n\r\nx", owner="other", now=1.8e9)

    def mark(tx: object) -> None:
        own = labels.create(tx, "old", "Akten", is_folder=True, now=1.8e9)  # type: ignore[arg-type]
        labelling.assign(tx, own, [second])  # type: ignore[arg-type]
        labelling.set_starred(tx, "old", [second], True)  # type: ignore[arg-type]

    other.write(mark)
    other.close()
    status, out, err = run("import", "database", "ann", str(tmp_path / "other.db"), "--of", "old", "--json")
    assert (status, err, json.loads(out)["messages"]) == (0, "", 2)
    index_all(database)
    assert [each.subject for each in rows(database, "sent")] == ["one"] and not rows(database, "inbox")
    (archived,) = rows(database, "archive")
    assert archived.is_starred and archived.received_ts == 1.4e9
    label = database.read(lambda tx: labels.find(tx, "ann", "Akten"))
    assert label and label.is_folder and label.total == 1
    assert run("import", "database", "ann", str(database.path))[0] == 2
    (tmp_path / "no.db").write_text("no database")
    assert run("import", "database", "ann", str(tmp_path / "no.db"))[0] == 1


def test_postfixs_tables_become_addresses_and_forwards(run: Run, database: Database, tmp_path: Path) -> None:
    table = tmp_path / "virtual"
    table.write_text(
        "# a comment\ninfo@x.test  ann@x.test,\n   bob@elsewhere.test\n@x.test ann@x.test\n"
        "ann@x.test ann@x.test\nsales: info, \\ann\nlist: :include:/etc/list\nprog: |/bin/true\n"
    )
    status, out, err = run("import", "aliases", str(table), "--owner", "ann", "--domain", "x.test", "--json")
    assert status == 0 and len(json.loads(out)) == 4
    assert err.count("left out") == 2
    made = database.read(lambda tx: forwards.list_for(tx, None))
    assert sorted((each.address, each.target) for each in made) == [
        ("*@x.test", "ann@x.test"), ("info@x.test", "ann@x.test"), ("info@x.test", "bob@elsewhere.test"),
        ("sales@x.test", "ann@x.test"), ("sales@x.test", "info@x.test"),
    ]  # fmt: skip
    assert [each.address for each in database.read(lambda tx: addresses.list_for(tx, "ann"))] == ["ann@x.test"]
    run("import", "aliases", str(table), "--owner", "ann", "--domain", "x.test")
    assert len(database.read(lambda tx: forwards.list_for(tx, None))) == 5


def test_mail_is_written_to_a_new_file(run: Run, database: Database, tmp_path: Path) -> None:
    for number in range(3):
        put(database, f"Subject: m{number}\r\n\r\nFrom here".encode(), now=1.8e9 + number, folder="sent")
    path = tmp_path / "out.mbox"
    assert run("export", "mail", "ann", str(path), "--folder", "sent") == (
        0, f"3 messages, {path.stat().st_size:,} octets\n", "",
    )  # fmt: skip
    assert path.read_bytes().count(b"\n>From here\n") == 3
    assert run("export", "mail", "ann", str(path))[0] == 2, "it is never written over"
    assert run("export", "mail", "ann", str(tmp_path / "b"), "--label", "None")[0] == 2
    assert run("export", "mail", "ann", str(tmp_path / "c"), "--search", "size:x(")[0] == 2
