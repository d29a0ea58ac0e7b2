"""The names that the belongings of users who are gone lie under."""

from __future__ import annotations

SET_ASIDE = "~"
"""How the names begin that what is set aside lies under: no user's does (panel_users.check_username)."""

LIVE = "(owner IS NULL OR owner NOT GLOB '~*')"
"""The SQL condition on a row's `owner` that it is not set aside."""


def is_set_aside(owner: str) -> bool:
    """Whether an owner's name is such a one."""
    return owner.startswith(SET_ASIDE)
