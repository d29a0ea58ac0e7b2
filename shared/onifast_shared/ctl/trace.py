"""The command of onifast-mailctl that shows SMTP dialogues as they go on."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from onifast_shared.ctl.tools import DONE, WRONG, UsageError, add, complain, number, opened
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.tracing import store
from onifast_shared.tracing.flag import TraceFlag
from onifast_shared.tracing.store import TooManyWatches, TraceLine, Watched

RENEW_SECONDS = 20.0
"""A watch ends by itself so long after its watcher was killed."""

_LOOK = 0.2
_MARKS = {"client": "C", "server": "S", "note": "-"}


def declare(areas: Any) -> None:
    """Adds the command."""
    parser = add(areas, "trace", _trace, "show SMTP dialogues, in and out, as they go on; until Ctrl-C")
    parser.add_argument("--address", default="", help="only sessions with mail from or to it, or a part of it")
    parser.add_argument("--client", default="", help="only those with this IP address, network or server")
    parser.add_argument("--session", default="", help="only the one of this name, as the log has it")
    parser.add_argument("--direction", choices=store.DIRECTIONS, default="", help="only those that come in, or go out")
    parser.add_argument("--seconds", type=number(1, 86400), help="end by itself after so long")


def _trace(arguments: argparse.Namespace, settings: Settings) -> int:
    if not settings.database.exists():
        raise UsageError(f"there is no database {settings.database}")
    watched = Watched(arguments.address, arguments.client, arguments.session, arguments.direction)
    with opened(settings) as database:
        flag = TraceFlag(database.path)
        now = time.time()
        if not flag.raise_until(now + RENEW_SECONDS):
            return complain(f"the file beside {database.path} that programs look at cannot be written", WRONG)
        try:
            begun = database.write(
                lambda tx: (
                    store.watch(tx, watched, "onifast-mailctl", now, now + RENEW_SECONDS),
                    store.last_line(tx),
                )
            )
        except TooManyWatches:
            return complain(f"{store.MOST_WATCHES} others watch already", WRONG)
        try:
            _follow(arguments, database, flag, begun)
        except KeyboardInterrupt:
            pass
        finally:
            database.write(lambda tx: store.end(tx, begun[0]))
            flag.close()
    return DONE


def _follow(arguments: argparse.Namespace, database: Database, flag: TraceFlag, begun: tuple[int, int]) -> None:
    """Prints lines as they are written, of sessions that are wanted."""
    watch_id, after = begun
    watched = Watched(arguments.address, arguments.client, arguments.session, arguments.direction)
    ends_at = time.monotonic() + arguments.seconds if arguments.seconds else float("inf")
    renew_at = time.monotonic() + RENEW_SECONDS / 2
    while True:
        ends = time.monotonic() > ends_at
        found = database.read(lambda tx, after=after: store.lines_after(tx, after))  # type: ignore[misc]
        for line_id, session_id, line in found:
            session = database.read(lambda tx, one=session_id: store.session(tx, one))  # type: ignore[misc]
            after = line_id
            if session and watched.may_fit(session.name, session.direction, session.peer):
                _print(arguments, session.name, session.direction, session.peer, line)
        if ends and not found:
            return
        if time.monotonic() > renew_at:
            until = time.time() + RENEW_SECONDS
            database.write(lambda tx, until=until: store.renew(tx, watch_id, until))  # type: ignore[misc]
            flag.raise_until(until)
            renew_at = time.monotonic() + RENEW_SECONDS / 2
        if not found:
            time.sleep(_LOOK)


def _print(arguments: argparse.Namespace, name: str, direction: str, peer: str, line: TraceLine) -> None:
    if arguments.json:
        values = {"at": line.at, "session": name, "direction": direction, "peer": peer, "who": line.who}
        print(json.dumps(values | {"text": line.text}, ensure_ascii=False), flush=True)
        return
    clock = time.strftime("%H:%M:%S", time.localtime(line.at))
    print(
        f"{clock}.{int(line.at * 1000) % 1000:03} {name} {direction} {peer} {_MARKS[line.who]}: {line.text}", flush=True
    )
