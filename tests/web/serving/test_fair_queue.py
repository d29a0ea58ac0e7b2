"""The queue of requests that wait for a thread: callers take turns, and none has all threads."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from onifast_web.serving.fair_queue import FairDispatcher, FairQueue, KnownCallers


@dataclass
class Request:
    """A request that takes until it is let go."""

    caller_key: str
    go: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    cancelled: bool = False

    def service(self) -> None:
        self.begun.set()
        assert self.go.wait(30)

    def cancel(self) -> None:
        self.cancelled = True


def test_callers_take_turns() -> None:
    queue = FairQueue()
    queue.most = 9
    for key in ("ann", "ann", "ann", "bob", "carl", "bob"):
        queue.append(Request(key))
    assert len(queue) == 6
    taken = [repr(queue.popleft()) for _ in range(6)]
    order = [text.split("'")[1] for text in taken]
    assert order == ["ann", "bob", "carl", "ann", "bob", "ann"]
    assert not queue


def test_one_caller_leaves_a_thread_to_others() -> None:
    dispatcher = FairDispatcher()
    dispatcher.queue_logger.setLevel("ERROR")
    dispatcher.set_thread_count(3)
    slow = [Request("ann") for _ in range(10)]
    for request in slow:
        dispatcher.add_task(request)
    assert slow[0].begun.wait(30) and slow[1].begun.wait(30)
    other = Request("bob")
    dispatcher.add_task(other)
    assert other.begun.wait(30)
    assert not slow[2].begun.is_set()
    slow[0].go.set()
    assert slow[2].begun.wait(30)
    for request in (other, *slow):
        request.go.set()
    assert slow[-1].begun.wait(30)
    dispatcher.shutdown()


def test_what_waits_at_the_end_is_given_up() -> None:
    dispatcher = FairDispatcher()
    dispatcher.queue_logger.setLevel("ERROR")
    dispatcher.set_thread_count(2)
    requests = [Request("ann") for _ in range(4)]
    for request in requests:
        dispatcher.add_task(request)
    assert requests[0].begun.wait(30)
    requests[0].go.set()
    threading.Timer(0, requests[1].go.set).start()
    assert requests[1].begun.wait(30)
    assert requests[2].begun.wait(30)
    threading.Timer(0, requests[2].go.set).start()
    dispatcher.shutdown(timeout=5)
    assert requests[3].cancelled or requests[3].begun.is_set()
    requests[3].go.set()


def test_a_credential_that_opened_nothing_is_nobodys() -> None:
    callers = KnownCallers()
    assert callers.name_of("x") == ""
    callers.learn("x", "demo")
    assert callers.name_of("x") == "demo"
    for number in range(KnownCallers.MOST):
        callers.learn(str(number), "maria")
    assert callers.name_of("x") == ""
