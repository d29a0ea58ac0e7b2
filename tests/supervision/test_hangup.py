"""SIGHUP takes settings and logs anew, and ends no program, nor any process of one."""

from __future__ import annotations

import os
import signal
import smtplib
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from peers.ports import free_port
from tools import ready
from tools.embedded import PROGRAMS
from tools.environment import VENV

pytestmark = pytest.mark.slow
LIMIT = 60.0  # seconds


class Program:
    """A program that logs into a file, with settings in a file."""

    def __init__(self, name: str, root: Path, prefix: tuple[str, ...] = ()) -> None:
        self.root, self.port = root, free_port()
        (root / "config").mkdir()
        self.settings = root / "config" / "onifast-mail.toml"
        self.log = root / "log"
        listen = f"127.0.0.1:{self.port}"
        given = {
            "ROOT": str(root),
            "HOME_ROOT": str(root),
            "RUN_AS": "root",
            "SMTP_LISTEN": listen if name == "smtpd" else "",
            "SUBMISSION_LISTEN": f"127.0.0.1:{free_port()}",
            "SUBMISSIONS_LISTEN": "",
            "HTTP_LISTEN": listen,
            "SMTPD_PROCESSES": "2",
            "HTTP_PROCESSES": "2",
        }
        environ = {key: value for key, value in os.environ.items() if not key.startswith("ONIFAST_")}
        environ |= {f"ONIFAST_MAIL_{key}": value for key, value in given.items()}
        self.set(hostname="first.host.test")
        with self.log.open("w") as stderr:
            self.process = subprocess.Popen(
                [*prefix, str(VENV / "bin" / f"onifast-{name}")], env=environ, stderr=stderr
            )

    def set(self, **values: str) -> None:
        self.settings.write_text("".join(f'{name} = "{value}"\n' for name, value in values.items()))

    def wait_for(self, words: str, times: int = 1) -> None:
        """Until the log has said that so often."""
        deadline = time.monotonic() + LIMIT
        while not self.log.exists() or self.log.read_text().count(words) < times:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    @property
    def pids(self) -> list[int]:
        """Its processes, children of children included."""
        pids = [self.process.pid]
        for pid in pids:
            for task in Path(f"/proc/{pid}/task").iterdir():
                pids += [int(child) for child in (task / "children").read_text().split()]
        return pids


@contextmanager
def started(name: str, root: Path, prefix: tuple[str, ...] = ()) -> Iterator[Program]:
    root.mkdir()
    program = Program(name, root, prefix)
    try:
        program.wait_for(" started ")
        yield program
    finally:
        program.process.terminate()
        assert program.process.wait(LIMIT) == 0


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_process_of_a_program_ends_by_it(name: str, tmp_path: Path) -> None:
    with started(name, tmp_path / "root") as program:
        pids = program.pids
        assert len(pids) == {"smtpd": 3, "web": 3, "outbox": 2}[name]
        for pid in [*pids, *pids]:
            os.kill(pid, signal.SIGHUP)
        program.wait_for(" reloaded ")
        assert program.pids == pids


@pytest.mark.parametrize("name", PROGRAMS)
def test_settings_that_cannot_be_used_change_nothing(name: str, tmp_path: Path) -> None:
    with started(name, tmp_path / "root") as program:
        program.set(hostname="not a name")
        program.process.send_signal(signal.SIGHUP)
        program.wait_for("reload-refused")
        program.set(hostname="second.host.test", file_copies="false")
        program.process.send_signal(signal.SIGHUP)
        program.wait_for("need_restart=file_copies")


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_log_that_was_moved_away_is_begun_anew(name: str, tmp_path: Path) -> None:
    with started(name, tmp_path / "root") as program:
        program.log.rename(tmp_path / "log.1")
        program.process.send_signal(signal.SIGHUP)
        program.wait_for("reloaded")
    assert " stopped" in program.log.read_text() and " stopped" not in (tmp_path / "log.1").read_text()


@pytest.mark.parametrize("name", PROGRAMS)
def test_who_was_started_to_ignore_it_does(name: str, tmp_path: Path) -> None:
    with started(name, tmp_path / "root", ("nohup",)) as program:
        for pid in program.pids:
            os.kill(pid, signal.SIGHUP)
    assert "reload" not in program.log.read_text()


def test_smtpd_greets_with_the_new_name_and_lets_sessions_go_on(tmp_path: Path) -> None:
    with started("smtpd", tmp_path / "root") as program, smtplib.SMTP("127.0.0.1", program.port, timeout=60) as before:
        program.set(hostname="second.host.test")
        program.process.send_signal(signal.SIGHUP)
        program.wait_for(" reloaded ", 3)  # the parent and both workers
        for _ in range(4):
            with smtplib.SMTP("127.0.0.1", program.port, timeout=60) as after:
                assert after.ehlo()[1].startswith(b"second.host.test")
        assert before.ehlo()[1].startswith(b"first.host.test")


def test_web_serves_below_the_new_prefix(tmp_path: Path) -> None:
    with started("web", tmp_path / "root") as program:
        program.set(url_prefix="/mail", max_http_connections="100", http_threads="3")
        program.process.send_signal(signal.SIGHUP)
        program.wait_for(" reloaded ", 3)
        assert ready.http_answers(("127.0.0.1", program.port))
