"""Imports and exports as jobs: each message once, where it lay, whoever is killed; out again, and back the same."""

from __future__ import annotations

import contextlib
import io
import mailbox as stdlib_mailbox
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mail_rows import put
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import counts, labelling, labels, mailbox
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.moving import imported, jobs, reading, spool, working
from onifast_shared.moving.found import SourceMessage
from onifast_shared.moving.importing import Importing
from onifast_shared.moving.jobs import JobError, MovingJob
from onifast_shared.moving.spool import SpoolError, WrongOffset
from onifast_shared.recipients import quotas
from searchable import index_all

NOW = 1_800_000_000.0
FROM = "From ann@x.test Mon Jan  5 10:00:00 2015\n"


def letter(number: int, body: str = "Hello\n", extra: str = "") -> str:
    return f"From: b@x.test\nTo: ann@x.test\nSubject: m{number}\nMessage-ID: <{number}@x>\n{extra}\n{body}"


def mbox_of(*parts: str) -> bytes:
    return "".join(f"{FROM}{part}\n" for part in parts).encode()


@pytest.fixture
def moved(database: Database, settings: Settings) -> Callable[..., MovingJob]:
    """Imports an upload to its end, or until it waits; the job."""

    def move(data: bytes, name: str = "old.mbox", owner: str = "ann", **source: Any) -> MovingJob:
        job = begun(database, settings, data, name, owner, **source)
        found = working.run(database, settings, job)
        assert found
        return found

    return move


def begun(
    database: Database, settings: Settings, data: bytes, name: str = "old.mbox", owner: str = "ann", **source: Any
) -> MovingJob:
    told = {"name": name, **source}
    job = database.write(
        lambda tx: jobs.begin(tx, owner, "import", told, state="uploading", total=len(data), now=time.time())
    )
    spool.append(settings, job.id, 0, data, len(data))
    assert database.write(lambda tx: jobs.start(tx, job, time.time()))
    return job


def export(database: Database, settings: Settings, form: str, scope: dict[str, Any] | None = None) -> bytes:
    told = {"format": form, "scope": scope}
    job = database.write(lambda tx: jobs.begin(tx, "ann", "export", told, state="running", total=0, now=time.time()))
    found = working.run(database, settings, job)
    assert found and found.state == "done" and found.octets == spool.made(settings, job.id).stat().st_size
    return spool.made(settings, job.id).read_bytes()


def rows(database: Database, folder: str, owner: str = "ann") -> list[EmailRow]:
    return database.read(lambda tx: mailbox.list_page(tx, owner, folder, limit=200)).rows


def subjects(database: Database, folder: str) -> list[str]:
    return sorted(each.subject for each in rows(database, folder))


def test_an_mbox_comes_in_with_flags_dates_and_folders(
    database: Database, settings: Settings, moved: Callable[..., MovingJob]
) -> None:
    data = mbox_of(
        letter(1, extra="Status: RO\nX-Status: AF\nDate: Mon, 5 Jan 2015 10:00:00 +0000\n"),
        letter(2, extra='X-Gmail-Labels: Inbox,Unread,"Clients/Acme"\n'),
        letter(3, extra="X-Gmail-Labels: Trash,Opened\n"),
        letter(4, "x" * 600_000),
    )
    job = moved(data)
    assert (job.state, job.messages, job.duplicates, job.skipped, job.problem) == ("done", 4, 0, 0, "")
    first = next(each for each in rows(database, "inbox") if each.subject == "m1")
    assert (first.is_read, first.is_starred, first.is_answered, first.received_ts) == (True, True, True, 1420452000)
    assert subjects(database, "inbox") == ["m1", "m2", "m4"] and subjects(database, "trash") == ["m3"]
    label = database.read(lambda tx: labels.find(tx, "ann", "Clients/Acme"))
    assert label and label.total == 1 and not label.is_folder
    assert spool.jobs(settings) == set(), "the upload is removed"


def test_nothing_comes_twice_whatever_is_imported_again(
    database: Database, settings: Settings, moved: Callable[..., MovingJob]
) -> None:
    put(database, letter(7).replace("\n", "\r\n").encode(), now=NOW)
    index_all(database)
    data = mbox_of(*(letter(number) for number in range(10)))
    assert (moved(data).messages, moved(data).messages) == (9, 0)
    again = moved(mbox_of(letter(3, extra="X-Gmail-Labels: Later\n"), letter(3, "other\n")))
    assert (again.messages, again.duplicates) == (1, 1)
    label = database.read(lambda tx: labels.find(tx, "ann", "Later"))
    assert label and label.total == 1, "the copy's label goes to the message that is here"
    gone = next(each.id for each in rows(database, "inbox") if each.subject == "m5")
    database.write(lambda tx: mailbox.erase(tx, [gone]))
    assert moved(data).messages == 1, "what was deleted for good may come again"
    assert moved(data, owner="bob").messages == 10, "another owner's is nobody else's"


@pytest.mark.parametrize("step", range(1, 6))
def test_whoever_is_killed_loses_and_doubles_nothing(
    database: Database, settings: Settings, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onifast_shared.moving.importing.AT_ONCE", 3)
    job = begun(database, settings, mbox_of(*(letter(number) for number in range(20))))
    work = working.take(database, settings, job)
    assert work and working.take(database, settings, job) is None, "one works on it at a time"
    stale = Importing(database, settings, job)
    for _ in range(step):
        assert work.step()
    assert not stale.step(), "a step that another one has made is not made again"
    work.close()
    ended = working.run(database, settings, job)
    assert ended and (ended.state, ended.messages, ended.duplicates) == ("done", 20, 0)
    assert subjects(database, "inbox") == sorted(f"m{number}" for number in range(20))


def test_a_full_mailbox_waits_for_room(database: Database, settings: Settings, moved: Callable[..., MovingJob]) -> None:
    database.write(lambda tx: quotas.put(tx, "owner", "ann", 4000))
    job = moved(mbox_of(*(letter(number, "x" * 70 + "\n") for number in range(60))))
    assert job.state == "paused" and "full" in job.problem and spool.jobs(settings) == {job.id}
    database.write(lambda tx: quotas.put(tx, "owner", "ann", 0))
    assert database.write(lambda tx: jobs.start(tx, job, NOW))
    ended = working.run(database, settings, job)
    assert ended and (ended.state, len(rows(database, "inbox"))) == ("done", 60)


def test_a_report_says_what_was_passed_over(database: Database, moved: Callable[..., MovingJob]) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("Sent/a.eml", letter(1))
        made.writestr("b.png", b"\x89PNG")
    job = moved(out.getvalue())
    assert (job.state, job.messages, job.skipped) == ("done", 1, 1)
    report = database.read(lambda tx: jobs.report(tx, job))
    assert [(each.name, each.why) for each in report] == [("b.png", "it is no mail")]
    wrong = moved(b"\x89PNG no mail")
    assert wrong.state == "failed" and wrong.problem.startswith("This is neither")


def test_a_job_whose_source_fails_in_a_way_that_nobody_thought_of_ends(
    database: Database, moved: Callable[..., MovingJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_arguments: object) -> Iterator[SourceMessage]:
        yield SourceMessage(letter(1).encode(), "m1", position="1")
        raise RecursionError

    monkeypatch.setattr(reading, "read", failing)
    job = moved(b"x")
    assert (job.state, job.messages, job.problem) == ("failed", 1, "It cannot be read any further.")


def test_imported_mail_is_no_news(database: Database, moved: Callable[..., MovingJob]) -> None:
    moved(mbox_of(letter(1)))
    row = rows(database, "inbox")[0]
    assert row.authentication == {} and row.recipient == "ann@x.test"
    assert database.read(lambda tx: imported.is_imported(tx, row.id))
    judged = database.read(
        lambda tx: tx.execute("SELECT judged, filing FROM emails WHERE id = ?", (row.id,)).fetchone()
    )
    assert judged == (1, 0), "no filter, vacation note or webhook waits for it"


def test_uploads_come_in_pieces_that_may_be_sent_again(database: Database, settings: Settings) -> None:
    assert spool.append(settings, 1, 0, b"abc", 10) == 3
    assert spool.append(settings, 1, 0, b"abcde", 10) == 5, "its answer was lost"
    with pytest.raises(WrongOffset) as wrong:
        spool.append(settings, 1, 7, b"x", 10)
    assert wrong.value.expected == 5
    with pytest.raises(SpoolError):
        spool.append(settings, 1, 5, b"x" * 6, 10)
    assert spool.upload(settings, 1).read_bytes() == b"abcde"
    assert oct(spool.upload(settings, 1).stat().st_mode)[-3:] == "660"
    working.tidy(database, settings, NOW)
    assert spool.jobs(settings) == set(), "no job has such a file"


def test_jobs_are_few_end_once_and_are_forgotten(database: Database, settings: Settings) -> None:
    some = [begun(database, settings, mbox_of(letter(1))) for _ in range(jobs.MOST_OPEN)]
    with pytest.raises(JobError, match="under way"):
        begun(database, settings, b"x")
    assert working.cancel(database, settings, some[0], NOW) and not working.cancel(database, settings, some[0], NOW)
    assert working.take(database, settings, some[0]) is None
    assert database.read(lambda tx: jobs.get(tx, "bob", some[1].id)) is None


@pytest.mark.parametrize("form", ["mbox", "maildir", "eml"])
def test_what_goes_out_comes_back_the_same(
    database: Database, settings: Settings, moved: Callable[..., MovingJob], form: str
) -> None:
    moved(mbox_of(
        letter(1, "one\n>From here\n>>From there\n", "Status: RO\nX-Status: AF\nX-Gmail-Labels: Inbox,Zu tun,A, B\n"),
        letter(2, extra="X-Gmail-Labels: Sent\n"), letter(3, extra="X-Gmail-Labels: Spam,Unread\n"),
    ))  # fmt: skip
    moved(mbox_of(letter(4)), into="Büro/Akten.1")
    index_all(database)
    before = content(database)
    data = export(database, settings, form)
    for folder in mailbox.FOLDERS:
        database.write(lambda tx, folder=folder: mailbox.erase(tx, [each.id for each in rows_in(tx, folder)]))  # type: ignore[misc]
    job = moved(data, "back.mbox" if form == "mbox" else "back.zip")
    assert (job.state, job.messages, job.skipped) == ("done", 4, 0)
    index_all(database)
    after = content(database)
    if form == "maildir":  # where a point divides folders
        before["m4"] = (*before["m4"][:2], "Büro/Akten_1", *before["m4"][3:])
    if form == "eml":  # files of single messages have no marks
        before, after = ({name: each[:3] for name, each in one.items()} for one in (before, after))
    assert after == before


def rows_in(tx: Any, folder: str) -> list[EmailRow]:
    return mailbox.list_page(tx, "ann", folder, limit=200).rows


def content(database: Database) -> dict[str, Any]:
    """What is told of each message: its body, folder, own folder, marks and labels."""

    def read(tx: Any) -> dict[str, Any]:
        found = dict[str, Any]()
        for row in [each for folder in mailbox.FOLDERS for each in rows_in(tx, folder)]:
            marks = labelling.of_messages(tx, [row.id]).get(row.id, [])
            own = next((each.name for each in marks if each.is_folder), None)
            plain = {each.name for each in marks if not each.is_folder}
            body = mailbox.raw(tx, row.id).partition(b"\r\n\r\n")[2]
            found[row.subject] = (body, row.folder, own, row.is_read, row.is_starred, plain)
        return found

    return database.read(read)


def test_other_programs_read_what_is_exported(
    database: Database, settings: Settings, moved: Callable[..., MovingJob], tmp_path: Path
) -> None:
    moved(mbox_of(letter(1, "x\n\n>From a\n", "Status: RO\n"), letter(2)))
    (tmp_path / "a.mbox").write_bytes(export(database, settings, "mbox"))
    with contextlib.closing(stdlib_mailbox.mbox(tmp_path / "a.mbox")) as read:
        assert sorted((each["Subject"], "R" in each.get_flags()) for each in read) == [("m1", True), ("m2", False)]
    with zipfile.ZipFile(io.BytesIO(export(database, settings, "maildir", {"folder": "inbox", "reach": []}))) as made:
        made.extractall(tmp_path)
    found = stdlib_mailbox.Maildir(tmp_path / "Maildir", create=False)
    assert sorted((each["Subject"], each.get_flags()) for each in found) == [("m1", "S"), ("m2", "")]
    assert database.read(lambda tx: counts.of(tx, "ann"))["inbox"].total == 2
