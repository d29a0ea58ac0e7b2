"""What a recipient expands to: a walk over exact addresses, roles, tags, domain aliases, catch-alls and forwards.

It takes its look-ups from whoever calls it, and does no I/O of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from onifast_shared.values.address import Address

ANYBODY = "*"
"""The local part that stands for a domain's catch-all."""

MAX_TARGETS = 1000
"""Mailboxes and forwards that one recipient may expand to; what comes after is left out."""


class Directory(Protocol):
    """The look-ups that an expansion needs. Each takes an address or a domain exactly as it is."""

    def owner(self, address: Address) -> str | None:
        """The owner of a mailbox."""

    def role_owner(self, address: Address) -> str | None:
        """Who reads a role's mail, such as postmaster's, where no mailbox is made for it."""

    def targets(self, address: Address) -> Sequence[ForwardTarget]:
        """Where an address' mail is forwarded to; an address that keeps a copy has itself among them."""

    def is_local(self, domain: str) -> bool:
        """Whether a domain is ours."""

    def alias(self, domain: str) -> str | None:
        """The domain whose addresses this one has too."""

    def is_departed(self, address: Address) -> bool:
        """Whether an address that nobody has was somebody's who is gone, and is kept for them."""


@dataclass(frozen=True)
class ForwardTarget:
    """One of an address' forwards; `owner` is the user whose forward it is."""

    address: Address
    owner: str | None = None


@dataclass(frozen=True)
class Match:
    """The entry that takes the mail of an address: its mailbox (`owner`), its forwards, or both."""

    address: Address
    owner: str | None
    targets: Sequence[ForwardTarget]


@dataclass(frozen=True)
class Mailbox:
    """A mailbox that is reached; `used` is the address that led there, tag and all."""

    owner: str
    address: Address
    used: Address


@dataclass(frozen=True)
class Forward:
    """An address elsewhere that is reached, by a forward of the address `by`."""

    target: Address
    by: Address
    owner: str | None


@dataclass(frozen=True)
class Expansion:
    """Where a recipient's mail goes."""

    mailboxes: tuple[Mailbox, ...] = ()
    forwards: tuple[Forward, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.mailboxes or self.forwards)

    def without(self, visited: Collection[str]) -> Expansion:
        """The same without the addresses that the message has been to already (its Delivered-To)."""
        return Expansion(
            tuple(each for each in self.mailboxes if not {each.address.key, each.used.key} & set(visited)),
            tuple(each for each in self.forwards if each.by.key not in visited),
        )


@dataclass(frozen=True)
class UnknownLocal:
    """The domain is ours, but the address does not exist, or leads to none that exists."""


@dataclass(frozen=True)
class Remote:
    """The domain is somebody else's. `was_here`: the address was a mailbox here, of a user who is gone."""

    was_here: bool = False


@dataclass(frozen=True)
class Circular:
    """Aliases that lead to each other, and nowhere else."""


def match(directory: Directory, address: Address, delimiter: str) -> Match | None:
    """The entry that takes an address' mail, the most exact first; None if the domain is ours and there is none."""
    domains = list(_domains(directory, address.domain))
    exact = [Address(local, domain) for domain in domains for local in _locals(address.local, delimiter)]
    for candidate in exact:
        owner, targets = directory.owner(candidate), directory.targets(candidate)
        if owner or targets:
            return Match(candidate, owner or directory.role_owner(candidate), targets)
    for candidate in exact:
        if candidate.domain == domains[-1] and (owner := directory.role_owner(candidate)):
            return Match(candidate, owner, ())
    if any(map(directory.is_departed, exact)):
        # Their mail is for nobody else, the one with the catch-all included, unless they make the address anew.
        return None
    for domain in domains:
        catch_all = Address(ANYBODY, domain)
        owner, targets = directory.owner(catch_all), directory.targets(catch_all)
        if owner or targets:
            # Its mail keeps the address that it was sent to.
            return Match(replace(address, domain=domain), owner, targets)
    return None


def expand(directory: Directory, address: Address, delimiter: str) -> Expansion | UnknownLocal | Remote | Circular:
    """Where an address' mail goes. Aliases may lead anywhere, even back: each is followed once."""
    if not directory.is_local(address.domain):
        return Remote(directory.is_departed(address))
    walk = _ExpansionWalk(directory, delimiter)
    walk.visit(address)
    if walk.found:
        return walk.found
    return UnknownLocal() if walk.is_missing else Circular()


class _ExpansionWalk:
    def __init__(self, directory: Directory, delimiter: str) -> None:
        self._directory = directory
        self._delimiter = delimiter
        self._seen: set[str] = set()
        self._mailboxes: dict[str, Mailbox] = {}
        self._forwards: dict[str, Forward] = {}
        self.is_missing = False

    @property
    def found(self) -> Expansion:
        return Expansion(tuple(self._mailboxes.values()), tuple(self._forwards.values()))

    def visit(self, address: Address) -> None:
        waiting = deque([address])
        while waiting and len(self._mailboxes) + len(self._forwards) < MAX_TARGETS:
            waiting.extend(self._step(waiting.popleft()))

    def _step(self, address: Address) -> Iterator[Address]:
        """Takes what is reached at once; returns the local addresses that are to be visited next."""
        matched = match(self._directory, address, self._delimiter)
        if matched is None:
            self.is_missing = True
            return
        if matched.address.key in self._seen:
            return
        self._seen.add(matched.address.key)
        itself = {matched.address.key, address.key, f"{ANYBODY}@{matched.address.domain}"}
        if not matched.targets:
            self._keep(matched, address)
        for target in matched.targets:
            if target.address.key in itself:
                self._keep(matched, address)
            elif self._directory.is_local(target.address.domain):
                yield target.address
            else:
                forward = Forward(target.address, matched.address, target.owner or matched.owner)
                self._forwards.setdefault(target.address.key, forward)

    def _keep(self, matched: Match, used: Address) -> None:
        if matched.owner is None:
            self.is_missing = True
            return
        self._mailboxes.setdefault(matched.address.key, Mailbox(matched.owner, matched.address, used))


def _locals(local: str, delimiter: str) -> list[str]:
    """A local part, and what it is without its tag."""
    untagged, tag, _ = local.partition(delimiter) if delimiter else (local, "", "")
    return [local, untagged] if tag and untagged else [local]


def _domains(directory: Directory, domain: str) -> Iterator[str]:
    seen = set()
    following: str | None = domain
    while following is not None and following not in seen:
        seen.add(following)
        yield following
        following = directory.alias(following)
