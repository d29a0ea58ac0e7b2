"""`make run` as a new user meets it: at a terminal, and with the usual things in the way."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from supervision.programs import LIMIT, answers, environment, eventually
from tools.embedded import DEMO_ADDRESS, embedded
from tools.environment import PROJECT
from tools.run import Wish, welcome


class Terminal:
    """`make run` at a terminal of its own, where Ctrl-C can be typed."""

    def __init__(self, pid: int, screen: int) -> None:
        self._pid = pid
        self._screen = screen
        self.text = ""

    def read_until(self, wanted: str) -> None:
        """Until a text is on the screen; the pty's end is an end too."""
        deadline = time.monotonic() + LIMIT * 2
        while wanted not in self.text:
            assert time.monotonic() < deadline, f"no {wanted!r} in:\n{self.text}"
            try:
                self.text += os.read(self._screen, 65536).decode()
            except OSError:
                raise AssertionError(f"ended without {wanted!r}:\n{self.text}") from None

    def press_ctrl_c(self) -> None:
        os.write(self._screen, b"\x03")

    def exit_status(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


@contextmanager
def terminal(environ: dict[str, str]) -> Iterator[Terminal]:
    pid, screen = pty.fork()
    if pid == 0:
        os.execvpe("make", ["make", "-C", str(PROJECT), "run"], environ)
    try:
        yield Terminal(pid, screen)
    finally:
        os.close(screen)  # hangs up, which ends whatever is still running


def make_run(environ: dict[str, str], directory: Path = PROJECT) -> tuple[int, str]:
    """Exit status and the one line, for a `make run` that cannot start; make adds a line of its own."""
    done = subprocess.run(
        ["make", "-s", "run"], cwd=directory, env=environ, capture_output=True, text=True, timeout=100, check=False
    )
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    return done.returncode, line


def running_below(var: Path) -> list[str]:
    """Processes whose environment names this directory: whatever a `make run` with it has left."""
    mark = f"ONIFAST_VAR={var}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def test_a_signal_may_come_at_any_moment() -> None:
    current = Wish()
    noted = 0

    def come(*_: object) -> None:
        nonlocal noted
        noted += 1
        current.come()

    def send() -> None:
        while noted < 300 and time.monotonic() < deadline:
            os.kill(os.getpid(), signal.SIGUSR2)

    before = signal.signal(signal.SIGUSR2, come)
    deadline = time.monotonic() + LIMIT
    sender = threading.Thread(target=send)
    sender.start()
    try:
        while noted < 300 and time.monotonic() < deadline:
            current = Wish()
            while not current.wait(0):
                assert time.monotonic() < deadline
    finally:
        sender.join()
        signal.signal(signal.SIGUSR2, before)
    assert noted >= 300


@pytest.mark.slow
def test_it_starts_says_where_to_go_and_ends_cleanly_on_ctrl_c(tmp_path: Path) -> None:
    environ = environment(tmp_path / "var")
    with terminal(environ) as user:
        user.read_until("onifast-mail is running")
        user.read_until("swaks --server")
        assert f"http://{environ['ONIFAST_MAIL_HTTP_LISTEN']}/" in user.text
        user.press_ctrl_c()
        user.read_until("onifast-mail has stopped")
        assert user.exit_status() == 0
    assert not running_below(tmp_path / "var")


@pytest.mark.slow
@pytest.mark.clock
def test_a_second_start_is_ready_within_3_seconds_and_keeps_what_was_there(tmp_path: Path) -> None:
    environ = environment(tmp_path / "var")
    for limit in (LIMIT, 3.0):
        began = time.monotonic()
        with terminal(environ) as user:
            user.read_until("onifast-mail is running")
            assert time.monotonic() - began < limit
            user.press_ctrl_c()
            assert user.exit_status() == 0


@pytest.mark.slow
def test_the_line_to_copy_delivers_a_first_message(tmp_path: Path) -> None:
    environ = environment(tmp_path / "var")
    with terminal(environ) as user:
        user.read_until("swaks --server")
        user.read_until("Ctrl-C stops them")
        line = next(line.strip() for line in user.text.splitlines() if "| curl" in line)
        subprocess.run(["sh", "-c", line], check=True, timeout=30)
        user.read_until(DEMO_ADDRESS)
        user.press_ctrl_c()
        assert user.exit_status() == 0


@pytest.mark.slow
def test_killing_it_leaves_no_program_behind(tmp_path: Path) -> None:
    var = tmp_path / "var"
    with subprocess.Popen(
        [shutil.which("python3.11") or "python3", "-m", "tools.run"],
        cwd=PROJECT,
        env=environment(var),
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        assert any("onifast-mail is running" in line for line in run.stdout)
        run.kill()
    deadline = time.monotonic() + LIMIT
    while running_below(var):
        assert time.monotonic() < deadline, running_below(var)
        time.sleep(0.1)


def test_a_port_in_use_is_one_line_that_names_the_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        status, line = make_run(environment(tmp_path / "var") | {"ONIFAST_MAIL_SMTP_LISTEN": taken})
    assert status == 2
    assert line.startswith(f"{taken} (mail from other sites and local programs) cannot be used: Address already in use")
    assert "ONIFAST_MAIL_SMTP_LISTEN=" in line


def test_a_directory_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    status, line = make_run(environment(tmp_path / "file" / "var"))
    assert status == 2
    assert line.startswith(f"cannot write {tmp_path}/file/var")


@pytest.mark.slow
def test_a_wrong_setting_is_one_line(tmp_path: Path) -> None:
    status, line = make_run(environment(tmp_path / "var") | {"ONIFAST_MAIL_DELIVERY": "pigeon"})
    assert status == 2
    assert "'pigeon'" in line


@pytest.mark.parametrize(("script", "shown"), [("echo 3.9 /usr/bin/python3.9", "3.9"), ("exit 127", "none")])
def test_a_python_that_is_too_old_or_missing_is_one_line(tmp_path: Path, script: str, shown: str) -> None:
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14"):
        stub = tmp_path / "bin" / name
        stub.parent.mkdir(exist_ok=True)
        stub.write_text(f"#!/bin/sh\n{script}\n")
        stub.chmod(0o755)
    checkout = tmp_path / "checkout"
    shutil.copytree(PROJECT / "tools", checkout / "tools")
    shutil.copy(PROJECT / "Makefile", checkout)
    environ = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    status, line = make_run(environ, checkout)
    assert status == 2
    assert line.startswith("onifast-mail needs Python 3.11 or newer")
    assert shown in line


def test_a_checkout_at_a_long_path_gets_a_control_socket_at_a_short_one(tmp_path: Path) -> None:
    deep = tmp_path / ("long" * 30) / "var"
    assert len(str(embedded({"ONIFAST_VAR": str(deep)}).control_socket)) < 100
    assert embedded({"ONIFAST_VAR": str(tmp_path)}).control_socket == tmp_path / "run" / "supervisor.sock"


@pytest.mark.slow
def test_nohup_lets_it_outlive_its_terminal(tmp_path: Path) -> None:
    environ = environment(tmp_path / "var") | {"OUT": str(tmp_path / "out")}
    pid, screen = pty.fork()
    if pid == 0:
        os.execvpe("sh", ["sh", "-c", f'nohup make -C {PROJECT} run >"$OUT" 2>&1 & read _'], environ)
    eventually(lambda: "is running" in _text(tmp_path / "out"), "it is running")
    os.close(screen)  # hangs up
    os.waitpid(pid, 0)
    here = embedded(environ)
    assert answers(here, "smtpd") and answers(here, "web")
    subprocess.run([*here.command("supervisorctl"), "shutdown"], env=dict(here.environ), check=True, timeout=60)
    eventually(lambda: "onifast-mail has stopped." in _text(tmp_path / "out"), "it has stopped")


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


@pytest.mark.parametrize(
    ("delivery", "said"), [(None, "kept here and shown, not sent"), ("direct", "to other sites IS SENT")]
)
def test_it_says_what_becomes_of_mail_to_other_sites(tmp_path: Path, delivery: str | None, said: str) -> None:
    environ = environment(tmp_path) | ({} if delivery is None else {"ONIFAST_MAIL_DELIVERY": delivery})
    assert said in welcome(embedded(environ))


@pytest.mark.slow
def test_term_ends_it_as_ctrl_c_does(tmp_path: Path) -> None:
    python = PROJECT / ".venv/bin/python"
    with subprocess.Popen(
        [str(python), "-m", "tools.run"],
        cwd=PROJECT,
        env=environment(tmp_path / "var"),
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        assert any("onifast-mail is running" in line for line in run.stdout)
        run.send_signal(signal.SIGTERM)
        assert "onifast-mail has stopped." in run.stdout.read()
        assert run.wait(30) == 0
    assert not running_below(tmp_path / "var")
