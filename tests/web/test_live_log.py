"""The live log: administrators watch SMTP sessions, which leaves a line in the trail."""

from __future__ import annotations

import time

import pytest
from flask import Flask
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.tracing import store
from onifast_shared.tracing.flag import TraceFlag
from onifast_shared.tracing.recorder import TraceRecorder
from onifast_shared.tracing.store import Watched

from web.support import Browser


def _session(database: Database, name: str, address: str) -> None:
    recorder = TraceRecorder(database)
    trace = recorder.begin(name, "in", "192.0.2.1")
    assert trace is not None
    trace.said("client", f"MAIL FROM:<{address}>")
    trace.said("server", "250 2.1.0 <b>ok</b>")
    trace.ended()
    recorder.close()


def test_an_administrator_watches_filters_and_reads_a_session(app: Flask, database: Database) -> None:
    admin = Browser.logged_in(app.test_client(), "root-admin")
    assert "Nobody watches" in admin.text_of("/live-log")
    assert not TraceFlag(database.path).is_up
    assert admin.post("/live-log").status_code == 303
    assert TraceFlag(database.path).is_up
    admin.post("/live-log")
    assert len(database.read(lambda tx: store.watches(tx, time.time()))) == 1
    _session(database, "aaa1", "ann@here.test")
    _session(database, "bbb2", "bob@here.test")
    listed = admin.text_of("/live-log?address=ann@&client=192.0.2.0/24&direction=in")
    assert "aaa1" in listed
    assert "bbb2" not in listed
    (found,) = database.read(lambda tx: store.sessions(tx, Watched(session="aaa1"), time.time()))
    page = admin.get(f"/live-log/{found.id}").text
    assert "MAIL FROM:&lt;ann@here.test&gt;" in page
    assert "&lt;b&gt;ok" in page
    assert admin.get("/live-log/999999").status_code == 404
    assert "SMTP sessions watched" in admin.text_of("/activity")


def test_others_see_no_session(browser: Browser) -> None:
    assert browser.get("/live-log").status_code == 403
    assert browser.post("/live-log").status_code == 403
    assert browser.get("/live-log/1").status_code == 403


def test_the_command_prints_what_is_said_meanwhile_and_ends_its_watch(
    settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": "mail.example.test"}
    assert ctl.main(["trace", "--direction", "out", "--seconds", "1"], environ) == 0
    assert capsys.readouterr().out == ""
    assert database.read(lambda tx: store.watches(tx, time.time())) == []
    assert TraceFlag(database.path).is_up, "programs may write down for some seconds more"
