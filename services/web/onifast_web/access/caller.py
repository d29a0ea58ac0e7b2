"""Who makes a request: a person, a program or the panel, and for whom they act."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from onifast_shared.accounts.api_tokens import ALL_SCOPES, ApiToken, TokenScope
from onifast_shared.values import mailbox_accounts


class Who(Enum):
    """Who may call a view."""

    ANYONE = "anyone"
    USER = "a panel user, a mailbox user, or the service token"
    PERSON = "a user in their own mailbox, or the service token"
    PANEL_USER = "a panel user, or the service token"
    MAILBOX_USER = "a mailbox user"
    ADMINISTRATOR = "an administrator, or the service token"
    SERVICE = "the service token"


@dataclass(frozen=True)
class Caller:
    """Who made a request. `username` is None for the service token when it acts for nobody in particular.

    `acts_with` is what they logged in with: `service`, `token:ID` or `session`; `token` is that personal API token,
    `session_id` tells the session from others. A mailbox user's `username` is their account, and `belongs_to` their
    panel user; where that one looks into the mailbox, `visited_by` is their name.
    In a shared mailbox `username` is its account, and `member` that of the person who has opened it.
    """

    username: str | None
    is_admin: bool
    is_service: bool = False
    csrf_token: str = ""
    acts_with: str = ""
    token: ApiToken | None = None
    session_id: str = ""
    belongs_to: str | None = None
    visited_by: str | None = None
    member: str | None = None

    @property
    def name(self) -> str:
        """How people know the caller: by user name, or a mailbox user by address."""
        return mailbox_accounts.shown(self.username) if self.username else "panel"

    @property
    def scopes(self) -> frozenset[TokenScope]:
        """What the caller may do of what their user may: all of it, unless they came with a token for less."""
        return self.token.scopes if self.token else ALL_SCOPES

    @property
    def mail_of(self) -> str | None:
        """Whose mail the caller reads: their own, administrator or not; everybody's (None) for the service token."""
        return self.username

    @property
    def on_record(self) -> str:
        """What is written down of who had something done."""
        if (person := self.visited_by or self.member) is not None:
            return f"user:{mailbox_accounts.shown(person)}"
        return f"user:{self.name}" if self.username else "panel"

    @property
    def manages(self) -> str | None:
        """Whose queue, addresses and domains the caller sees: everybody's (None) for administrators."""
        return None if self.is_admin else self.username
