"""Fixtures that more than one suite uses: a database, settings on a temporary tree."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import fresh_database
import hypothesis
import pytest
from folders import open_folder
from onifast_shared.db.database import Database
from onifast_shared.dkim import white_space
from onifast_shared.machine import descriptors
from onifast_shared.machine.config import Settings

# A busy machine takes its time: how long one example runs is no property of ours.
hypothesis.settings.register_profile("onifast", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("thorough", hypothesis.settings.get_profile("onifast"), max_examples=1000)
hypothesis.settings.load_profile("onifast")


MEMORY = Path("/dev/shm")
ROOM = 4 * 1024**3
"""Bytes that the tests' folders may need at once, with plenty to spare."""


def is_for_tests(folder: Path) -> bool:
    """Whether a folder in memory has room, and lets run what lies in it."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return not found.f_flag & os.ST_NOEXEC and found.f_bavail * found.f_frsize > ROOM and os.access(folder, os.W_OK)


# Thousands of databases commit durably, and each commit waits for the disk: a fifth of the time that the tests took.
# In memory fsync is called all the same, and waits for nothing; no test cuts the power. Who wants a disk names one.
if is_for_tests(MEMORY):
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_configure() -> None:
    """What the programs do at their start."""
    white_space.put_in_place()
    descriptors.connections_allowed(2000, spare=1000)  # a test may be a thousand clients


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tells how much of the code the tests ran in their own processes, where `make test` has that counted."""
    folder = Path(os.environ.get("SLIPCOVER_COVERAGE_DIR", "/nowhere"))
    if "PYTEST_XDIST_WORKER" not in os.environ and (folder / "merged.json").exists():
        files = json.loads((folder / "merged.json").read_text())["files"].values()
        ran, missed = (sum(len(file[kind]) for file in files) for kind in ("executed_lines", "missing_lines"))
        figure = f"coverage: {ran / (ran + missed):.1%} of {ran + missed} lines ran in the tests' own processes"
        terminalreporter.write_line(f"{figure} (what programs ran that they started is not counted)")
        shutil.rmtree(folder)


# Programs are started as a terminal starts them, even where the tests run under nohup or in a shell's background: who
# ignores a signal has its children ignore it too.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever asks for a browser needs Debian's Chromium; and files with slow tests go first.

    Of workers that share the files, none has a long one left at the end.
    """
    for item in items:
        if "chrome" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.peers)
    slow = {item.path for item in items if any(map(item.get_closest_marker, ("slow", "peers", "root")))}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The default settings on a temporary tree, with a host name that needs no look-up."""
    for name in ("users", "certs", "config"):
        (tmp_path / "onifast" / name).mkdir(parents=True)
    (tmp_path / "home").mkdir()
    return Settings(root=tmp_path / "onifast", home_root=tmp_path / "home", hostname="mail.host.test")


@pytest.fixture(name="open_folder")
def made_open_folder() -> Iterator[Path]:
    """A folder that every Unix user reaches, unlike tmp_path."""
    with open_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a database of today's schema. To copy it takes a tenth of the time that making one takes."""
    path = tmp_path_factory.mktemp("empty") / "empty.db"
    Database.open(path).close()
    return path


@pytest.fixture
def database(settings: Settings, empty_database: Path) -> Iterator[Database]:
    """A database of today's schema, at the settings' place."""
    fresh_database.lay_down(empty_database, settings.database)
    opened = Database.open(settings.database, timeout=10)
    yield opened
    opened.close()
