"""Several processes: how many there are, what they count together, and what becomes of those that die."""

from __future__ import annotations

import os
import signal
import smtplib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest
from onifast_shared.machine.config import Settings
from onifast_shared.machine.settings.field import MIB
from onifast_smtpd.clients.limits import Budget
from onifast_smtpd.process import processes

from peers.ports import free_port

PATIENCE = 20.0


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The program with two processes, once it serves."""
    environment = {
        "ONIFAST_MAIL_ROOT": str(tmp_path / "onifast"),
        "ONIFAST_MAIL_HOSTNAME": "mail.host.test",
        "ONIFAST_MAIL_SMTP_LISTEN": f"127.0.0.1:{free_port()}",
        "ONIFAST_MAIL_SUBMISSION_LISTEN": "",
        "ONIFAST_MAIL_SUBMISSIONS_LISTEN": "",
        "ONIFAST_MAIL_RUN_AS": "root",
        "ONIFAST_MAIL_SMTPD_PROCESSES": "2",
        "ONIFAST_MAIL_MAX_CONNECTIONS": "3",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "onifast_smtpd.main"], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "processes=2" in line
        process.args = environment["ONIFAST_MAIL_SMTP_LISTEN"]
        yield process
        process.kill()


def children(process: subprocess.Popen[str]) -> set[int]:
    return set(map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()))


def eventually(what: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not (happened := what()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return happened


def connect(process: subprocess.Popen[str]) -> smtplib.SMTP:
    host, _, port = str(process.args).partition(":")
    return smtplib.SMTP(host, int(port), timeout=PATIENCE)


def test_a_process_that_dies_is_replaced_while_the_others_serve(running: subprocess.Popen[str]) -> None:
    victim, survivor = children(running)
    os.kill(victim, signal.SIGKILL)
    with connect(running) as client:
        assert client.sendmail("root", ["someone@remote.test"], "Subject: x\r\n\r\ny\r\n") == {}
    assert eventually(lambda: len(children(running) - {victim}) == 2)
    assert survivor in children(running)


def test_the_processes_end_when_their_parent_is_killed(running: subprocess.Popen[str]) -> None:
    pids = children(running)
    running.kill()
    running.communicate(timeout=PATIENCE)  # they held the other end of its standard error
    assert not [pid for pid in pids if Path(f"/proc/{pid}/exe").exists()]


def test_connections_are_counted_over_all_processes(running: subprocess.Popen[str]) -> None:
    with ExitStack() as clients:
        busy = [clients.enter_context(closing(connect(running))) for _ in range(3)]
        for client in busy:
            client.ehlo()
            for command in ("MAIL FROM:<root>", "RCPT TO:<someone@remote.test>", "DATA"):
                client.docmd(command)
        with pytest.raises(smtplib.SMTPConnectError, match="421"):
            connect(running)
        busy[0].close()
        assert eventually(lambda: _is_let_in(running))


def test_idle_clients_of_any_process_make_room(running: subprocess.Popen[str]) -> None:
    with ExitStack() as clients:
        for _ in range(12):
            assert eventually(lambda: _is_let_in(running, clients))


def _is_let_in(process: subprocess.Popen[str], clients: ExitStack | None = None) -> bool:
    try:
        client = connect(process)
        if clients is None:
            client.close()
        else:
            clients.enter_context(closing(client))
    except smtplib.SMTPConnectError:
        return False
    return True


def test_what_a_dead_process_held_is_free_again() -> None:
    shared = processes.Shared(2)
    budgets = [Budget(10, shared.place(number, lambda: None).octets) for number in range(2)]
    assert budgets[0].take(7) and not budgets[1].take(4)
    shared.clear(0)
    assert budgets[1].take(10)
    shared.close()


def test_a_process_that_has_a_session_may_not_end() -> None:
    shared = processes.Shared(2)
    shared.place(1, lambda: None).groups[2].add(1)
    assert (shared.may_end(0), shared.may_end(1)) == (True, False)
    shared.close()


def test_each_process_can_hold_the_largest_message(settings: Settings) -> None:
    large = replace(settings, smtpd_processes=8, bytes_in_flight=768 * MIB, max_message_size=100 * MIB)
    assert processes.how_many(large) == 2
    assert processes.how_many(replace(large, bytes_in_flight=MIB)) == 1
