"""Import, export and storage, by their pages and by API."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import mailbox as stdlib_mailbox
import time
from pathlib import Path
from typing import Any

import pytest
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import labelling, labels, mailbox
from onifast_shared.moving import jobs, spool, working
from onifast_shared.moving.jobs import MovingJob
from searchable import index_all

from web.support import Browser, Panel, deliver

MBOX = "".join(
    f"From a@x.test Mon Jan  5 10:00:00 2015\nFrom: a@x.test\nSubject: m{number}\nMessage-ID: <{number}@x>\n\nx\n\n"
    for number in range(3)
).encode()


@pytest.fixture
def demo(panel: Panel) -> Panel:
    return panel.acting_for("demo")


def work(database: Database, settings: Settings) -> MovingJob:
    """What outbox does with the jobs that wait; the last one."""
    for job in database.read(jobs.waiting):
        working.run(database, settings, job)
    return database.read(lambda tx: jobs.list_all(tx, "demo"))[0]


def subjects(database: Database, folder: str = "inbox") -> set[str]:
    index_all(database)
    return {each.subject for each in database.read(lambda tx: mailbox.list_page(tx, "demo", folder, limit=200)).rows}


def test_a_file_goes_up_in_pieces_and_comes_in(demo: Panel, database: Database, settings: Settings) -> None:
    begun = demo.post("/api/mail/imports", {"filename": "old.mbox", "size": len(MBOX)}).get_json()
    assert (begun["state"], begun["received"]) == ("uploading", 0)

    def send(offset: int, data: bytes) -> Any:
        body = {"id": begun["id"], "offset": offset, "content": base64.b64encode(data).decode()}
        return demo.post("/api/mail/imports/pieces", body)

    assert send(0, MBOX[:100]).get_json()["received"] == 100
    assert send(0, MBOX[:100]).get_json()["received"] == 100, "its answer was lost"
    assert send(150, b"x").status_code == 409
    form = {"id": str(begun["id"]), "offset": "100", "content": (io.BytesIO(MBOX[100:]), "piece")}
    assert (
        demo.client.post("/api/mail/imports/pieces", data=form, headers=demo.headers).get_json()["state"] == "running"
    )
    assert send(0, b"x").status_code == 409
    assert work(database, settings).state == "done"
    assert {"m0", "m1", "m2"} <= subjects(database)
    (told,) = demo.get("/api/mail/moving").get_json()["jobs"]
    assert (told["percent"], told["messages"], told["skipped"]) == (100, 3, 0)
    assert demo.get("/api/mail/moving/report", id=begun["id"]).get_json() == {"lines": []}
    actions = database.read(lambda tx: tx.execute("SELECT action FROM audit_events WHERE owner = 'demo'").fetchall())
    assert ("mail.import",) in actions


def test_what_cannot_be_imported_is_said(demo: Panel, settings: Settings) -> None:
    too_large = {"filename": "x", "size": settings.import_max_size + 1}
    assert demo.post("/api/mail/imports", too_large).status_code == 413
    account = {"host": "imap.example.net", "user": "a", "password": "b"}
    assert demo.post("/api/mail/imports/account", account | {"host": "a b"}).status_code == 422
    assert demo.post("/api/mail/exports", {"label": 99}).status_code == 404
    for _ in range(jobs.MOST_OPEN):
        assert demo.post("/api/mail/imports/account", account).status_code == 201
    assert demo.post("/api/mail/imports/account", account).status_code == 409
    assert "password" not in demo.get("/api/mail/moving").text


def test_an_account_elsewhere_that_leads_inside_is_refused(demo: Panel, database: Database, settings: Settings) -> None:
    account = {"host": "127.0.0.1", "user": "a", "password": "b"}
    demo.post("/api/mail/imports/account", account)
    job = work(database, settings)
    assert job.state == "failed" and "public Internet" in job.problem and job.secret is None


def test_mail_goes_out_as_a_file_for_its_owner_alone(
    demo: Panel, panel: Panel, database: Database, settings: Settings, tmp_path: Path
) -> None:
    deliver(database, subject="Out you go")
    index_all(database)
    begun = demo.post("/api/mail/exports", {"format": "mbox", "folder": "inbox"}).get_json()
    path, which = "/api/mail/exports/file", {"id": begun["id"]}
    assert demo.get(path, **which).status_code == 404, "it is not written yet"
    assert work(database, settings).state == "done"
    answer = demo.get(path, **which)
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="inbox mbox.mbox"')
    (tmp_path / "a.mbox").write_bytes(answer.data)
    with contextlib.closing(stdlib_mailbox.mbox(tmp_path / "a.mbox")) as found:
        assert "Out you go" in [each["Subject"] for each in found]
    part = demo.client.get(path, query_string=which, headers=demo.headers | {"Range": "bytes=0-4"})
    assert (part.status_code, part.data) == (206, b"From ")
    assert panel.acting_for("other").get(path, **which).status_code == 404
    gone = {"id": begun["id"], "action": "remove"}
    assert demo.post("/api/mail/moving", gone).get_json() == {"jobs": []}
    assert demo.get(path, **which).status_code == 404 and spool.jobs(settings) == set()


def test_the_time_of_an_exported_file_ends(demo: Panel, database: Database, settings: Settings) -> None:
    deliver(database)
    begun = demo.post("/api/mail/exports", {}).get_json()
    work(database, settings)
    working.tidy(database, settings, time.time() + settings.moved_files_kept - 60)
    assert demo.get("/api/mail/exports/file", id=begun["id"]).status_code == 200
    working.tidy(database, settings, time.time() + settings.moved_files_kept + 60)
    assert demo.get("/api/mail/exports/file", id=begun["id"]).status_code == 404
    assert spool.jobs(settings) == set()


def test_the_page_takes_a_file_without_scripts(browser: Browser, database: Database, settings: Settings) -> None:
    form = {"do": "import", "into": "Old/2015", "file": (io.BytesIO(MBOX), "old.mbox")}
    answer = browser.post("/moving", form)
    assert answer.status_code == 303 and answer.headers["Location"].endswith("/moving?did=moving-import")
    assert "Under way" in browser.text_of("/moving")
    assert 'hx-trigger="every 2s"' in browser.get("/moving").text
    work(database, settings)
    text = browser.text_of("/moving")
    assert "Done 3 messages came in" in text
    label = database.read(lambda tx: labels.find(tx, "demo", "Old/2015"))
    assert label and label.is_folder and label.total == 3
    empty = browser.post("/moving", {"do": "import", "file": (io.BytesIO(b""), "x")})
    assert empty.status_code == 422 and "The file is empty." in empty.text


def test_the_page_exports_downloads_and_forgets(browser: Browser, database: Database, settings: Settings) -> None:
    deliver(database, subject="One")
    index_all(database)
    assert (
        browser.post("/moving", {"do": "export", "what": "search", "q": "subject:one", "format": "eml"}).status_code
        == 303
    )
    job = work(database, settings)
    assert (job.state, job.messages) == ("done", 1)
    assert f"/moving/{job.id}/file" in browser.get("/moving").text
    assert browser.get(f"/moving/{job.id}/file").data.startswith(b"PK")
    assert browser.post("/moving", {"do": "remove", "id": str(job.id)}).status_code == 303
    assert browser.get(f"/moving/{job.id}/file").status_code == 404
    wrong = browser.post("/moving", {"do": "export", "what": "search", "q": ""})
    assert wrong.status_code == 422 and "Say what to search for." in wrong.text


def test_what_was_passed_over_has_a_page(browser: Browser, database: Database, settings: Settings) -> None:
    large = b"From a@x.test Mon Jan  5 10:00:00 2015\nSubject: <b>big</b>\n\n" + b"x" * 100
    form = {"do": "import", "file": (io.BytesIO(MBOX + b"From a@x.test Mon Jan  5 10:00:00 2015\n\n\n" + large), "a")}
    browser.post("/moving", form)
    job = work(database, settings)
    assert job.skipped == 1
    assert "it is empty" in browser.text_of(f"/moving/{job.id}")


def test_storage_tells_what_takes_the_room(browser: Browser, demo: Panel, database: Database) -> None:
    large = deliver(database, subject="The largest", text="x" * 300_000)
    deliver(database, subject="Small")
    own = database.write(lambda tx: labels.create(tx, "demo", "Akten", is_folder=True, now=1.0))
    database.write(lambda tx: labelling.assign(tx, own, [large]))
    index_all(database)
    told = demo.get("/api/mail/storage", limit=1).get_json()
    places = {each["name"]: each for each in told["places"]}
    assert places["archive"]["messages"] == places["Akten"]["messages"] == 1
    assert places["archive"]["octets"] == places["Akten"]["octets"] > 300_000
    assert told["octets"] == sum(each["octets"] for each in told["places"] if each["label_id"] is None)
    assert [each["subject"] for each in told["largest"]] == ["The largest"]
    assert "The largest" in browser.text_of("/storage") and "Akten 1" in browser.text_of("/storage")
    answer = browser.post("/storage", {"do": "trash", "ids": str(large)})
    assert "did=act" in answer.headers["Location"]
    assert "The largest" in subjects(database, "trash")
    assert "did=act" in browser.post("/storage", {"do": "empty:trash"}).headers["Location"]
    assert json.loads(demo.get("/api/mail/counts").text)["folders"]["trash"]["total"] == 0
