"""Large messages are worked with one after another, in all threads and processes together."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask, Response
from onifast_web.access import one_at_a_time
from onifast_web.access.one_at_a_time import LARGE, OneAtATime
from werkzeug.test import TestResponse


def test_the_turn_is_one_threads() -> None:
    turn = OneAtATime()
    assert turn.take(1)
    others: list[bool] = []
    thread = threading.Thread(target=lambda: others.append(turn.take(0)))
    thread.start()
    thread.join()
    assert others == [False]
    turn.give()
    assert turn.take(1)


@contextmanager
def in_another_process(turn: OneAtATime) -> Iterator[int]:
    """A process that has the turn until the block ends, and its end of a pipe that says so; it ends by a crash."""
    (ready, tell), (hold, let_go) = os.pipe(), os.pipe()
    if not (pid := os.fork()):
        os.close(let_go)
        os.write(tell, b"y" if turn.take(5) else b"n")
        os.read(hold, 1)
        os._exit(1)
    assert os.read(ready, 1) == b"y"
    yield pid
    os.close(let_go)
    os.waitpid(pid, 0)


def test_the_turn_is_one_processes_and_ends_with_it() -> None:
    turn = OneAtATime()
    with in_another_process(turn):
        assert not turn.take(0.01)
    assert turn.take(5)


def served(turn: OneAtATime, size: int, body: object) -> TestResponse:
    app = Flask("x")

    @app.get("/")
    def view() -> Response:
        one_at_a_time.wait_for_turn(turn, size)
        one_at_a_time.wait_for_turn(turn, size)  # a second message in the same request
        return Response(body)  # type: ignore[arg-type]

    return app.test_client().get("/")


def test_an_answer_in_pieces_keeps_it_to_its_end_and_any_other_to_the_answer() -> None:
    turn = OneAtATime()
    assert served(turn, LARGE, "text").status_code == 200
    assert turn.take(0)
    turn.give()
    answer = served(turn, LARGE, iter([b"a", b"b"]))
    assert not turn.take(0)
    assert answer.data == b"ab"
    answer.close()
    assert turn.take(0)


def test_a_small_message_waits_for_nobody() -> None:
    turn = OneAtATime()
    assert turn.take(0)
    assert served(turn, LARGE - 1, "text").status_code == 200
