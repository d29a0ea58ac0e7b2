"""Processes that come and go with what there is to do; and what becomes of one of them that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from onifast_shared.programs import presence
from onifast_shared.programs.load import Load

PATIENCE = 60.0

PROGRAM = """
import sys, signal, time
from pathlib import Path
from onifast_shared.programs import processes
from onifast_shared.programs.notifying import ServiceManager
from onifast_shared.programs.watch import Watch

processes.LOOK_SECONDS = 0.1
processes.QUIET_SECONDS = 1.5
processes.SETTLING_SECONDS = 0.0
folder = Path(sys.argv[1])

class Places:
    def place(self, number, serving, lifeline=None, beat=None):
        return serving, beat

    def may_end(self, number):
        return not (folder / "held").exists()

    def clear(self, number):
        pass

def work(place):
    serving, beat = place
    serving()
    while True:
        beat()
        if (folder / "busy").exists():
            sum(range(100_000))
        else:
            time.sleep(0.05)

looked_after = Watch("smtpd", folder / "mail.db", ServiceManager(), count=2, listening={})
parent = processes.Parent(2, Places(), work, (folder / "serves").touch, looked_after, least=1,
                          died=lambda pid, status: print("died", status, flush=True))
sys.exit(parent.run())
"""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """One of two processes at the most, which are busy while there is a file of that name."""
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert eventually((tmp_path / "serves").exists)
        yield running
        running.kill()


def eventually(what: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not (happened := what()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return happened


def children(program: subprocess.Popen[str]) -> set[int]:
    return set(map(int, Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()))


def expected(folder: Path) -> int:
    """How many processes there should be, as `health` hears it."""
    return presence.present(folder / "mail.db")[0].processes


def test_a_second_process_comes_with_much_to_do_and_goes_when_it_is_quiet(
    program: subprocess.Popen[str], tmp_path: Path
) -> None:
    first = children(program)
    assert len(first) == 1 and expected(tmp_path) == 1
    (tmp_path / "busy").touch()
    (tmp_path / "held").touch()
    assert eventually(lambda: len(children(program)) == 2)
    assert eventually(lambda: expected(tmp_path) == 2)
    (second,) = children(program) - first
    os.kill(second, signal.SIGKILL)
    assert eventually(lambda: second not in children(program) and len(children(program)) == 2), "it is replaced"
    (tmp_path / "busy").unlink()
    (tmp_path / "held").unlink()
    assert eventually(lambda: children(program) == first), "the first one stays"
    assert eventually(lambda: expected(tmp_path) == 1)
    program.terminate()
    said, _ = program.communicate(timeout=PATIENCE)
    assert said.splitlines() == [f"died {-signal.SIGKILL}"], "who was told to end has not died"


@pytest.mark.parametrize(("share", "told"), [(0.4, 0), (0.6, 1)])
def test_a_process_that_takes_half_a_core_is_busy(share: float, told: int) -> None:
    now, beats, busy = [0.0], list[float](), list[float]()
    load = Load(
        lambda: beats.append(now[0]), lambda: busy.append(now[0]), clock=lambda: now[0], used=lambda: share * now[0]
    )
    for now[0] in (1.0, 1.5, 2.0):
        load.beat()
    assert len(beats) == 3 and len(busy) == told, "the first second loads the program, the last half is a part"
