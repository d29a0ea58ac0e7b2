"""What the measurements share: our programs and Postfix under load, the load itself, and processor time."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from onifast_shared.machine.config import describe

from peers.ports import free_port
from peers.postfix import RemotePostfix
from peers.unpacked import unpacked

SESSIONS = 20
PATIENCE = 30.0  # seconds for a start or an end
LONGEST_RUN = 120.0  # seconds for one case of one server
KIB = 1024
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class Case(NamedTuple):
    """What is sent: `share` of the asked number of messages, of that many octets, in one connection each or many."""

    name: str
    octets: int
    many: bool
    share: float


class Rate(NamedTuple):
    """What one run of smtp-source came to."""

    per_second: float
    cpu_ms: float  # of all the server's processes, for a message


# Mail is counted as everywhere, and no limit is reached.
LIMITS = tuple(item.name for item in describe() if item.name.startswith(("limit_unix_", "limit_domain_")))


@dataclass(frozen=True)
class Subject:
    """A server under load. Its processes are those of these sessions (setsid(2))."""

    name: str
    address: str
    sessions: tuple[int, ...]


def load(subject: Subject, case: Case, messages: int, rcpt_to: str = "someone@elsewhere.test") -> Rate:
    """One run of smtp-source against a server. Raises CalledProcessError where a message was refused."""
    before, began = cpu_seconds(*subject.sessions), time.perf_counter()
    subprocess.run(
        [
            *(unpacked("postfix") / "usr/sbin/smtp-source", "-s", str(SESSIONS), "-m", str(messages)),
            *("-l", str(case.octets), "-f", "sender@bench.test", "-t", rcpt_to),
            *(("-d",) if case.many else ()),
            f"inet:{subject.address}",
        ],
        env=library_path(),
        check=True,
        timeout=LONGEST_RUN,
    )
    seconds = time.perf_counter() - began
    return Rate(messages / seconds, (cpu_seconds(*subject.sessions) - before) / messages * 1000)


@contextmanager
def smtpd(folder: Path, settings: Mapping[str, str]) -> Iterator[Subject]:
    """onifast-smtpd with an empty database below `folder`, no limit that is reached, and these settings."""
    (folder / "onifast" / "config").mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{free_port()}"
    given = {
        "root": str(folder / "onifast"),
        "hostname": "mail.bench.test",
        "run_as": "root",
        "smtp_listen": address,
        "submission_listen": "",
        "submissions_listen": "",
        **dict.fromkeys(LIMITS, "1000000000"),
        **settings,
    }
    with program("smtpd", folder, given) as pid:
        yield Subject("onifast", address, (pid,))


@contextmanager
def program(name: str, folder: Path, settings: Mapping[str, str]) -> Iterator[int]:
    """One of our programs from its start line on, until the block ends; its process id, which is its session's too."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ONIFAST_")}
    environment |= {f"ONIFAST_MAIL_{name.upper()}": value for name, value in settings.items()}
    file = folder / f"{name}.log"
    with file.open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", f"onifast_{name}.main"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
        try:
            _wait_for_start(process, file)
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


def session_of(held: RemotePostfix) -> int:
    """The session of a Postfix' processes."""
    pid = int((held._directory / "queue/pid/master.pid").read_text())
    return os.getsid(pid)


def _wait_for_start(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while " started " not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"it did not start: {log.read_text()}")
        time.sleep(0.02)


def cpu_seconds(*sessions: int) -> float:
    """CPU time of all processes of these sessions, and of their children that have ended."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(") ")[2].split()
        except OSError:
            continue  # it has just ended
        if int(fields[3]) in sessions:
            total += sum(map(int, fields[11:15]))
    return total / CLOCK_TICKS


def library_path() -> dict[str, str]:
    """Where the unpacked Postfix finds its libraries."""
    return {"LD_LIBRARY_PATH": str(unpacked("postfix") / "usr/lib/postfix")}


def median(rates: Sequence[Rate]) -> Rate:
    """Of several runs, each figure's median."""
    return Rate(*(statistics.median(column) for column in zip(*rates, strict=True)))
