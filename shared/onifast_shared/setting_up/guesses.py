"""What an administrator need not be asked, because the machine, the settings or the panel's files tell it."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from onifast_shared.accounts.panel_users import AccountError, UserDirectory, check_username
from onifast_shared.machine.config import Settings

_NOT_PUBLIC = (".localdomain", ".local", ".lan", ".internal", ".home", ".home.arpa", ".localhost")
_FIRST_PERSON, _LAST_PERSON = 1000, 59999  # the uids of people: login.defs(5)
_NO_SHELL = ("nologin", "false")


@dataclass(frozen=True)
class Guess:
    """An answer to a question: `certain` is one that need not be asked."""

    answer: str
    certain: bool = False


def hostname(settings: Settings, in_file: Mapping[str, object], domain: str) -> Guess:
    """This host's name: from the settings, else the machine's own where other sites could know it by that."""
    if "hostname" in in_file or is_public(settings.hostname):
        return Guess(settings.hostname, certain=True)
    return Guess(f"mail.{domain}" if domain else "")


def is_public(name: str) -> bool:
    """Whether a name is one that DNS could lead other sites to."""
    return "." in name and not name.endswith(_NOT_PUBLIC)


def domain_of(hostname: str) -> str:
    """The domain that a host's name is most likely in: `example.org` of `mail.example.org`."""
    parent = hostname.partition(".")[2]
    return parent if "." in parent else hostname if is_public(hostname) else ""


def has_panel(settings: Settings) -> bool:
    """Whether users are somebody else's to make: there are some, and the settings do not say that they are ours."""
    return bool(users(settings)) and not settings.writes_users


def users(settings: Settings) -> list[str]:
    """The panel users that there are."""
    try:
        return UserDirectory(settings).usernames()
    except AccountError:
        return []


def first_user(settings: Settings) -> Guess:
    """Who may be the first to read mail: the only user that there is, else a person with a home on this machine.

    Copies of mail are kept in the home of the Unix user of that name.
    """
    known = users(settings)
    if known:
        return Guess(known[0], certain=len(known) == 1)
    return Guess(_person(settings.home_root) or "admin")


def _person(home_root: Path) -> str:
    """A Unix user that belongs to a person: who became root, if it is known, else the first that there is."""
    came_as = _login_uid()
    people = [
        each
        for each in pwd.getpwall()
        if _FIRST_PERSON <= each.pw_uid <= _LAST_PERSON
        and Path(each.pw_dir).parent == home_root
        and not each.pw_shell.endswith(_NO_SHELL)
        and check_username(each.pw_name)
    ]
    people.sort(key=lambda each: (each.pw_uid != came_as, each.pw_uid))
    return people[0].pw_name if people else ""


def _login_uid() -> int:
    try:
        return int(Path("/proc/self/loginuid").read_text("ascii"))
    except (OSError, ValueError):
        return os.getuid()
