"""The states of the queue, as people and programs see them."""

from __future__ import annotations

from typing import get_args

from onifast_shared.queue.store import STATES
from onifast_web.api.outbox import Status
from onifast_web.webmail.filters import STATUS_WORDS


def test_each_state_of_the_queue_has_its_words_on_the_pages() -> None:
    assert set(STATUS_WORDS) == set(STATES)


def test_the_api_knows_each_state_of_the_queue() -> None:
    assert get_args(Status) == STATES
