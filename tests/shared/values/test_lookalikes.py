"""Look-alikes: what a hurried reader takes for something else, and what is only similar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.values.address import display_domain, parse_domain
from onifast_shared.values.letters import conceals, skeleton, turns_text
from onifast_shared.values.lookalikes import Models, is_one_edit
from onifast_shared.values.suffixes import suffixes

KNOWN = {"paypal.com", "microsoft.com", "company.test", "bank.test", "google.com", "gmx.de", "partner.com"}


@pytest.fixture(scope="module")
def models() -> Models:
    return Models(suffixes(), dict.fromkeys(KNOWN, 0), 6, suffix_too=True)


@pytest.mark.parametrize(
    ("domain", "model"),
    [
        ("paypa1.com", "paypal.com"),
        ("pаypal.com", "paypal.com"),
        ("раураl.com", "paypal.com"),
        ("pàypal.com", "paypal.com"),
        ("paypal.net.paypa1.com", "paypal.com"),
        ("pay-pal.com", "paypal.com"),
        ("paypall.com", "paypal.com"),
        ("payapl.com", "paypal.com"),
        ("mail.rnicrosoft.com", "microsoft.com"),
        ("micros0ft.com", "microsoft.com"),
        ("microsft.com", "microsoft.com"),
        ("cornpany.test", "company.test"),
        ("compani.test", "company.test"),
        ("bаnk.test", "bank.test"),
        ("gooogle.com", "google.com"),
        ("bank.test.evil.test", "bank.test"),
        ("bank.test-login.evil.test", "bank.test"),
        ("paypal.com.account.evil.test", "paypal.com"),
        ("partner.co", "partner.com"),
        ("partner.cm", "partner.com"),
    ],
)
def test_what_can_be_taken_for_a_known_domain(models: Models, domain: str, model: str) -> None:
    assert models.like(parse_domain(domain)) == model


@pytest.mark.parametrize(
    "domain",
    [
        *sorted(KNOWN),
        "mail.paypal.com",
        "paypal.me",
        "tank.test",
        "banks.test",
        "bank-of-here.test",
        "companions.test",
        "micro.com",
        "goggles.com",
        "gmx.net",
        "partner.org",
        "example.org",
        "xn--bcher-kva.test",
    ],
)
def test_what_is_another_domain_and_looks_it(models: Models, domain: str) -> None:
    assert models.like(domain) is None


def test_numbered_names_are_not_alike() -> None:
    models = Models(suffixes(), {"server1.test": 0, "host-12.test": 0}, 6)
    assert [models.like(name) for name in ("server2.test", "server14.test", "host-21.test")] == [None] * 3


@pytest.mark.parametrize(("text", "same"), [("Pаypаl", "paypal"), ("ＰａｙＰａｌ", "paypal"), ("c0rnpany", "company")])
def test_skeletons_are_of_what_is_seen(text: str, same: str) -> None:
    assert skeleton(text) == skeleton(same)


@pytest.mark.parametrize("text", ["a\u202eb", "\u2066x\u2069", "\u202bשלום\u202c"])
def test_characters_that_turn_the_order(text: str) -> None:
    assert turns_text(text)


@pytest.mark.parametrize("text", ["pay\u200bpal", "\ufeffBoss", "a\u00adb", "pay\u200dpal", "B\u200es", "x\U000e0041"])
def test_characters_that_nobody_sees(text: str) -> None:
    assert conceals(text)


@pytest.mark.parametrize("text", ["Ann ❤️", "👩\u200d💻 Ann", "می\u200cخواهم", "\u200fשלום", "क्\u200dष", "Müller", "李"])
def test_scripts_have_what_they_need(text: str) -> None:
    assert not conceals(text) and not turns_text(text)


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_text_makes_it_fail_and_one_edit_is_mutual(ours: str, theirs: str) -> None:
    assert is_one_edit(ours, theirs) == is_one_edit(theirs, ours)
    assert isinstance(skeleton(ours), str)
    assert is_one_edit(ours, ours + "x") and not is_one_edit(ours, ours)


@pytest.mark.parametrize("domain", ["pаypal.com", "раураl.com", "сор.test", "οοο.test", "login.аpple.com"])
def test_a_domain_that_passes_for_a_latin_one_is_shown_as_it_is_in_dns(domain: str) -> None:
    assert display_domain(parse_domain(domain)).isascii()


@pytest.mark.parametrize("domain", ["bücher.test", "сбербанк.рф", "例え.test", "ελλάδα.gr", "mail.почта.test"])
def test_other_domains_are_shown_in_their_own_script(domain: str) -> None:
    assert display_domain(parse_domain(domain)) == domain
