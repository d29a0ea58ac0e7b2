"""The names that mailbox users' belongings lie under: `mailbox:7:bob@shop.example`.

No panel user can be called so (panel_users.check_username), and the number is given out once: who gets the address
later has another name, and finds nothing of the one before.
"""

from __future__ import annotations

_MAILBOX = "mailbox:"

ANY_MAILBOX = f"{_MAILBOX}*"
"""The GLOB pattern of all such names."""


def named(number: int, address: str) -> str:
    """The name of the mailbox user with that number, who reads this address."""
    return f"{_MAILBOX}{number}:{address}"


def is_mailbox(account: str | None) -> bool:
    """Whether an account is a mailbox user's."""
    return account is not None and account.startswith(_MAILBOX)


def shown(account: str) -> str:
    """How people know an account: a mailbox user by their address, a panel user by their name."""
    return account.split(":", 2)[2] if is_mailbox(account) and account.count(":") > 1 else account
