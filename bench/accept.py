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
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.servers import KIB, SESSIONS, Case, Rate, Subject, load, median, session_of, smtpd
from peers.postfix import RemotePostfix

CASES = (
    Case("4k-one", 4 * KIB, many=False, share=1.0),
    Case("4k-many", 4 * KIB, many=True, share=1.0),
    Case("64k-one", 64 * KIB, many=False, share=0.5),
    Case("64k-many", 64 * KIB, many=True, share=0.5),
)


def main() -> int:
    """Measures, prints the table; returns the exit status."""
    options = _options()
    cases = [case for case in CASES if not options.case or case.name in options.case]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="onifast-bench-", dir=options.tmp)))
        subjects = [
            stack.enter_context(smtpd(folder, dict(each.split("=", 1) for each in options.setting))),
            stack.enter_context(postfix(folder)),
        ]
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
        yield Subject("postfix", held.address, (session_of(held),))


def _print(table: dict[Case, dict[str, list[Rate]]], rounds: int) -> None:
    print(f"\n{SESSIONS} sessions, medians of {rounds} rounds, {os.cpu_count()} cores shared by load and server\n")
    print("case        onifast /s  (CPU ms)   postfix /s  (CPU ms)   ratio")
    for case, found in table.items():
        ours, theirs = (median(found[name]) for name in ("onifast", "postfix"))
        print(
            f"{case.name:10} {ours.per_second:11.0f} {ours.cpu_ms:9.2f} {theirs.per_second:12.0f} {theirs.cpu_ms:9.2f}"
            f" {ours.per_second / theirs.per_second:9.2f}"
        )


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
