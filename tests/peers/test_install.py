"""The script that installs the peers."""

import os
import subprocess
import time
from pathlib import Path

import pytest

INSTALL = Path(__file__).parent / "install"


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [INSTALL], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.peers
@pytest.mark.clock
def test_a_run_that_finds_all_there_says_nothing_and_takes_no_time() -> None:
    begin = time.monotonic()
    finished = run()
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
    assert time.monotonic() - begin < 1


def test_without_root_it_lists_what_is_missing_and_why(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, line in {
        "id": "echo 1000",
        "dpkg-query": "",
        "apt-get": "echo no lists >&2; exit 100",
        "getent": "exit 2",
        "npm": "exit 1",
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{line}\n")
        (tools / name).chmod(0o755)
    finished = run(PATH=f"{tools}:{os.environ['PATH']}", ONIFAST_TEST_CACHE=str(tmp_path / "cache"))
    assert finished.returncode == 1
    complaints = finished.stderr.splitlines()
    assert "  package chromium: not installed, and apt-get install needs root" in complaints
    assert f"  package postfix: could not be downloaded and unpacked into {tmp_path}/cache" in complaints
    assert "  user postfix: missing, and adding it needs root" in complaints
    assert f"  npm could not install into {tmp_path}/cache/npm" in complaints
    assert not list((tmp_path / "cache").glob("*/.complete"))
