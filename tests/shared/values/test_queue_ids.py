"""Queue ids: unique, plain, beside each other in an index, and silent about how many there are."""

from __future__ import annotations

import pytest
from onifast_shared.values import queue_ids


def test_ids_are_plain_words_of_one_length() -> None:
    made = [queue_ids.new() for _ in range(1000)]
    assert {len(each) for each in made} == {queue_ids.LENGTH}
    assert set("".join(made)) == set(queue_ids.ALPHABET)
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("now", [0.0, 1_700_000_000.0], ids=["epoch", "later"])
def test_ids_lie_in_the_order_of_their_times_and_are_random_within(now: float, monkeypatch: pytest.MonkeyPatch) -> None:
    made = list[list[str]]()
    for tick in range(64):
        monkeypatch.setattr(queue_ids.time, "time", lambda tick=tick: now + tick / queue_ids.TICKS)
        made.append([queue_ids.new() for _ in range(20)])
    assert [{each[:4] for each in of_one} for of_one in made] == [{of_one[0][:4]} for of_one in made]
    assert sorted(set(sum(made, []))) == sum((sorted(of_one) for of_one in made), [])
    assert len(set(sum(made, []))) == 64 * 20


def test_times_begin_anew_and_the_length_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_ids.time, "time", lambda: (2.0**20 + 5) / queue_ids.TICKS)
    assert queue_ids.new().startswith("0005")
