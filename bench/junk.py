"""make bench-junk - how well the junk filter of our own tells junk from mail, and what that costs.

    .venv/bin/python -m bench.junk --good DIR … --junk DIR …

The folders hold messages, a file each: a public corpus, say. Half of each, chosen at random and always alike, is
learned for one user in a database of its own, as outbox does it; the other half is judged, its senders unknown.
It is done after 20, 50 and 100 messages of each kind too. Times are of wall clock; those to learn include the commit.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from onifast_shared.db.database import Connection, Database
from onifast_shared.junk import judging, model, words
from onifast_shared.junk.judging import ArrivedMessage, JunkVerdict
from onifast_shared.junk.model import Kind, Learnable
from onifast_shared.junk.words import Reading
from onifast_shared.message.html_text import to_text
from onifast_shared.message.parsing import Parsed, parse

OWNER = "ann"
STEPS = (20, 50, 100, 10**9)


def main() -> None:
    """Learns in steps, and judges the other half after each."""
    arguments = _arguments()
    chance = random.Random(1)
    good, junk = ([path.read_bytes() for path in _files(folders)] for folders in (arguments.good, arguments.junk))
    chance.shuffle(good)
    chance.shuffle(junk)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        database = Database.open(Path(folder) / "bench.db")
        try:
            _run(database, good, junk)
        finally:
            database.close()


def _run(database: Database, good: Sequence[bytes], junk: Sequence[bytes]) -> None:
    learned = 0
    for step in STEPS:
        spent: list[float] = []
        for kind, messages in (("junk", junk[::2]), ("good", good[::2])):
            spent += [_learn(database, kind, raw) for raw in messages[learned:step]]  # type: ignore[arg-type]
        learned = step
        known = database.read(lambda tx: model.of(tx, OWNER))
        print(f"learned {known.learned.junk} junk, {known.learned.good} good; {_ms(spent)} to learn")
        _judge_all(database, good[1::2], junk[1::2])
        payload, pages = database.read(_octets)
        print(f"  {known.words} rows of words; {payload} octets in rows, {pages} in pages")
        if step >= max(len(junk), len(good)):
            return


def _judge_all(database: Database, good: Sequence[bytes], junk: Sequence[bytes]) -> None:
    reading, judged = list[float](), list[float]()
    wrong = {"good": 0, "junk": 0}
    for kind, messages in (("good", good), ("junk", junk)):
        for raw in messages:
            parsed, text = _parsed(raw)
            read = time.perf_counter()
            found = words.read(parsed, text, {})
            reading.append(time.perf_counter() - read)
            began = time.perf_counter()
            verdict = database.read(lambda tx, found=found: _judge(tx, found))  # type: ignore[misc]
            judged.append(time.perf_counter() - began)
            wrong[kind] += (verdict.folder == "junk") != (kind == "junk")
    print(f"  false positives {wrong['good']} of {len(good)} ({wrong['good'] / len(good):.2%})", end="")
    print(f", false negatives {wrong['junk']} of {len(junk)} ({wrong['junk'] / len(junk):.2%})")
    print(f"  to read the words: {_ms(reading)}; to judge: {_ms(judged)}")


def _judge(tx: Connection, reading: Reading) -> JunkVerdict:
    arrived = ArrivedMessage(0, OWNER, "inbox", "x@remote.test", {}, None, True, model.of(tx, OWNER))
    return judging.judge(tx, arrived, reading)


def _learn(database: Database, kind: Kind, raw: bytes) -> float:
    parsed, text = _parsed(raw)
    began = time.perf_counter()
    message = Learnable(words.read(parsed, text, {}).features)
    database.write(lambda tx: model.learn(tx, OWNER, kind, message, time.time()))
    return time.perf_counter() - began


def _parsed(raw: bytes) -> tuple[Parsed, str]:
    """A message as outbox's indexer parses it for lists and search anyway."""
    parsed = parse(raw)
    return parsed, parsed.text if parsed.text is not None else to_text(parsed.html or "")


def _octets(tx: Connection) -> tuple[int, int]:
    """What the model takes: in rows, and in pages of the database."""
    sql = "SELECT total(payload), total(pgsize) FROM dbstat WHERE name IN ('junk_words', 'junk_senders')"
    found: list[tuple[Any, ...]] = tx.execute(sql).fetchall()
    return int(found[0][0]), int(found[0][1])


def _ms(spent: Sequence[float]) -> str:
    if not spent:
        return "nothing"
    ordered = sorted(spent)
    worst = ordered[int(len(ordered) * 0.95)]
    return f"{statistics.median(ordered) * 1000:.2f} ms at the median, {worst * 1000:.2f} at the 95th percentile"


def _files(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in sorted(folder.iterdir()) if path.is_file() and path.suffix != ".json")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--good", type=Path, nargs="+", required=True, help="folders of mail")
    parser.add_argument("--junk", type=Path, nargs="+", required=True, help="folders of junk")
    return parser.parse_args()


if __name__ == "__main__":
    main()
