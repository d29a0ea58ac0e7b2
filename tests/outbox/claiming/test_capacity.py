"""Deliveries under way: what becomes of their places."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from onifast_outbox.claiming.capacity import RunningDeliveries, RunningDelivery
from onifast_shared.queue.store import Claim, QueueRow, Submission
from onifast_shared.values.reply import Outcome

CLAIM = Claim("t", 1, Submission("ann@here.test", "web"), (QueueRow(1, "bob@remote.test", 0, 0, None, None),))


async def test_a_bug_in_a_delivery_frees_its_place_and_is_told() -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    ended: list[Sequence[Outcome]] = []
    room = asyncio.Event()
    flights = RunningDeliveries(1, 1 << 20, room.set)

    async def fail() -> Sequence[Outcome]:
        raise ValueError("a bug")

    flights.start(RunningDelivery(CLAIM, is_proven=True), fail(), lambda _, outcomes: ended.append(outcomes))
    assert flights.room() == 0
    await room.wait()
    assert (flights.room(), ended) == (1, [()])
    assert str(told[0]["exception"]) == "a bug"
