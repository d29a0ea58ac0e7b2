"""The queue of requests that wait for a thread: callers take turns, and none of them has all threads.

waitress serves whoever came first: one customer's hundred slow requests would be answered before anybody else's one.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Protocol

from waitress.task import ThreadedTaskDispatcher


class Waiting(Protocol):
    """A request that waits for a thread."""

    @property
    def caller_key(self) -> Hashable:
        """Whose it is, as far as that is known before it is answered."""
        ...

    def service(self) -> None:
        """Answers it."""
        ...

    def cancel(self) -> None:
        """Gives it up."""
        ...


class FairQueue:
    """Requests by caller; as waitress's deque, all of it is called with the dispatcher's lock held, but for `done`.

    `most` is how many of one caller's are answered at a time. While all who wait have that, nothing waits for anybody
    else's sake: a thread that is free stays so, for the next caller.
    """

    def __init__(self) -> None:
        self.most = 1
        self._waiting: OrderedDict[Hashable, deque[Waiting]] = OrderedDict()
        self._running: Counter[Hashable] = Counter()

    def __len__(self) -> int:
        """How many could be answered now, or as many as make no difference."""
        return sum(len(tasks) for key, tasks in self._waiting.items() if self._running[key] < self.most)

    def append(self, task: Waiting) -> None:
        """Lets a request wait, behind its caller's others."""
        self._waiting.setdefault(task.caller_key, deque()).append(task)

    def popleft(self) -> _Taken:
        """The next request: of the caller whose turn it is; who has had one comes last."""
        key = next(key for key in self._waiting if self._running[key] < self.most)
        tasks = self._waiting.pop(key)
        task = tasks.popleft()
        if tasks:
            self._waiting[key] = tasks
        self._running[key] += 1
        return _Taken(task, lambda: self._done(key))

    def drain(self) -> list[Waiting]:
        """Takes all that wait out of it."""
        tasks = [task for each in self._waiting.values() for task in each]
        self._waiting.clear()
        return tasks

    def _done(self, key: Hashable) -> None:
        self._running[key] -= 1
        if self._running[key] <= 0:
            del self._running[key]


class _Taken:
    """A request that a thread answers."""

    def __init__(self, task: Waiting, done: Callable[[], None]) -> None:
        self._task = task
        self.done = done

    def service(self) -> None:
        self._task.service()

    def __repr__(self) -> str:
        return repr(self._task)


class FairDispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]
    """waitress's threads, on a fair queue."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = FairQueue()

    def set_thread_count(self, count: int) -> None:
        """Changes how many threads there are; one is always left for other callers."""
        with self.lock:
            self.queue.most = max(1, count - 1)
        super().set_thread_count(count)

    def handler_thread(self, thread_no: int) -> None:
        """As waitress has it, but that the queue hears of the end."""
        while True:
            with self.lock:
                while not self.queue and self.stop_count == 0:
                    self.active_count -= 1
                    self.queue_cv.wait()
                    self.active_count += 1
                if self.stop_count > 0:
                    self.active_count -= 1
                    self.stop_count -= 1
                    self.threads.discard(thread_no)
                    self.thread_exit_cv.notify()
                    return
                taken = self.queue.popleft()
            try:
                taken.service()
            except BaseException:
                self.logger.exception("Exception when servicing %r", taken)
            with self.lock:
                taken.done()

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:
        """Ends the threads, and gives up what waits."""
        with self.lock:
            waiting = self.queue.drain() if cancel_pending else []
        ended = bool(super().shutdown(cancel_pending, timeout))
        for task in waiting:
            task.cancel()
        return ended


class KnownCallers:
    """Whose a credential was when it was used last, so that one who has many of them is one caller all the same."""

    MOST = 4096

    def __init__(self) -> None:
        self._names: OrderedDict[str, str] = OrderedDict()

    def name_of(self, credential: str) -> str:
        """The caller's name; "" where the credential opened nothing yet."""
        return self._names.get(credential, "")

    def learn(self, credential: str, name: str) -> None:
        """A credential was a caller's."""
        self._names[credential] = name
        while len(self._names) > self.MOST:
            self._names.popitem(last=False)
