"""The program as supervisord starts it: signals, wrong settings, a locked database, a sudden death."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlite_shell
from onifast_shared.machine.config import Settings

from fakes.smtp_script import STALL
from fakes.smtp_server import ScriptedSmtpServer

from .programs import PATIENCE, Program, insert, statuses


def test_it_says_what_it_serves_and_stops_at_a_signal(run: Callable[..., Program], settings: Settings) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        program = run()
        program.wait_for(" started ")
        assert program.stop(number) == 0
        (line,) = (line for line in program.lines if " started " in line)
        assert str(settings.database) in line
        assert "onifast-mail.toml" in line


@pytest.mark.parametrize(
    ("more", "words", "status"),
    [
        ({"outbound_port": "smtp"}, ("ONIFAST_MAIL_OUTBOUND_PORT", "smtp"), 2),
        # Who is not root stays who they are, whatever run_as says.
        pytest.param({"run_as": "nobody-of-that-name"}, ("run_as", "nobody-of-that-name"), 2, marks=pytest.mark.root),
        ({"root": "/proc/nowhere"}, ("/proc/nowhere",), 1),  # it may be mounted later
    ],
)
def test_what_it_cannot_start_with_is_one_line_and_a_status_that_says_whether_to_start_it_again(
    run: Callable[..., Program], more: dict[str, str], words: tuple[str, ...], status: int
) -> None:
    program = run(**more)
    assert program.wait() == status
    (line,) = program.lines
    assert all(word in line for word in words)


@pytest.mark.slow
def test_a_database_that_needs_a_newer_program_is_refused(run: Callable[..., Program], settings: Settings) -> None:
    program = run()
    program.wait_for(" started ")
    assert program.stop() == 0
    sqlite_shell.run(
        settings.database, "INSERT INTO schema_migrations (version, name, oldest_compatible) VALUES (999, 'x', 999)"
    )
    program = run()
    assert program.wait() == 2
    assert len(program.lines) == 1


def test_a_scripts_row_is_sent_at_once(run: Callable[..., Program], settings: Settings, port: int) -> None:
    program = run()
    program.wait_for(" started ")
    with ScriptedSmtpServer(host="127.0.0.25", port=port) as peer:
        began = time.monotonic()
        insert(settings, "bob@remote.test")
        peer.wait_for_messages(1)
        assert time.monotonic() - began < 5  # the tick comes after ten seconds
    program.wait_for(" delivered ")
    assert program.stop() == 0


def test_a_sender_is_told_of_a_late_message_while_it_runs(run: Callable[..., Program], settings: Settings) -> None:
    program = run(outbox_poll_interval="0.1s")
    program.wait_for(" started ")
    insert(settings, "bob@remote.test")
    program.wait_for(" deferred ")
    sqlite_shell.run(settings.database, "UPDATE outbox SET queued_ts = queued_ts - 5 * 3600")
    program.wait_for(" delayed ")
    assert program.stop() == 0


def test_sigterm_finishes_what_is_in_flight_and_claims_nothing_more(
    run: Callable[..., Program], settings: Settings, port: int
) -> None:
    with ScriptedSmtpServer({".": STALL}, host="127.0.0.25", port=port) as peer:
        program = run(outbox_concurrency="1")
        program.wait_for(" started ")
        insert(settings, "bob@remote.test", "ann@remote.test")
        peer.wait_for_command("DATA")
        program.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)  # gives it the time to do wrong
        peer.set(".", None)
        peer.release()
        assert program.wait() == 0
        assert len(peer.messages) == 1
    assert statuses(settings) == ["sent", "pending"]


@pytest.mark.slow
def test_killed_at_the_final_dot_it_repeats_one_message_and_loses_none(
    run: Callable[..., Program], settings: Settings, port: int
) -> None:
    recipients = [f"user{number}@remote.test" for number in range(10)]
    with ScriptedSmtpServer({".": ["250 ok", "250 ok", STALL]}, host="127.0.0.25", port=port) as peer:
        program = run(outbox_concurrency="1")
        program.wait_for(" started ")
        insert(settings, *recipients)
        program.wait_for(" delivered ", 2)
        peer.wait_for_command(f"RCPT TO:<{recipients[2]}>")
        time.sleep(0.3)  # for the final dot to come
        assert program.stop(signal.SIGKILL) == -signal.SIGKILL
        peer.set(".", None)
        peer.release()
        second = run()
        second.wait_for(" delivered ", 8)
        assert second.stop() == 0
        arrived = [message.rcpt_to[0] for message in peer.messages]
    assert statuses(settings) == ["sent"] * 10
    assert set(arrived) == set(recipients)
    assert len(arrived) <= len(recipients) + 1


@pytest.mark.slow
def test_a_database_that_is_locked_for_longer_than_it_waits_stops_nothing(
    run: Callable[..., Program], settings: Settings, port: int
) -> None:
    with ScriptedSmtpServer(host="127.0.0.25", port=port) as peer:
        program = run(database_timeout="1s")
        program.wait_for(" started ")
        insert(settings, "bob@remote.test")
        program.wait_for(" delivered ")
        locker = subprocess.Popen(
            [*sqlite_shell.COMMAND, str(settings.database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert locker.stdin and locker.stdout
        locker.stdin.write(
            "BEGIN IMMEDIATE;\nINSERT INTO outbox (sender, recipient, subject, body)"
            " VALUES ('alice@here.test', 'ann@remote.test', 's', 'b');\nSELECT 'locked';\n"
        )
        locker.stdin.flush()
        assert locker.stdout.readline() == "locked\n"
        time.sleep(5)  # several times its patience
        assert program.process.poll() is None
        locker.communicate("COMMIT;\n", timeout=PATIENCE)
        peer.wait_for_messages(2)
        program.wait_for(" delivered ", 2)
        assert program.stop() == 0
    assert statuses(settings) == ["sent", "sent"]


@pytest.mark.slow
def test_without_its_filer_it_ends_so_that_the_supervisor_brings_both_back(
    run: Callable[..., Program], settings: Settings
) -> None:
    program = run()
    program.wait_for(" started ")
    children = Path(f"/proc/{program.process.pid}/task/{program.process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    sqlite_shell.run(
        settings.database, "INSERT INTO mail_addresses (address, owner) VALUES ('carol@here.test', 'carol')"
    )
    insert(settings, "carol@here.test")
    assert program.wait() == 1
    output = "".join(program.lines)
    assert "filer process has ended" in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_an_idle_program_sleeps(run: Callable[..., Program]) -> None:
    program = run()
    program.wait_for(" started ")
    windows = [_busy_in(program.process.pid, seconds=2) for _ in range(3)]
    assert program.stop() == 0
    # One look a second at the files, and a slow tick; a sweep may come between, but not in each window. How long a
    # wake-up takes is the machine's affair: on an idle one the processor has forgotten everything.
    assert min(switches for switches, _ in windows) <= 50, windows  # who looks each 64 ms has 31 more than is needed
    assert min(ticks for _, ticks in windows) <= 50, windows  # a loop that spins has 200


def _busy_in(pid: int, seconds: float) -> tuple[int, int]:
    """How often the process's threads began to wait in a time, and its hundredths of a second of CPU."""
    before = _switches(pid), _cpu_ticks(pid)
    time.sleep(seconds)
    return _switches(pid) - before[0], _cpu_ticks(pid) - before[1]


def _switches(pid: int) -> int:
    texts = [(task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int(line.split()[1]) for text in texts for line in text.splitlines() if line.startswith("voluntary"))


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
