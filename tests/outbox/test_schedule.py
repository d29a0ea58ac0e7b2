"""When a message is tried again: arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_outbox.schedule import Schedule

HOUR, DAY = 3600, 86400
SCHEDULE = Schedule(first=300, longest=4 * HOUR, lifetime=5 * DAY)
MIDDLE = 0.5  # the chance that moves nothing


def test_the_wait_doubles_from_five_minutes_to_four_hours() -> None:
    minutes = [SCHEDULE.wait(attempt, MIDDLE) / 60 for attempt in range(1, 9)]
    assert minutes == pytest.approx([5, 10, 20, 40, 80, 160, 240, 240])


def test_a_thousandth_attempt_waits_no_longer() -> None:
    assert SCHEDULE.wait(1000, MIDDLE) == 4 * HOUR


@given(attempt=st.integers(1, 50), chance=st.floats(0, 1, exclude_max=True))
def test_chance_moves_a_wait_by_a_tenth_at_most(attempt: int, chance: float) -> None:
    middle = SCHEDULE.wait(attempt, MIDDLE)
    assert 0.9 * middle <= SCHEDULE.wait(attempt, chance) <= 1.1 * middle


def test_the_last_attempt_falls_on_the_end_of_the_lifetime() -> None:
    almost = 5 * DAY - 60
    assert SCHEDULE.next_attempt(attempts=30, created=0, now=almost, chance=MIDDLE) == 5 * DAY


def test_there_is_none_after_the_lifetime() -> None:
    assert SCHEDULE.next_attempt(attempts=30, created=0, now=5 * DAY, chance=MIDDLE) is None


def test_a_clock_that_was_set_back_ages_nothing() -> None:
    assert SCHEDULE.next_attempt(attempts=1, created=10 * DAY, now=DAY, chance=MIDDLE) == DAY + 300


@given(attempts=st.integers(0, 100), age=st.integers(0, 5 * DAY - 1), chance=st.floats(0, 1, exclude_max=True))
def test_the_next_attempt_lies_ahead_and_within_the_lifetime(attempts: int, age: int, chance: float) -> None:
    moment = SCHEDULE.next_attempt(attempts=attempts, created=0, now=age, chance=chance)
    assert moment is not None
    assert age < moment <= 5 * DAY
