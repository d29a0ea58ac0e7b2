"""Which connections have had their time, and which are hung up on first."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from onifast_web.serving import overload
from onifast_web.serving.overload import Phase, Shares, is_overdue, to_close


@dataclass
class Held:
    """A connection as it is judged."""

    phase: Phase = Phase.IDLE
    places: tuple[str, ...] = ()
    since: float = 0.0
    progressed: float = 0.0
    octets: int = 0


@pytest.mark.parametrize("phase", [Phase.IDLE, Phase.HEADER])
def test_who_has_sent_no_header_in_time_is_hung_up_on_and_sooner_under_pressure(phase: Phase) -> None:
    held = Held(phase, since=100.0, progressed=159.0)  # an octet now and then changes nothing
    assert not is_overdue(held, 159.0, pressed=False)
    assert is_overdue(held, 161.0, pressed=False)
    assert is_overdue(held, 106.0, pressed=True)


@pytest.mark.parametrize("phase", [Phase.BODY, Phase.ANSWER])
def test_a_body_or_an_answer_has_to_go_on_and_not_too_slowly(phase: Phase) -> None:
    assert is_overdue(Held(phase, progressed=0.0), 61.0, pressed=False)
    assert is_overdue(Held(phase, progressed=0.0), 11.0, pressed=True)
    drip = Held(phase, progressed=599.0, octets=600)
    assert is_overdue(drip, 600.0, pressed=False)
    steady = Held(phase, progressed=599.0, octets=600 * overload.SLOWEST)
    assert not is_overdue(steady, 600.0, pressed=True)


def test_nobody_is_hung_up_on_while_he_waits_for_us() -> None:
    working = Held(Phase.WORKING)
    assert not is_overdue(working, 1e6, pressed=True)
    assert to_close([working], Shares(8), 99.0, 5) == []


def test_the_largest_client_goes_first_and_then_who_has_idled_longest() -> None:
    shares = Shares(8)
    flood = [Held(places=("192.0.2.1",), since=50.0 + at) for at in range(3)]
    for held in flood:
        shares.take(held.places)
    old, proxy = Held(places=("192.0.2.2",), since=1.0), Held(since=0.0)
    shares.take(old.places)
    assert to_close([proxy, old, *reversed(flood)], shares, 99.0, 5) == [*flood, old, proxy]


def test_what_is_under_way_goes_only_where_nothing_idles_and_the_slowest_first() -> None:
    drip, upload = Held(Phase.BODY, since=5.0, octets=10), Held(Phase.BODY, since=1.0, octets=1_000_000)
    slow_header = Held(Phase.HEADER, since=9.0)
    assert to_close([drip, upload, slow_header], Shares(8), 99.0, 3) == [slow_header]
    assert to_close([upload, drip], Shares(8), 99.0, 3) == [drip]


def test_who_has_only_just_come_is_let_ask_unless_all_have() -> None:
    drip, newcomers = Held(Phase.BODY, since=5.0, octets=10), [Held(since=98.5 + at / 10) for at in range(4)]
    assert to_close([drip, newcomers[0]], Shares(8), 99.0, 3) == [drip]
    assert to_close([drip, *newcomers], Shares(8), 99.0, 3) == newcomers[:3]
    assert to_close(newcomers[:1], Shares(8), 99.0, 3) == newcomers[:1]


def test_a_wide_network_has_more_than_a_narrow_one_and_not_without_end() -> None:
    shares = Shares(2)
    for site in range(8):
        assert not shares.crowded((f"64-{site}", "56", "48"))
        shares.take((f"64-{site}", f"56-{site // 4}", "48"))
    assert shares.load(("64-9", "56-9", "48")) == 1.0
    shares.take(("64-9", "56-9", "48"))
    assert shares.crowded(("64-9", "56-9", "48")) == {"48"}
    shares.give(("64-9", "56-9", "48"))
    assert not shares.crowded(("64-9", "56-9", "48"))
