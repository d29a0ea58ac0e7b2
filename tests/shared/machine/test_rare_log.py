"""Lines that are logged once a minute, and descriptors that a process takes for its connections."""

from __future__ import annotations

import logging
import resource
import subprocess
import sys

import pytest
from onifast_shared.machine import log
from onifast_shared.machine.rare_log import SeldomLog


def test_a_line_comes_once_a_minute_and_says_how_often_it_did_not(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    seldom = SeldomLog(log.get("test"), lambda: now[0])
    with caplog.at_level(logging.WARNING):
        for now[0] in (0.0, 1.0, 59.0, 61.0):
            seldom.event("short", left=1)
        seldom.event("other")
    assert [record.getMessage() for record in caplog.records] == ["short left=1", "short left=1 unsaid=2", "other"]


@pytest.mark.parametrize(("hard", "left"), [(1000, 100), (200, 68), (100, 18), (64, 8)])
def test_as_many_connections_as_wanted_or_as_there_are_descriptors_for(hard: int, left: int) -> None:
    code = "from onifast_shared.machine.descriptors import connections_allowed as c; print(c(100, spare=64, each=2))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{left}\n"
