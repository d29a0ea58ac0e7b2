"""Each program without the others and without a supervisor: what it says, and how it ends."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from supervision.programs import answers, eventually, start, tree
from tools.embedded import PROGRAMS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_it_serves_alone_and_ends_with_0_when_told_to(tmp_path: Path, program: str, number: signal.Signals) -> None:
    here = tree(tmp_path / "var")
    with start(here, program) as process:
        eventually(lambda: answers(here, program), f"{program} answers")
        process.send_signal(number)
        assert process.wait(30) == 0


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_says_at_start_from_which_settings_it_serves(tmp_path: Path, program: str) -> None:
    here = tree(tmp_path / "var")
    (tmp_path / "var/onifast/config/onifast-mail.toml").write_text("log_level = 'info'\n")
    with start(here, program) as process:
        # A parent of several processes says it when all of them serve, a moment after the first one answers.
        eventually(lambda: " started " in here.log(program).read_text(), f"{program} has started")
        process.terminate()
    first = here.log(program).read_text().splitlines()[0]
    assert "onifast-mail.toml" in first


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_wrong_setting_ends_it_with_2_and_one_line(tmp_path: Path, program: str) -> None:
    here = tree(tmp_path / "var")
    with start(here, program, delivery="pigeon") as process:
        assert process.wait(30) == 2
    (line,) = here.log(program).read_text().splitlines()
    assert "DELIVERY" in line
    assert "'pigeon'" in line


@pytest.mark.parametrize(("program", "setting"), [("smtpd", "smtp_listen"), ("web", "http_listen")])
def test_a_port_in_use_ends_it_with_2_and_one_line(tmp_path: Path, program: str, setting: str) -> None:
    here = tree(tmp_path / "var")
    with start(here, program) as holder:
        eventually(lambda: answers(here, program), f"{program} answers")
        second = tree(tmp_path / "second")
        taken = here.environ[f"ONIFAST_MAIL_{setting.upper()}"]
        with start(second, program, **{setting: taken}) as process:
            assert process.wait(30) == 2
        holder.terminate()
    (line,) = second.log(program).read_text().splitlines()
    assert taken.rpartition(":")[2] in line
