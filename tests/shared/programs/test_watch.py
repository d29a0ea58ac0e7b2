"""Who looks after the programs: what the service manager and others are told, and what becomes of one that hangs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from onifast_shared.programs import notifying, presence
from onifast_shared.programs import watch as watching
from onifast_shared.programs.notifying import ServiceManager
from onifast_shared.programs.presence import LOST_SECONDS, NOTE_SECONDS, Presence
from onifast_shared.programs.watch import Watch

PATIENCE = 60.0  # seconds after which something that another process should have done counts as not done

PROGRAM = """
import signal, sys, time
from pathlib import Path
from onifast_shared.programs import processes, watch
from onifast_shared.programs.notifying import ServiceManager
from onifast_shared.programs.watch import Watch

processes.LOOK_SECONDS = watch.LOOK_SECONDS = 0.2
watch.STUCK_SECONDS = 1.0
folder = Path(sys.argv[1])
looked_after = Watch("smtpd", folder / "mail.db", ServiceManager(), count=1, listening={})

def work(serving, beat):
    times = len(list(folder.glob("began.*")))
    (folder / f"began.{times}").touch()
    beat()
    serving()
    if times == 0 and sys.argv[2] == "stops":
        signal.raise_signal(signal.SIGSTOP)
    while True:
        time.sleep(0.1)
        if times:
            beat()
"""
ALONE = PROGRAM + "sys.exit(looked_after.over_alone(work))\n"
SEVERAL = (
    PROGRAM
    + """
class Places:
    def place(self, number, serving, lifeline=None, beat=None):
        return serving, beat

    def clear(self, number):
        pass

parent = processes.Parent(1, Places(), lambda place: work(*place), lambda: None, looked_after,
                          died=lambda pid, status: print("died", status, flush=True))
sys.exit(parent.run())
"""
)


def started(script: str, folder: Path, how: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(script), str(folder), how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("how", ["loops", "stops"])
def test_a_process_that_hangs_is_ended_and_started_anew(tmp_path: Path, how: str) -> None:
    with started(SEVERAL, tmp_path, how) as program:
        deadline = time.monotonic() + PATIENCE
        while not (tmp_path / "began.1").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert (tmp_path / "began.1").exists(), "nobody was started in its place"
        (running,) = presence.present(tmp_path / "mail.db")
        assert (running.program, running.pid) == ("smtpd", program.pid)
        program.send_signal(signal.SIGTERM)
        for pid in _children(program.pid):
            os.kill(pid, signal.SIGKILL)  # it heeds no signal that says stop
        said, complained = program.communicate(timeout=PATIENCE)
    assert said.splitlines()[0] == f"died {-signal.SIGKILL if how == 'stops' else -signal.SIGABRT}"
    assert ("Aborted" in complained and "in work" in complained) == (how == "loops"), "it says where it hung"
    assert presence.present(tmp_path / "mail.db") == []


def test_a_process_that_is_alone_and_hangs_ends_itself(tmp_path: Path) -> None:
    with started(ALONE, tmp_path, "loops") as program:
        _, complained = program.communicate(timeout=PATIENCE)
    assert program.returncode == -signal.SIGABRT
    assert "in work" in complained
    (left,) = presence.present(tmp_path / "mail.db")
    assert left.is_lost(left.heard_at + LOST_SECONDS + 1)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("is_abstract", [False, True])
def test_the_service_manager_hears_states(tmp_path: Path, is_abstract: bool) -> None:
    address = f"\0onifast-test-{os.getpid()}" if is_abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(address)
        environ = {"NOTIFY_SOCKET": address.replace("\0", "@"), "WATCHDOG_USEC": "120000000"}
        manager = ServiceManager(environ)
        manager.tell(notifying.READY)
        manager.tell(notifying.ALIVE)
        assert [heard.recv(100), heard.recv(100)] == [b"READY=1", b"WATCHDOG=1"]
    manager.tell(notifying.ENDING)  # nobody listens any more, and nothing happens


def test_nobody_is_told_where_nobody_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    ServiceManager({}).tell(notifying.READY)
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/notify")
    ServiceManager().tell(notifying.READY)
    assert "NOTIFY_SOCKET" not in os.environ, "what this program starts would speak for it"


def running(program: str = "outbox", pid: int = 0, *, heard: float = 0.0) -> Presence:
    return Presence(program, pid or os.getpid(), "1.0", 1.0, heard or time.time(), listening={"smtp": "127.0.0.1:25"})


def test_programs_are_known_while_they_run(tmp_path: Path) -> None:
    database = tmp_path / "mail.db"
    assert presence.present(database) == []
    presence.note(database, running())
    presence.note(database, running("smtpd", os.getppid()))
    presence.note(database, running())
    assert [(each.program, each.pid) for each in presence.present(database)] == [
        ("outbox", os.getpid()),
        ("smtpd", os.getppid()),
    ]
    presence.leave(database, "outbox", os.getpid())
    assert [each.program for each in presence.present(database)] == ["smtpd"]


def test_a_further_process_is_not_missed_while_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = tmp_path / "mail.db"
    watch = Watch("web", database, ServiceManager(), count=2, listening={})
    watch.expect(1)
    watch.pulses.of(0).beat()
    watch.serving()
    watch.expect(2)
    (begins,) = presence.present(database)
    assert (begins.serving, begins.processes) == (1, 1)
    monkeypatch.setattr(watching, "NOTE_SECONDS", 0.0)  # its time to begin is over
    watch.look()
    (missing,) = presence.present(database)
    assert missing.processes == 2
    watch.ending()


def test_one_that_died_is_forgotten_once_another_of_its_name_runs(tmp_path: Path) -> None:
    database = tmp_path / "mail.db"
    died = subprocess.Popen(["true"])
    died.wait()
    presence.note(database, running(pid=died.pid))
    presence.note(database, running(pid=os.getppid()))
    presence.note(database, running())
    assert [each.pid for each in presence.present(database)] == sorted([os.getppid(), os.getpid()])


def test_one_is_lost_sooner_where_its_process_can_be_seen_to_be_gone() -> None:
    died = subprocess.Popen(["true"])
    died.wait()
    for pid, seconds, is_lost in (
        (died.pid, NOTE_SECONDS, False),
        (died.pid, NOTE_SECONDS * 2, True),
        (os.getpid(), NOTE_SECONDS * 2, False),
        (os.getpid(), LOST_SECONDS + 1, True),
    ):
        assert running(pid=pid, heard=1000.0).is_lost(1000.0 + seconds) == is_lost


@pytest.mark.parametrize("octets", [b"", b"{", b"[1, {}]", b'{"program": 1}', b'[{"program": "web", "pid": "x"}]'])
def test_a_file_that_says_nothing_says_nothing(tmp_path: Path, octets: bytes) -> None:
    database = tmp_path / "mail.db"
    presence.presence_path(database).write_bytes(octets)
    assert presence.present(database) == []
    presence.note(database, running())
    assert [each.program for each in presence.present(database)] == ["outbox"]
    assert json.loads(presence.presence_path(database).read_bytes())[0]["pid"] == os.getpid()
