"""`onifast-mailctl health` beside the running programs: well, killed, and well again."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from supervision.programs import answers, eventually, start, tree
from tools.embedded import PROGRAMS, Embedded

pytestmark = pytest.mark.slow


def asked(here: Embedded, *words: str) -> tuple[int, dict[str, Any]]:
    command = [f"{here.environ['ONIFAST_BIN']}/onifast-mailctl", "health", "--json", *words]
    done = subprocess.run(command, env=here.environ, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, json.loads(done.stdout)


def test_it_tells_programs_that_serve_from_one_that_was_killed(tmp_path: Path) -> None:
    here = tree(tmp_path / "var")
    running = {program: start(here, program) for program in PROGRAMS}
    try:
        for program in PROGRAMS:
            eventually(lambda program=program: answers(here, program), f"{program} answers")  # type: ignore[misc]
        eventually(lambda: asked(here, *PROGRAMS)[1]["state"] == "ok", "all are well")
        running["outbox"].send_signal(signal.SIGKILL)
        running["outbox"].wait()
        eventually(lambda: asked(here, "outbox")[0] == 1, "one is missed")
        running["outbox"] = start(here, "outbox")
        eventually(lambda: asked(here, *PROGRAMS)[1]["state"] == "ok", "all are well again")
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait(60)
    assert [each["text"] for each in asked(here, *PROGRAMS)[1]["findings"]] == ["is not running"] * 3
