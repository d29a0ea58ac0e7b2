"""What a recipient expands to, as a walk over look-ups that the test gives."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.values import expansion
from onifast_shared.values.address import Address
from onifast_shared.values.expansion import Circular, Expansion, ForwardTarget, Remote, UnknownLocal


@dataclass
class Given:
    """Look-ups that answer from dicts of texts."""

    owners: Mapping[str, str] = field(default_factory=dict)
    forwards: Mapping[str, Sequence[str]] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    departed: Collection[str] = ()

    def owner(self, address: Address) -> str | None:
        return self.owners.get(address.key)

    def role_owner(self, address: Address) -> str | None:
        return "root" if address.local == "postmaster" else None

    def targets(self, address: Address) -> list[ForwardTarget]:
        return [ForwardTarget(Address.parse(text), "ann") for text in self.forwards.get(address.key, ())]

    def is_local(self, domain: str) -> bool:
        known = [text.rpartition("@")[2] for text in (*self.owners, *self.forwards)]
        return domain in (*known, *self.aliases)

    def alias(self, domain: str) -> str | None:
        return self.aliases.get(domain)

    def is_departed(self, address: Address) -> bool:
        return address.key in self.departed


ANN = {"ann@here.test": "ann", "bob@here.test": "bob"}


def expand(directory: Given, text: str, delimiter: str = "+") -> object:
    """Mailboxes as `owner:address`, forwards as `address` of the target; or the refusal."""
    found = expansion.expand(directory, Address.parse(text), delimiter)
    if not isinstance(found, Expansion):
        return type(found)
    return [f"{each.owner}:{each.address}" for each in found.mailboxes] + [str(each.target) for each in found.forwards]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann@here.test", ["ann:ann@here.test"]),
        ("ann+shop@here.test", ["ann:ann@here.test"]),
        ("ann+a+b@here.test", ["ann:ann@here.test"]),
        ("+ann@here.test", UnknownLocal),
        ("eve@here.test", UnknownLocal),
        ("eve@remote.test", Remote),
        ("postmaster@here.test", ["root:postmaster@here.test"]),
        ("postmaster+x@here.test", ["root:postmaster@here.test"]),
    ],
)
def test_a_mailbox_takes_its_mail_and_that_with_a_tag(text: str, expected: object) -> None:
    assert expand(Given(ANN), text) == expected


def test_an_address_with_a_tag_of_its_own_goes_first() -> None:
    assert expand(Given(ANN | {"ann+shop@here.test": "bob"}), "ann+shop@here.test") == ["bob:ann+shop@here.test"]


def test_there_are_no_tags_without_a_delimiter() -> None:
    assert expand(Given(ANN), "ann+shop@here.test", "") is UnknownLocal


def test_the_copy_knows_by_which_address_it_came() -> None:
    found = expansion.expand(Given(ANN), Address.parse("ann+shop@here.test"), "+")
    assert isinstance(found, Expansion)
    assert str(found.mailboxes[0].used) == "ann+shop@here.test"


def test_a_catch_all_takes_what_nobody_else_does() -> None:
    directory = Given(ANN | {"*@here.test": "ann"})
    assert expand(directory, "eve@here.test") == ["ann:eve@here.test"]
    assert expand(directory, "bob@here.test") == ["bob:bob@here.test"]
    assert expand(directory, "bob+x@here.test") == ["bob:bob@here.test"]
    assert expand(directory, "postmaster@here.test") == ["root:postmaster@here.test"]


def test_a_catch_all_may_forward() -> None:
    assert expand(Given(ANN, {"*@here.test": ["eve@remote.test", "bob@here.test"]}), "x@here.test") == [
        "bob:bob@here.test",
        "eve@remote.test",
    ]


def test_a_forward_goes_instead_of_the_mailbox_and_itself_keeps_a_copy() -> None:
    assert expand(Given(ANN, {"ann@here.test": ["a@remote.test"]}), "ann@here.test") == ["a@remote.test"]
    both = Given(ANN, {"ann@here.test": ["a@remote.test", "ann@here.test"]})
    assert expand(both, "ann+x@here.test") == ["ann:ann@here.test", "a@remote.test"]


def test_an_alias_leads_to_several_each_once() -> None:
    directory = Given(ANN, {"team@here.test": ["ann@here.test", "bob@here.test", "a@remote.test", "all@here.test"],
                            "all@here.test": ["ann+x@here.test", "a@remote.test"]})  # fmt: skip
    assert expand(directory, "team@here.test") == ["ann:ann@here.test", "bob:bob@here.test", "a@remote.test"]


def test_the_forwarding_address_is_the_one_that_leads_outside() -> None:
    directory = Given(ANN, {"team@here.test": ["x@other.test"], "x@other.test": ["a@remote.test"]})
    found = expansion.expand(directory, Address.parse("team@here.test"), "+")
    assert isinstance(found, Expansion)
    assert (str(found.forwards[0].by), found.forwards[0].owner) == ("x@other.test", "ann")


def test_a_domain_alias_has_all_addresses_of_its_domain() -> None:
    directory = Given(ANN | {"*@here.test": "bob"}, aliases={"alias.test": "here.test", "second.test": "alias.test"})
    assert expand(directory, "ann@alias.test") == ["ann:ann@here.test"]
    assert expand(directory, "ann+x@second.test") == ["ann:ann@here.test"]
    assert expand(directory, "eve@second.test") == ["bob:eve@here.test"]


def test_an_address_of_the_alias_itself_goes_first() -> None:
    directory = Given(ANN | {"ann@alias.test": "bob", "*@alias.test": "eve"}, aliases={"alias.test": "here.test"})
    assert expand(directory, "ann@alias.test") == ["bob:ann@alias.test"]
    assert expand(directory, "bob@alias.test") == ["bob:bob@here.test"]
    assert expand(directory, "x@alias.test") == ["eve:x@alias.test"]


def test_domain_aliases_of_each_other_end() -> None:
    assert expand(Given(ANN, aliases={"a.test": "b.test", "b.test": "a.test"}), "x@a.test") is UnknownLocal


def test_aliases_that_lead_in_a_circle_are_told_apart_from_missing_ones() -> None:
    circle = {"a@here.test": ["b@here.test"], "b@here.test": ["a@here.test"]}
    assert expand(Given(ANN, circle), "a@here.test") is Circular
    assert expand(Given(ANN, {"a@here.test": ["gone@here.test"]}), "a@here.test") is UnknownLocal
    assert expand(Given({}, {"a@here.test": ["a@here.test"]}), "a@here.test") is UnknownLocal


def test_what_a_circle_reaches_is_reached() -> None:
    circle = {"a@here.test": ["b@here.test", "gone@here.test"], "b@here.test": ["a@here.test", "ann@here.test"]}
    assert expand(Given(ANN, circle), "a@here.test") == ["ann:ann@here.test"]


NAMES = [f"{local}@here.test" for local in ("a", "b", "c", "*")]


@given(
    st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from([*NAMES, "z@here.test", "r@remote.test"]))),
    st.sampled_from(["a@here.test", "z@here.test"]),
)
def test_every_walk_ends(forwards: dict[str, list[str]], start: str) -> None:
    found = expand(Given({"c@here.test": "ann"}, forwards), start)
    assert not isinstance(found, list) or 1 <= len(found) <= 5


def test_a_message_that_has_been_there_does_not_go_again() -> None:
    directory = Given(ANN, {"ann@here.test": ["a@remote.test", "ann@here.test"], "team@here.test": [*ANN]})
    found = expansion.expand(directory, Address.parse("team@here.test"), "+")
    assert isinstance(found, Expansion)
    assert [each.owner for each in found.without({"ann@here.test"}).mailboxes] == ["bob"]
    assert not found.without({"ann@here.test"}).forwards
    assert not found.without({"ann@here.test", "bob@here.test"})
