"""Who limits on sending are for, what is counted, and which limits hold: their own, else the settings'."""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import attrgetter
from typing import Literal, NamedTuple

from onifast_shared.accounts import mailbox_users
from onifast_shared.db.database import Connection
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import addresses
from onifast_shared.values import mailbox_accounts, submitters
from onifast_shared.values.address import Address, AddressError, parse_domain

Scope = Literal["user", "unix", "domain"]

HOUR, DAY = 3600.0, 86400.0
SCOPES: dict[str, str] = {"user": "user", "unix": "Unix user", "domain": "domain"}
"""The scopes, and their words."""
PERIODS = {"messages_per_hour": HOUR, "messages_per_day": DAY, "recipients_per_hour": HOUR, "recipients_per_day": DAY}
"""What is counted, by the names of the columns, and in which time it leaks away; seconds."""
WORDS = {
    "messages_per_hour": "messages an hour",
    "messages_per_day": "messages a day",
    "recipients_per_hour": "recipients an hour",
    "recipients_per_day": "recipients a day",
}
FOREIGN_SENDER = "foreign_sender"
"""Stands in `sending_refusals` for mail from an address that is not the sender's."""
UNKNOWN_UNIX_USER = "(unknown)"
"""The name that all local programs share whose user cannot be known."""
LARGEST = 1_000_000_000
NO_LIMITS = (0,) * len(PERIODS)

_NAME = re.compile(r"[^\s\x00-\x1f\x7f]{1,255}")
_NONE_OF_ITS_OWN = (None,) * len(PERIODS)
_SETTINGS = {scope: attrgetter(*(f"limit_{scope}_{counted}" for counted in PERIODS)) for scope in SCOPES}


class Subject(NamedTuple):
    """Who a limit is for."""

    scope: Scope
    name: str

    def __str__(self) -> str:
        return f"{SCOPES[self.scope]} {mailbox_accounts.shown(self.name)}"


def subject(scope: str, name: str) -> Subject:
    """The subject that a person or a program names; raises ValueError, which says what is wrong."""
    match scope:
        case "domain":
            try:
                return Subject("domain", parse_domain(name.strip()))
            except AddressError:
                raise ValueError("not a domain name") from None
        case "user" | "unix":
            if not _NAME.fullmatch(name.strip()):
                raise ValueError("not a user name")
            return Subject(scope, name.strip())
    raise ValueError(f"scope is one of {', '.join(SCOPES)}")


def subjects_of(tx: Connection, username: str) -> list[Subject]:
    """Who a panel user is to the limits: themselves, by login and as Unix user, and their domains."""
    domains = addresses.domains_of(tx, username)
    return [Subject("user", username), Subject("unix", username), *(Subject("domain", name) for name in domains)]


def counted_for(tx: Connection, submitted_by: str | None, sender: str, member: str | None = None) -> list[Subject]:
    """Whom a message of the web program counts for, by its queue row; the panel's counts for nobody.

    A mailbox user's counts for their panel user too, and what is written in a shared mailbox for the `member` who wrote
    it besides: who may send so much a day may not send more by opening another mailbox.
    """
    username = submitters.user_of(submitted_by)
    if not username:
        return []
    names = dict.fromkeys([username, member, mailbox_users.owner_of(tx, username)])
    return [*(Subject("user", name) for name in names if name), Subject("domain", Address.parse(sender).domain)]


def limits_of(subject: Subject, own: Sequence[int | None], settings: Settings) -> tuple[int, ...]:
    """A subject's limits, in the order of PERIODS: its own, None for those of the settings; 0 where there is none."""
    standard = _of_settings(subject, settings)
    if own == _NONE_OF_ITS_OWN:
        return standard
    return tuple(max(0, limit if given is None else given) for given, limit in zip(own, standard, strict=True))


def default(subject: Subject, counted: str, settings: Settings) -> int:
    """The settings' limit, for who has none of their own."""
    return dict(zip(PERIODS, _of_settings(subject, settings), strict=True))[counted]


def _of_settings(subject: Subject, settings: Settings) -> tuple[int, ...]:
    # At the host's own name all sites meet that have no address of their own: one must not use up the others' share.
    if subject.scope == "domain" and subject.name == settings.hostname:
        return NO_LIMITS
    limits: tuple[int, ...] = _SETTINGS[subject.scope](settings)
    return limits
