"""The arithmetic of limits that release by themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.values.leaky_bucket import Bucket, poured

HOUR = 3600.0
NOW = 1_800_000_000.0

buckets = st.builds(
    Bucket,
    limit=st.integers(1, 1_000_000),
    period=st.sampled_from([HOUR, 24 * HOUR]),
    burst=st.floats(0.01, 10),
    level=st.floats(0, 2_000_000),
    updated=st.floats(NOW - 3 * 86400, NOW + 3 * 86400),
)
units = st.integers(1, 2_000_000)


def test_a_whole_limit_goes_at_once_and_comes_back_evenly() -> None:
    bucket = Bucket(limit=60, period=HOUR).filled(60, NOW)
    assert bucket.room(NOW) == 0
    assert bucket.free_at(1, NOW) == NOW + 60
    assert [bucket.room(NOW + minutes * 60) for minutes in (1, 30, 60, 600)] == [1, 30, 60, 60]


def test_a_small_burst_spreads_the_limit_over_its_period() -> None:
    bucket = Bucket(limit=60, period=HOUR, burst=0.1)
    assert bucket.room(NOW) == 6
    assert bucket.free_at(7, NOW) is None
    assert bucket.filled(6, NOW).room(NOW + 180) == 3


def test_one_unit_always_fits_in_the_end() -> None:
    assert Bucket(limit=1, period=HOUR, burst=0.01).room(NOW) == 1


@pytest.mark.parametrize("back", [1, 86400])
def test_a_clock_that_goes_back_neither_leaks_nor_fills(back: float) -> None:
    bucket = Bucket(limit=60, period=HOUR).filled(10, NOW)
    assert bucket.level_at(NOW - back) == 10


@given(buckets, units)
def test_units_fit_exactly_when_there_is_room_for_them(bucket: Bucket, count: int) -> None:
    assert (bucket.free_at(count, NOW) == NOW) == (count <= bucket.room(NOW))


@given(buckets, units)
def test_at_the_time_that_was_told_there_is_room(bucket: Bucket, count: int) -> None:
    # The bucket is as it is stored: nobody writes to it while it refuses.
    stored = Bucket(bucket.limit, bucket.period, bucket.burst, bucket.level, min(bucket.updated, NOW))
    free = stored.free_at(count, NOW)
    if free is None:
        assert count > stored.capacity
        return
    assert free >= NOW
    assert stored.room(free + 0.001) >= count
    assert stored.free_at(count, (NOW + free) / 2) == pytest.approx(free, abs=0.001)


@given(buckets, st.floats(0, 3 * 86400))
def test_it_never_holds_less_than_nothing_and_only_leaks(bucket: Bucket, later: float) -> None:
    assert 0 <= bucket.level_at(NOW + later) <= bucket.level_at(NOW)


@given(
    st.integers(1, 5000), st.floats(0.01, 2), st.lists(st.tuples(st.floats(0, HOUR), st.integers(1, 50)), max_size=60)
)
def test_no_more_passes_than_a_burst_and_what_leaked_since(
    limit: int, burst: float, arrivals: list[tuple[float, int]]
) -> None:
    bucket, now, passed = Bucket(limit, HOUR, burst, updated=NOW), NOW, 0
    for wait, count in arrivals:
        now += wait
        if bucket.free_at(count, now) == now:
            bucket, passed = bucket.filled(count, now), passed + count
        assert passed <= bucket.capacity + (now - NOW) * limit / HOUR + 1e-3


@given(buckets, units, st.floats(NOW - 3 * 86400, NOW + 3 * 86400))
def test_pouring_in_one_step_is_the_buckets_own_arithmetic(bucket: Bucket, units: int, now: float) -> None:
    elapsed = now - bucket.updated
    (level, _), fits = poured(
        [bucket.limit, 0],
        [bucket.period, 1.0],
        bucket.burst,
        levels=[bucket.level, None],
        elapsed=elapsed,
        units=[units, units],
    )
    assert level == bucket.filled(units, now).level
    # Within a rounding error of full, either may say that it has room.
    if abs(level - bucket.capacity) > 1e-3:
        assert fits == (bucket.free_at(units, now) == now)


@given(buckets, st.integers(1, 1000), st.floats(0, 86400))
def test_what_is_given_back_has_room_again_and_never_leaves_less_than_without_it(
    bucket: Bucket, units: int, seconds: float
) -> None:
    sent = max(NOW, bucket.updated)
    before = bucket.level_at(sent)
    after = bucket.filled(units, sent).level_after_return(units, sent, sent + seconds)
    assert after <= before + 1e-3
    assert after >= bucket.level_at(sent + seconds) - 1e-3
