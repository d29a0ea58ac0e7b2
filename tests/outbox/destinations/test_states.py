"""How a destination's concurrency, rate and probes follow from how deliveries to it ended."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_outbox.destinations.states import (
    DEAD_AFTER,
    FORGET_AFTER,
    LONGEST_DOUBLING,
    START,
    Destinations,
    DestinationStatus,
    Feedback,
    Limits,
    feedback,
)
from onifast_shared.values.reply import Deferred, Delivered, Failed, Outcome, Reply, Trail

NAME = "remote.test"
PROBE = 60.0
OK = Delivered(Reply(250, "2.0.0", "ok"), Trail("mx", "127.0.0.25", 25, stages=(("end", 1),)))


def deferred(code: int, enhanced: str, stage: str = "", address: str = "127.0.0.25") -> Deferred:
    return Deferred(Reply(code, enhanced, "no"), Trail("mx", address, 25, stages=((stage, 1),) if stage else ()))


def failed(address: str) -> Failed:
    return Failed(Reply(550, "5.1.1", "no"), Trail("mx", address, 25))


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ([OK], Feedback.FLOWED),
        ([OK, deferred(450, "4.2.0", "rcpt")], Feedback.FLOWED),
        ([failed("127.0.0.25")], Feedback.ANSWERED),
        ([failed("")], Feedback.NOTHING),  # the DNS says that there is no such domain
        ([deferred(450, "4.7.1", "rcpt")], Feedback.ANSWERED),  # greylisted
        ([deferred(451, "4.2.2", "end")], Feedback.ANSWERED),
        ([deferred(421, "4.7.0", "rcpt")], Feedback.COMPLAINED),
        ([deferred(450, "4.7.1", "greeting")], Feedback.COMPLAINED),
        ([deferred(450, "", "mail")], Feedback.COMPLAINED),
        ([deferred(452, "4.3.1", "rcpt")], Feedback.COMPLAINED),
        ([deferred(451, "4.4.2", "body")], Feedback.SILENT),
        ([deferred(451, "4.4.1", "connect")], Feedback.SILENT),
        ([deferred(451, "4.4.3", address="")], Feedback.SILENT),  # the DNS does not answer
        ([deferred(451, "4.3.5", address="")], Feedback.NOTHING),  # no key to sign with
        ([], Feedback.NOTHING),
    ],
)
def test_what_outcomes_say_about_the_destination(outcomes: list[Outcome], said: Feedback) -> None:
    assert feedback(outcomes) is said


def known(*, concurrency: int = 20, per_minute: int = 0) -> Destinations:
    return Destinations(Limits(concurrency, per_minute), PROBE)


def run(destinations: Destinations, said: Feedback, now: float = 0.0) -> None:
    destinations.begin(NAME, now)
    destinations.end(NAME, said, "451 4.4.1 no", now)


def kill(destinations: Destinations, now: float = 0.0) -> None:
    for _ in range(DEAD_AFTER):
        run(destinations, Feedback.SILENT, now)


def free(destinations: Destinations, now: float = 0.0) -> int:
    return destinations.allowance(NAME, now).free


def window(destinations: Destinations, now: float = 0.0) -> int:
    return next(state.concurrency for state in destinations.states(now) if state.name == NAME)


def test_a_new_destination_begins_with_five_at_once() -> None:
    assert free(known()) == START == 5


def test_success_with_all_places_taken_widens_up_to_the_limit() -> None:
    destinations, in_flight, seen = known(), 0, []
    for _ in range(250):
        while free(destinations):
            destinations.begin(NAME, 0)
            in_flight += 1
        seen.append(in_flight)
        destinations.end(NAME, Feedback.FLOWED, "", 0)
        in_flight -= 1
    assert seen[: START + 2] == [5, 5, 5, 5, 5, 6, 6]
    assert seen == sorted(seen)
    assert seen[-1] == 20


def test_success_with_places_left_widens_nothing() -> None:
    destinations = known()
    for _ in range(100):
        run(destinations, Feedback.FLOWED)
    assert window(destinations) == START


def test_complaints_narrow_down_to_one_and_then_count_as_failures() -> None:
    destinations, seen = known(), []
    for _ in range(4):
        run(destinations, Feedback.COMPLAINED)
        seen.append(free(destinations))
    assert seen == [4, 3, 2, 1]
    kill(destinations)
    assert free(destinations) == 0


def test_greylisting_changes_nothing() -> None:
    destinations = known()
    for _ in range(20):
        run(destinations, Feedback.ANSWERED)
    assert free(destinations) == START


def test_an_answer_in_between_keeps_it_alive() -> None:
    destinations = known()
    for said in (Feedback.SILENT, Feedback.SILENT, Feedback.ANSWERED, Feedback.SILENT, Feedback.SILENT):
        run(destinations, said)
    assert free(destinations) > 0


def test_a_dead_destination_is_looked_for_at_growing_intervals() -> None:
    destinations, now, waits = known(), 0.0, []
    kill(destinations)
    for _ in range(8):
        assert free(destinations, now) == 0
        wait = destinations.next_change(now)
        assert wait is not None
        waits.append(wait)
        now += wait
        assert free(destinations, now) == 1
        destinations.begin(NAME, now)
        assert free(destinations, now) == 0  # one probe at a time
        destinations.end(NAME, Feedback.SILENT, "451 4.4.1 no", now)
    assert waits == [PROBE * 2.0 ** min(each, LONGEST_DOUBLING) for each in range(8)]


def test_late_failures_of_deliveries_that_were_under_way_move_no_probe() -> None:
    destinations = known()
    for _ in range(START):
        destinations.begin(NAME, 0)
    for late in range(START):
        destinations.end(NAME, Feedback.SILENT, "", late)
    assert destinations.next_change(START) == DEAD_AFTER - 1 + PROBE - START


def test_it_says_why_it_is_dead_and_since_when() -> None:
    destinations = known()
    kill(destinations, now=7.0)
    dead = destinations.allowance(NAME, 8.0).dead
    assert dead == DestinationStatus(NAME, 0, 2, 7.0, 7.0 + PROBE, "451 4.4.1 no")


def test_an_answer_makes_it_live_as_if_it_were_new() -> None:
    destinations = known()
    kill(destinations)
    run(destinations, Feedback.FLOWED, PROBE)
    assert free(destinations, PROBE) == START
    assert destinations.allowance(NAME, PROBE).dead is None


def test_what_was_put_off_is_woken_one_as_a_probe_and_all_once_it_lives() -> None:
    destinations = known()
    kill(destinations)
    destinations.put_off(NAME, 0)
    assert destinations.to_wake(0) == []
    assert destinations.to_wake(PROBE) == [(NAME, False)]
    run(destinations, Feedback.FLOWED, PROBE)
    assert destinations.to_wake(PROBE) == [(NAME, True)]
    destinations.put_off(NAME, PROBE, some=False)
    assert destinations.to_wake(PROBE) == []


def test_a_rate_lets_a_few_go_at_once_and_the_rest_in_time() -> None:
    destinations = known(per_minute=60)
    sent = 0
    while free(destinations):
        run(destinations, Feedback.FLOWED)
        sent += 1
    assert sent == 6
    assert destinations.next_change(0.0) == pytest.approx(1.0)
    assert free(destinations, 1.0) == 1


def test_limits_count_from_when_they_are_set() -> None:
    destinations = known()
    run(destinations, Feedback.FLOWED)
    destinations.limit(Limits(20), {NAME: Limits(2, 600)})
    assert free(destinations) == 2
    destinations.limit(Limits(3), {})
    assert (free(destinations), destinations.allowance("other.test", 0).free) == (2, 3)


def test_it_is_forgotten_only_when_nothing_would_be_lost() -> None:
    destinations = known()
    run(destinations, Feedback.FLOWED)
    assert [state.name for state in destinations.states(FORGET_AFTER - 1)] == [NAME]
    assert destinations.states(FORGET_AFTER) == []
    kill(destinations)
    assert [state.name for state in destinations.states(FORGET_AFTER * 9)] == [NAME]


def test_a_dead_one_can_be_restored() -> None:
    before, after = known(), known()
    kill(before)
    after.restore(before.states(1.0)[0], 1.0)
    assert (free(after, 1.0), free(after, PROBE)) == (0, 1)
    assert after.to_wake(PROBE) == [(NAME, False)]


EVENTS = st.lists(st.tuples(st.sampled_from(list(Feedback)), st.floats(0, 1000), st.booleans()), max_size=80)


@given(EVENTS, st.integers(1, 30), st.sampled_from([0, 1, 60]))
def test_whatever_happens_the_bounds_hold(
    events: list[tuple[Feedback, float, bool]], concurrency: int, per_minute: int
) -> None:
    destinations, now, in_flight = known(concurrency=concurrency, per_minute=per_minute), 0.0, 0
    for said, pause, begins in events:
        now += pause
        room = destinations.allowance(NAME, now).free
        assert 0 <= room + in_flight <= max(concurrency, START)
        if begins and room:
            destinations.begin(NAME, now)
            in_flight += 1
        elif in_flight:
            destinations.end(NAME, said, "no", now)
            in_flight -= 1
        (state,) = destinations.states(now) or [DestinationStatus(NAME, 0, 1, None, None, "")]
        assert 1 <= state.concurrency <= concurrency
        assert state.in_flight == in_flight
    # Whatever is closed now opens by itself, once what is under way has ended.
    for _ in range(in_flight):
        destinations.end(NAME, Feedback.NOTHING, "", now)
    wait = destinations.next_change(now)
    assert destinations.allowance(NAME, now + (wait or 0) + 1e-3).free >= 1
