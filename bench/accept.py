"""make bench - how fast messages are accepted, beside Debian's Postfix on the same machine in the same run.

    PYTHONPATH=tests .venv/bin/python -m bench.accept [--rounds N] [--messages N] [--case NAME …] [--tmp DIRECTORY]

Both servers take mail for a foreign domain from this machine and keep it: onifast-smtpd commits it to its queue (no
outbox runs), Postfix writes and syncs a queue file and holds it. Postfix's own load generator, smtp-source, sends
with 20 sessions. The servers take turns within each round, so what else the machine does meets both; the table shows
medians and their ratio. docs/performance.md tells how to read it.

Needs root and what tests/peers/install unpacks. Everything lies in a temporary directory, which goes at the end.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from onifast_shared.config import describe

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


CASES = (
    Case("4k-one", 4 * KIB, many=False, share=1.0),
    Case("4k-many", 4 * KIB, many=True, share=1.0),
    Case("64k-one", 64 * KIB, many=False, share=0.5),
    Case("64k-many", 64 * KIB, many=True, share=0.5),
)


class Rate(NamedTuple):
    """What one run of smtp-source came to."""

    per_second: float
    cpu_ms: float  # of all the server's processes, for a message


# Mail is counted as everywhere, and no limit is reached.
LIMITS = tuple(item.name for item in describe() if item.name.startswith(("limit_unix_", "limit_domain_")))


@dataclass(frozen=True)
class Subject:
    """A server under load. Its processes are those of its own session (setsid(2))."""

    name: str
    address: str
    session: int


def main() -> int:
    """Measures, prints the table; gives the exit status."""
    options = _options()
    cases = [case for case in CASES if not options.case or case.name in options.case]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="onifast-bench-", dir=options.tmp)))
        subjects = [stack.enter_context(onifast(folder, options.setting)), stack.enter_context(postfix(folder))]
        for subject in subjects:
            load(subject, CASES[0], 100)  # processes started, caches warm
        table = {case: _measure(case, subjects, options.rounds, options.messages) for case in cases}
    _print(table, options.rounds)
    return 0


def _measure(case: Case, subjects: Sequence[Subject], rounds: int, messages: int) -> dict[str, list[Rate]]:
    found: dict[str, list[Rate]] = {subject.name: [] for subject in subjects}
    for _ in range(rounds):
        for subject in subjects:
            rate = load(subject, case, int(messages * case.share))
            print(f"{case.name:10} {subject.name:8} {rate.per_second:7.0f} /s {rate.cpu_ms:6.2f} ms CPU", flush=True)
            found[subject.name].append(rate)
    return found


def load(subject: Subject, case: Case, messages: int) -> Rate:
    """One run of smtp-source against a server. Raises CalledProcessError where a message was refused."""
    before, began = _cpu_seconds(subject.session), time.perf_counter()
    subprocess.run(
        [
            *(unpacked("postfix") / "usr/sbin/smtp-source", "-s", str(SESSIONS), "-m", str(messages)),
            *("-l", str(case.octets), "-f", "sender@bench.test", "-t", "someone@elsewhere.test"),
            *(("-d",) if case.many else ()),
            f"inet:{subject.address}",
        ],
        env=_library_path(),
        check=True,
        timeout=LONGEST_RUN,
    )
    seconds = time.perf_counter() - began
    return Rate(messages / seconds, (_cpu_seconds(subject.session) - before) / messages * 1000)


@contextmanager
def onifast(folder: Path, settings: Sequence[str]) -> Iterator[Subject]:
    """onifast-smtpd with an empty database and its settings' defaults; `settings` are NAME=VALUE."""
    root = folder / "onifast"
    (root / "config").mkdir(parents=True)
    address = f"127.0.0.1:{free_port()}"
    given = {
        "root": str(root),
        "hostname": "mail.bench.test",
        "run_as": "root",
        "smtp_listen": address,
        "submission_listen": "",
        "submissions_listen": "",
        **dict.fromkeys(LIMITS, "1000000000"),
        **dict(setting.split("=", 1) for setting in settings),
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ONIFAST_")}
    environment |= {f"ONIFAST_MAIL_{name.upper()}": value for name, value in given.items()}
    with (folder / "smtpd.log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "onifast_smtpd.main"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
        try:
            _wait_for_start(process, folder / "smtpd.log")
            yield Subject("onifast", address, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


@contextmanager
def postfix(folder: Path) -> Iterator[Subject]:
    """Postfix, which puts everything on hold, with its queue in the same directory as our database."""
    # RemotePostfix lays itself out where the system's temporary files go.
    tempfile.tempdir = str(folder)
    folder.chmod(0o755)
    held = RemotePostfix(
        "bench.test",
        relay=("127.0.0.1", 9),  # nothing gets that far
        settings={"mynetworks": "127.0.0.0/8", "smtpd_client_restrictions": "check_client_access static:HOLD"},
    )
    with held:
        yield Subject("postfix", held.address, _session_of_listener(held))


def _session_of_listener(held: RemotePostfix) -> int:
    pid = int((held._directory / "queue/pid/master.pid").read_text())
    return os.getsid(pid)


def _wait_for_start(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while " started " not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"onifast-smtpd did not start: {log.read_text()}")
        time.sleep(0.02)


def _cpu_seconds(session: int) -> float:
    """CPU time of all processes of a session, and of their children that have ended."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(") ")[2].split()
        except OSError:
            continue  # it has just ended
        if int(fields[3]) == session:
            total += sum(map(int, fields[11:15]))
    return total / CLOCK_TICKS


def _library_path() -> dict[str, str]:
    return {"LD_LIBRARY_PATH": str(unpacked("postfix") / "usr/lib/postfix")}


def _print(table: dict[Case, dict[str, list[Rate]]], rounds: int) -> None:
    print(f"\n{SESSIONS} sessions, medians of {rounds} rounds, {os.cpu_count()} cores shared by load and server\n")
    print("case        onifast /s  (CPU ms)   postfix /s  (CPU ms)   ratio")
    for case, found in table.items():
        ours, theirs = (_median(found[name]) for name in ("onifast", "postfix"))
        print(
            f"{case.name:10} {ours.per_second:11.0f} {ours.cpu_ms:9.2f} {theirs.per_second:12.0f} {theirs.cpu_ms:9.2f}"
            f" {ours.per_second / theirs.per_second:9.2f}"
        )


def _median(rates: Sequence[Rate]) -> Rate:
    return Rate(*(statistics.median(column) for column in zip(*rates, strict=True)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.accept", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often each server has its turn (3)")
    parser.add_argument("--messages", type=int, default=3000, help="messages of 4 KiB in a run (3000); half of 64 KiB")
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES], help="only this case")
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="a setting of ours")
    parser.add_argument("--tmp", help="where the queues lie; /dev/shm shows what the disk costs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
