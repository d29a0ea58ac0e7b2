"""Who submitted a message, in the words of `submitted_by` of its queue rows: `user:ann`, `unix:www-data`, `panel` …

What stands there decides whose keys sign a message, by which routes it goes and whose limits it counts against. A row
without it comes from this host; any other text is the address of a client that may relay.
"""

from __future__ import annotations

PANEL = "panel"
"""The panel with its own token, or an administrator's command: for nobody in particular."""

_USER, _UNIX_USER, _FORWARD = "user:", "unix:", "forward:"


def by_user(username: str) -> str:
    """A user who logged in, by SMTP or in the webmail."""
    return f"{_USER}{username}"


def by_unix_user(name: str) -> str:
    """A local program of a Unix user."""
    return f"{_UNIX_USER}{name}"


def by_forward(address: object) -> str:
    """An address of ours that sends on what it gets."""
    return f"{_FORWARD}{address}"


def user_of(submitted_by: str | None) -> str | None:
    """The user who logged in; None if it was somebody else."""
    return _after(_USER, submitted_by)


def unix_user_of(submitted_by: str | None) -> str | None:
    """The Unix user of the local program; None if it was somebody else."""
    return _after(_UNIX_USER, submitted_by)


def forwarder_of(submitted_by: str | None) -> str | None:
    """The address that forwards it; None for what nobody forwards."""
    return _after(_FORWARD, submitted_by)


def _after(prefix: str, submitted_by: str | None) -> str | None:
    return submitted_by.removeprefix(prefix) if submitted_by and submitted_by.startswith(prefix) else None
