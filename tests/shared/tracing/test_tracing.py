"""Traces: whose dialogues are written down, and what of them."""

from __future__ import annotations

import time
from typing import Any

import pytest
from onifast_shared.db.database import Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.tracing import store
from onifast_shared.tracing.flag import TraceFlag
from onifast_shared.tracing.masking import masked
from onifast_shared.tracing.recorder import TraceRecorder
from onifast_shared.tracing.store import Watched


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"MAIL FROM:<ann@here.test> SIZE=3", "MAIL FROM:<ann@here.test> SIZE=3"),
        (b"AUTH PLAIN AGFubgBzZWNyZXQ=", "AUTH PLAIN ***"),
        (b"auth login", "auth login"),
        (b"AUTH AGFubgBzZWNyZXQ=", "AUTH ***"),
        (b"c2VjcmV0", "*** (8 octets)"),
        (b"NOOP \x1b[31m", "NOOP  [31m"),
    ],
)
def test_commands_are_shown_and_secrets_are_not(line: bytes, shown: str) -> None:
    assert masked(line) == shown


def test_a_watch_says_which_sessions_it_wants() -> None:
    assert Watched(client="192.0.2.0/24").may_fit("a", "in", "192.0.2.7")
    assert not Watched(client="192.0.2.0/24").may_fit("a", "in", "198.51.100.7")
    assert Watched(client="mx.remote").may_fit("a", "out", "mx.remote.test [192.0.2.7]")
    assert Watched(client="192.0.2.7", direction="out").may_fit("a", "out", "mx.remote.test [192.0.2.7]")
    assert not Watched(direction="in").may_fit("a", "out", "mx.remote.test [192.0.2.7]")
    assert not Watched(session="b").may_fit("a", "in", "192.0.2.7")


def _watch(database: Database, watched: Watched) -> None:
    now = time.time()
    flag = TraceFlag(database.path)
    assert flag.raise_until(now + 60)
    flag.close()
    database.write(lambda tx: store.watch(tx, watched, "test", now, now + 60))


def test_only_what_is_watched_is_written_down(database: Database) -> None:
    recorder = TraceRecorder(database)
    assert recorder.begin("none", "in", "192.0.2.1") is None
    _watch(database, Watched(address="ann@"))
    wanted, other = recorder.begin("one", "in", "192.0.2.1"), recorder.begin("two", "in", "192.0.2.1")
    assert wanted and other
    wanted.said("server", "220 here")
    wanted.said("client", "MAIL FROM:<ann@here.test>")
    other.said("client", "MAIL FROM:<bob@here.test>")
    wanted.ended()
    other.ended()
    recorder.close()
    (session,) = database.read(lambda tx: store.sessions(tx, Watched(), time.time()))
    assert (session.name, session.envelope, session.ended_ts is not None) == ("one", "MAIL FROM:<ann@here.test>", True)
    lines = database.read(lambda tx: store.lines(tx, session.id))
    assert [line.text for line in lines] == ["220 here", "MAIL FROM:<ann@here.test>"]
    database.write(lambda tx: store.sweep(tx, time.time() + store.KEPT_SECONDS + 1))
    assert not database.read(lambda tx: store.sessions(tx, Watched(), 0))


def test_a_watched_recipient_is_found_behind_many_others(database: Database) -> None:
    _watch(database, Watched(address="zoe@"))
    recorder = TraceRecorder(database)
    trace = recorder.begin("one", "in", "192.0.2.1")
    assert trace
    for number in range(100):
        trace.said("client", f"RCPT TO:<somebody-{number}@here.test>")
    assert not trace.is_wanted
    trace.said("client", "RCPT TO:<zoe@here.test>")
    assert trace.is_wanted
    trace.ended()
    recorder.close()


def test_what_the_database_did_not_take_is_written_the_next_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    _watch(database, Watched())
    recorder, fails = TraceRecorder(database), [True]
    write_down = recorder._write_down

    def failing(pieces: list[Any]) -> None:
        if fails:
            fails.pop()
            raise DatabaseError("busy")
        write_down(pieces)

    monkeypatch.setattr(recorder, "_write_down", failing)
    trace = recorder.begin("one", "in", "192.0.2.1")
    assert trace
    trace.said("server", "220 here")
    trace.ended()
    thread = recorder._thread
    assert thread
    thread.join(30)
    (session,) = database.read(lambda tx: store.sessions(tx, Watched(), time.time()))
    assert session.ended_ts is not None
    assert [line.text for line in database.read(lambda tx: store.lines(tx, session.id))] == ["220 here"]
    recorder.close()
