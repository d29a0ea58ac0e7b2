"""What counts each message in one step says the same as the buckets that people and refusals are told from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.db import migrate, shape
from onifast_shared.limits import store, usage
from onifast_shared.limits.subjects import PERIODS, SCOPES, Subject, default, limits_of
from onifast_shared.limits.usage import LimitExceeded
from onifast_shared.machine.config import Settings

NOW = 1_800_000_000.0
HOST = "mail.host.test"
SUBJECTS = [Subject("user", "ann"), Subject("unix", "ann"), Subject("domain", "a.test"), Subject("domain", HOST)]
LIMITS = st.sampled_from([0, 1, 2, 5, 40])
OWN = st.fixed_dictionaries({}, optional={counted: st.none() | st.integers(-1, 6) for counted in PERIODS})
MESSAGES = st.lists(st.tuples(st.integers(-4000, 90_000), st.integers(1, 7)), max_size=12)


@st.composite
def settings(draw: st.DrawFn) -> Settings:
    limits: dict[str, Any] = {f"limit_{scope}_{counted}": draw(LIMITS) for scope in SCOPES for counted in PERIODS}
    return replace(Settings(hostname=HOST), limit_burst=draw(st.sampled_from([10, 100, 250])), **limits)


@pytest.fixture(scope="module")
def tx() -> Iterator[apsw.Connection]:
    with closing(shape.made_by(each.sql for each in migrate.migrations())) as made:
        yield made


@given(settings(), st.lists(OWN, min_size=4, max_size=4), MESSAGES)
def test_a_message_is_counted_as_the_buckets_say(
    tx: apsw.Connection, chosen: Settings, own: list[dict[str, int | None]], messages: list[tuple[int, int]]
) -> None:
    tx.execute("DELETE FROM sending_usage; DELETE FROM sending_limits")
    for subject, limits in zip(SUBJECTS, own, strict=True):
        store.put(tx, subject, limits)
    now = NOW
    for seconds, recipients in messages:
        now += seconds
        before = [store.of(tx, subject, chosen) for subject in SUBJECTS]
        refused = usage.judge(before, recipients, now)
        with suppress(LimitExceeded):
            store.admit(tx, SUBJECTS, recipients, chosen, now)
            assert refused is None
            before = [each.filled(recipients, now) for each in before]
        after = [store.of(tx, subject, chosen) for subject in SUBJECTS]
        for found, wanted in zip(after, before, strict=True):
            assert levels(found, now) == pytest.approx(levels(wanted, now), abs=1e-5)


def levels(found: usage.SubjectUsage, now: float) -> dict[str, float]:
    return {counted: bucket.level_at(now) for counted, bucket in found.buckets.items()}


@given(settings(), st.lists(st.none() | st.integers(-1, 6), min_size=4, max_size=4))
def test_a_limit_is_the_subjects_own_or_else_the_settings(chosen: Settings, own: list[int | None]) -> None:
    for subject in SUBJECTS:
        standard = [default(subject, counted, chosen) for counted in PERIODS]
        wanted = [limit if mine is None else max(0, mine) for mine, limit in zip(own, standard, strict=True)]
        assert list(limits_of(subject, tuple(own), chosen)) == wanted
    assert default(SUBJECTS[3], "messages_per_day", chosen) == 0
