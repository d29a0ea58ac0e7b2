"""The stopwatch, with a clock that the test sets."""

from __future__ import annotations

from onifast_outbox.smtp.stopwatch import Stopwatch


class Clock:
    """Seconds, as the test says."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_entering_a_stage_ends_the_one_before() -> None:
    clock = Clock()
    watch = Stopwatch(clock=clock)
    watch.enter("connect")
    clock.now += 0.25
    watch.enter("greeting")
    clock.now += 0.5
    assert watch.stages() == (("connect", 250), ("greeting", 500))


def test_a_stage_that_comes_twice_adds_up_in_its_first_place() -> None:
    clock = Clock()
    watch = Stopwatch(clock=clock)
    for stage in ("ehlo", "tls", "ehlo"):
        watch.enter(stage)
        clock.now += 1
    assert watch.stages() == (("ehlo", 2000), ("tls", 1000))


def test_a_stopped_watch_counts_no_more() -> None:
    clock = Clock()
    watch = Stopwatch(clock=clock)
    watch.add("dns", 0.004)
    watch.enter("connect")
    clock.now += 0.001
    watch.stop()
    clock.now += 60
    assert watch.stages() == (("dns", 4), ("connect", 1))
