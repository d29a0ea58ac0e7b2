"""Queue ids: unique, plain, and silent about how many there are."""

from __future__ import annotations

from onifast_shared.values import queue_ids


def test_ids_are_plain_words_of_one_length() -> None:
    made = [queue_ids.new() for _ in range(1000)]
    assert {len(each) for each in made} == {queue_ids.LENGTH}
    assert set("".join(made)) == set(queue_ids.ALPHABET)
    assert len(set(made)) == len(made)
