"""The three programs under the real supervisord.conf: each starts, stops, restarts and dies on its own."""

from __future__ import annotations

import contextlib
import os
import signal
import smtplib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervision.programs import LIMIT, Supervised, answers, eventually, tree
from tools import ready
from tools.embedded import PROGRAMS, Embedded

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def supervised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervised]:
    with Supervised(tree(tmp_path_factory.mktemp("supervised") / "var")) as running:
        running.wait_until_all_serve()
        yield running


def test_all_three_run_under_one_configuration(supervised: Supervised) -> None:
    supervised.wait_until_all_serve()
    assert set(ready.states(supervised.here.control_socket)) == set(PROGRAMS)


@pytest.mark.parametrize("victim", PROGRAMS)
def test_a_killed_program_comes_back_and_leaves_the_others_working(supervised: Supervised, victim: str) -> None:
    before = supervised.pids()
    os.kill(before[victim], signal.SIGKILL)
    others = [program for program in PROGRAMS if program != victim]
    assert all(answers(supervised.here, program) for program in others)
    eventually(lambda: supervised.pids()[victim] not in {0, before[victim]}, f"{victim} is started anew")
    supervised.wait_until_all_serve()
    assert all(supervised.pids()[program] == before[program] for program in others)


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_program_restarts_alone(supervised: Supervised, program: str) -> None:
    before = supervised.pids()
    assert f"{program}: started" in supervised.ctl("restart", program)
    after = supervised.pids()
    assert {name for name in PROGRAMS if after[name] != before[name]} == {program}
    supervised.wait_until_all_serve()


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_program_ends_with_0_on_term(supervised: Supervised, program: str) -> None:
    supervised.ctl("stop", program)
    log = supervised.here.log("supervisord").read_text()
    assert f"stopped: {program} (exit status 0)" in log.splitlines()[-1]
    supervised.ctl("start", program)
    supervised.wait_until_all_serve()


def test_when_supervisord_is_killed_its_programs_end_and_the_next_one_has_their_ports(tmp_path: Path) -> None:
    here = tree(tmp_path / "var")
    with Supervised(here) as first:
        first.wait_until_all_serve()
        host, port = here.listens("smtp_listen")[0]
        with smtplib.SMTP(host, port, timeout=LIMIT) as client:
            client.docmd("MAIL", "FROM:<a@remote.test>")
            first.process.kill()
            first.process.wait(LIMIT)
            code, words = client.getreply()
            assert code == 421 and b"shutting down" in words
        with Supervised(here) as second:
            second.wait_until_all_serve()
            log = here.log("supervisord").read_text()
            assert log.count("spawned: 'smtpd'") == 2, log
    eventually(lambda: not processes_of(here), "all of them have ended")


def test_they_end_too_where_they_were_still_being_loaded_when_it_was_killed(tmp_path: Path) -> None:
    here = tree(tmp_path / "var")
    with Supervised(here) as killed:
        eventually(lambda: len(processes_of(here)) > len(PROGRAMS), "all of them have been started")
        killed.process.kill()
    eventually(lambda: not processes_of(here), "all of them have ended")


def processes_of(here: Embedded) -> list[str]:
    """Whoever runs with this tree, children of children included."""
    mark = f"ONIFAST_MAIL_ROOT={here.environ['ONIFAST_MAIL_ROOT']}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(process.name)
    return found


def test_a_program_whose_port_is_taken_never_counts_as_started_and_serves_once_it_is_free(tmp_path: Path) -> None:
    here = tree(tmp_path / "var")
    host, port = here.listens("http_listen")[0]
    with socket.create_server((host, port)) as taken, Supervised(here, startsecs=30) as running:
        log = here.log("supervisord")
        eventually(lambda: log.exists() and "exited: web (exit status 2; not expected)" in log.read_text(), "it ends")
        assert "success: web" not in log.read_text()
        taken.close()
        eventually(lambda: answers(running.here, "web"), "web serves")


def test_no_process_is_left_when_supervisord_is_told_to_end(tmp_path: Path) -> None:
    with Supervised(tree(tmp_path / "var")) as running:
        running.wait_until_all_serve()
        pids = running.pids()
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(60) == 0
    assert not [program for program, pid in pids.items() if Path(f"/proc/{pid}").exists()]
