"""Rewritten senders: what they look like, that they lead back, and that nobody else can make them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.values import srs
from onifast_shared.values.address import Address

KEY = b"k" * 32
NOW = 1_800_000_000.0
DAY = 86400


def rewritten(text: str, domain: str = "here.test", now: float = NOW) -> Address:
    return srs.rewrite(Address.parse(text), domain, KEY, now)


def restored(address: Address, key: bytes | None = KEY, now: float = NOW) -> str:
    return str(srs.restore(address, key, now))


def test_the_first_forwarder_makes_srs0() -> None:
    assert re.fullmatch(r"SRS0=[A-Z2-7]{8}=[A-Z2-7]{2}=remote\.test=bob@here\.test", str(rewritten("bob@remote.test")))


@pytest.mark.parametrize(
    "text",
    [
        "bob@remote.test", "bob+tag=x@remote.test", "Bob@remote.test", '"b o b"@remote.test', '"b@b"@remote.test',
        "bób@bücher.test", "bob@[127.0.0.1]", "bob@[IPv6:::1]", "SRS@remote.test", "SRS0@remote.test", "=@remote.test",
    ],
)  # fmt: skip
def test_a_bounce_goes_back_to_the_original_sender(text: str) -> None:
    address = rewritten(text)
    assert restored(Address.parse(str(address))) == str(Address.parse(text))


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=40))
def test_any_local_part_survives(local: str) -> None:
    sender = Address(local, "remote.test")
    address = srs.rewrite(sender, "here.test", KEY, NOW)
    if not srs.is_rewritten(sender):
        assert srs.restore(Address.parse(str(address)), KEY, NOW) == sender


def test_a_further_forwarder_makes_srs1_that_leads_to_the_first() -> None:
    first = srs.rewrite(Address.parse("bob@remote.test"), "first.test", b"another", NOW)
    address = srs.rewrite(first, "here.test", KEY, NOW)
    assert re.fullmatch(r"SRS1=[A-Z2-7]{8}=first\.test==[^@]+@here\.test", str(address))
    assert restored(address) == str(first)


def test_a_third_forwarder_skips_the_second() -> None:
    first = srs.rewrite(Address.parse("bob@remote.test"), "first.test", b"another", NOW)
    second = srs.rewrite(first, "second.test", b"a third", NOW)
    assert restored(srs.rewrite(second, "here.test", KEY, NOW)) == str(first)


def test_the_forms_of_other_programs_are_kept() -> None:
    foreign = Address.parse("SRS0+Qx3f=TT=remote.test=bob@first.test")
    address = srs.rewrite(foreign, "here.test", KEY, NOW)
    assert restored(address) == str(foreign)


def test_a_server_that_changes_the_case_does_no_harm() -> None:
    address = rewritten("bob@remote.test")
    assert restored(Address(address.local.lower(), address.domain)) == "bob@remote.test"


def test_bounces_are_taken_for_three_weeks() -> None:
    address = rewritten("bob@remote.test")
    assert restored(address, now=NOW + 21 * DAY) == "bob@remote.test"
    with pytest.raises(srs.SrsExpired):
        restored(address, now=NOW + 22 * DAY)


def test_a_clock_that_is_a_day_ahead_does_no_harm() -> None:
    assert restored(rewritten("bob@remote.test", now=NOW + DAY)) == "bob@remote.test"


@pytest.mark.parametrize(
    "forged",
    [
        "SRS0=AAAAAAAA=AA=remote.test=bob@here.test", "SRS0=AAAAAAAA=AA=remote.test@here.test", "SRS0=@here.test",
        "SRS0=a=b@here.test", "SRS1=AAAAAAAA=first.test==x@here.test", "SRS1=a@here.test", "SRS1=é=é=é@here.test",
    ],
)  # fmt: skip
def test_an_address_that_was_not_made_here_is_refused(forged: str) -> None:
    with pytest.raises(srs.SrsError, match="not made here"):
        restored(Address.parse(forged))


def test_nobody_can_change_whom_a_bounce_goes_to() -> None:
    address = rewritten("bob@remote.test")
    for local in (address.local.replace("bob", "eve"), address.local.replace("remote", "victim")):
        with pytest.raises(srs.SrsError):
            restored(Address(local, address.domain))


def test_without_the_key_nothing_is_ours() -> None:
    for key in (None, b"another"):
        with pytest.raises(srs.SrsError):
            restored(rewritten("bob@remote.test"), key)


def test_a_sender_that_would_not_fit_stays_as_it_is() -> None:
    long = Address("b" * 64, f"{'d' * 60}.{'d' * 60}.{'d' * 50}.test")
    assert srs.rewrite(long, "a-long-domain-of-a-forwarder.test", KEY, NOW) == long


def test_a_long_one_is_an_address_all_the_same() -> None:
    address = rewritten(f"{'b' * 60}@remote.test")
    assert Address.parse(str(address)) == address
