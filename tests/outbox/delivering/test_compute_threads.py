"""What waits together is computed together, off the event loop, and each gets what is its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence

import pytest
from onifast_outbox.delivering.compute_threads import ComputeThreads


class Squares:
    """Work that notes who did how much of it at once; it fails over 3, and breaks off over 13."""

    def __init__(self) -> None:
        self.shares: list[Sequence[int]] = []
        self.threads: set[int] = set()
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def __call__(self, numbers: Sequence[int]) -> Iterator[int | Exception]:
        self.shares.append(numbers)
        self.threads.add(threading.get_ident())
        assert self.may_go_on.wait(30)
        for number in numbers:
            if number == 13:
                raise ValueError("broken off")
            yield ValueError("three") if number == 3 else number * number


@pytest.fixture
def squares() -> Squares:
    return Squares()


async def test_each_gets_his_own_result_or_error_from_another_thread(squares: Squares) -> None:
    bench = ComputeThreads("squares", squares)
    found = await asyncio.gather(*(bench.do(number) for number in range(5)), return_exceptions=True)
    assert [str(each) for each in found] == ["0", "1", "4", "three", "16"]
    assert threading.get_ident() not in squares.threads
    await bench.close()


async def test_what_comes_in_one_step_of_the_loop_shares_hops(squares: Squares) -> None:
    bench = ComputeThreads("squares", squares)
    await asyncio.gather(*(bench.do(2) for _ in range(100)))
    assert len(squares.shares) < 50 and max(map(len, squares.shares)) > 1
    await bench.close()


async def test_what_comes_while_all_threads_are_busy_is_done_as_well(squares: Squares) -> None:
    bench = ComputeThreads("squares", squares)
    squares.may_go_on.clear()
    numbers = [number for number in range(40) if number not in (3, 13)]
    early = [bench.do(number) for number in numbers[:20]]
    await asyncio.sleep(0)
    late = [bench.do(number) for number in numbers[20:]]
    await asyncio.sleep(0)
    squares.may_go_on.set()
    assert await asyncio.gather(*early, *late) == [number * number for number in numbers]
    await bench.close()


async def test_work_that_breaks_off_leaves_nobody_waiting(squares: Squares) -> None:
    bench = ComputeThreads("squares", squares)
    found = await asyncio.gather(*(bench.do(13) for _ in range(10)), return_exceptions=True)
    assert all(isinstance(each, Exception) for each in found)
    assert await bench.do(4) == 16
    await bench.close()


async def test_who_does_not_wait_any_more_disturbs_nobody(squares: Squares) -> None:
    bench = ComputeThreads("squares", squares)
    squares.may_go_on.clear()
    gone, there = bench.do(2), bench.do(4)
    await asyncio.sleep(0)
    gone.cancel()
    squares.may_go_on.set()
    assert await there == 16
    await bench.close()
