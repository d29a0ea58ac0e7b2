"""Queue ids: unique, plain, beside each other in an index, and silent about how many there are."""

from __future__ import annotations

import pytest
from onifast_shared.values import queue_ids


def test_ids_are_plain_words_of_one_length() -> None:
    made = [queue_ids.new() for _ in range(1000)]
    assert {len(each) for each in made} == {queue_ids.LENGTH}
    assert set("".join(made)) == set(queue_ids.ALPHABET)
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("began", [0.0, 1_700_000_000.0], ids=["epoch", "later"])
def test_ids_lie_in_the_order_of_their_times_and_are_random_within(began: float) -> None:
    made = [sorted({queue_ids.new(began + tick / queue_ids.TICKS) for _ in range(20)}) for tick in range(64)]
    assert {len({each[:4] for each in of_one}) for of_one in made} == {1} and {len(of_one) for of_one in made} == {20}
    in_order = [each for of_one in made for each in of_one]
    assert in_order == sorted(in_order)


def test_times_begin_anew_and_the_length_stays() -> None:
    again = queue_ids.new((2.0**20 + 5) / queue_ids.TICKS)
    assert again.startswith("0005") and len(again) == queue_ids.LENGTH
