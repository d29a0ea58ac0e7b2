"""When a message is tried again: arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_outbox.schedule import Schedule

MINUTE, HOUR, DAY = 60, 3600, 86400
SCHEDULE = Schedule(first=300, longest=4 * HOUR, lifetime=5 * DAY, bounce_lifetime=DAY)
MIDDLE = 0.5  # the chance that moves nothing


def test_the_wait_doubles_from_five_minutes_to_four_hours() -> None:
    waits, age = [], 0.0
    for _ in range(8):
        waits.append(SCHEDULE.wait(age, MIDDLE))
        age += waits[-1]
    assert [wait / MINUTE for wait in waits] == pytest.approx([5, 10, 20, 40, 80, 160, 240, 240])


def test_the_wait_depends_on_the_age_however_often_it_was_tried() -> None:
    assert SCHEDULE.wait(15 * MINUTE, MIDDLE) == pytest.approx(20 * MINUTE)
    assert SCHEDULE.wait(5 * DAY, MIDDLE) == 4 * HOUR


@given(age=st.integers(0, 5 * DAY), chance=st.floats(0, 1, exclude_max=True))
def test_chance_moves_a_wait_by_a_tenth_at_most(age: int, chance: float) -> None:
    middle = SCHEDULE.wait(age, MIDDLE)
    assert 0.9 * middle <= SCHEDULE.wait(age, chance) <= 1.1 * middle


def test_the_last_attempt_falls_on_the_end_of_the_lifetime() -> None:
    assert SCHEDULE.next_attempt(queued=0, now=5 * DAY - 60, chance=MIDDLE) == 5 * DAY


def test_there_is_none_after_the_lifetime() -> None:
    assert SCHEDULE.next_attempt(queued=0, now=5 * DAY, chance=MIDDLE) is None


def test_what_can_be_returned_to_nobody_is_given_up_sooner() -> None:
    assert SCHEDULE.next_attempt(queued=0, now=DAY - 60, chance=MIDDLE, returnable=False) == DAY
    assert SCHEDULE.next_attempt(queued=0, now=DAY, chance=MIDDLE, returnable=False) is None


def test_a_bounce_never_outlives_other_mail() -> None:
    hasty = Schedule(first=300, longest=4 * HOUR, lifetime=HOUR, bounce_lifetime=DAY)
    assert hasty.patience(returnable=False) == HOUR


def test_a_clock_that_was_set_back_ages_nothing() -> None:
    assert SCHEDULE.next_attempt(queued=10 * DAY, now=DAY, chance=MIDDLE) == DAY + 300


@given(age=st.integers(0, 5 * DAY - 1), chance=st.floats(0, 1, exclude_max=True))
def test_the_next_attempt_lies_ahead_and_within_the_lifetime(age: int, chance: float) -> None:
    moment = SCHEDULE.next_attempt(queued=0, now=age, chance=chance)
    assert moment is not None
    assert age < moment <= 5 * DAY
