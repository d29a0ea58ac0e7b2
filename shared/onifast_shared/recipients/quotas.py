"""How much mail may lie here: the store of `mail_quotas`, and of `mail_usage`, which triggers keep.

A quota holds for an address (scope `address`) or for all mail of a user (scope `owner`), whatever its folder. It says
how many octets may lie there; what comes in beyond waits at its sender's until there is room.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from onifast_shared.accounts import mailbox_users
from onifast_shared.db.database import Connection
from onifast_shared.machine.config import Settings
from onifast_shared.values import mailbox_accounts
from onifast_shared.values.expansion import Mailbox
from onifast_shared.values.set_aside import is_set_aside

Scope = Literal["address", "owner"]
QuotaVerdict = Literal["room", "full", "never"]
"""Whether a message has room, would have it once something is removed, or is larger than all that may lie there."""


@dataclass(frozen=True)
class Quota:
    """An address' or a user's quota and what is used of it, in octets; `limit` 0 means none."""

    scope: Scope
    name: str
    limit: int
    used: int
    messages: int

    def judge(self, size: int) -> QuotaVerdict:
        """Whether a message of this size has room; 0 stands for a size that is not known."""
        if not self.limit:
            return "room"
        if size > self.limit:
            return "never"
        return "full" if self.used + max(size, 1) > self.limit else "room"


def of(tx: Connection, scope: Scope, name: str, settings: Settings) -> Quota:
    """The quota that holds for an address or a user, the settings' where none is set for it."""
    default = settings.default_address_quota if scope == "address" else settings.default_owner_quota
    if scope == "owner" and mailbox_accounts.is_mailbox(name):
        default = 0
    limit = tx.execute(f"SELECT bytes FROM mail_quotas WHERE {_NAMED}", (scope, name)).get
    row: Any = tx.execute(_USAGE, (scope, name)).fetchone()
    used, messages = row
    return Quota(scope, name, max(0, int(default if limit is None else limit)), int(used), int(messages))


def judge(tx: Connection, mailboxes: Iterable[Mailbox], size: int, settings: Settings) -> QuotaVerdict:
    """Whether a message has room in all these mailboxes; the worst that is true of any."""
    worst: QuotaVerdict = "room"
    for mailbox in mailboxes:
        for quota in _of_mailbox(tx, mailbox, settings):
            match quota.judge(size):
                case "never":
                    return "never"
                case "full":
                    worst = "full"
    return worst


def exist(tx: Connection, mailboxes: Iterable[Mailbox], settings: Settings) -> bool:
    """Whether any quota holds for these mailboxes, whatever is used of it."""
    return any(quota.limit for mailbox in mailboxes for quota in _of_mailbox(tx, mailbox, settings))


def _of_mailbox(tx: Connection, mailbox: Mailbox, settings: Settings) -> Iterator[Quota]:
    """The quotas that hold for a mailbox; those of a mailbox user are their panel user's too."""
    yield of(tx, "address", str(mailbox.address), settings)
    yield of(tx, "owner", mailbox.owner, settings)
    owner = mailbox_users.owner_of(tx, mailbox.owner)
    if owner is not None:
        yield of(tx, "owner", owner, settings)


def put(tx: Connection, scope: Scope, name: str, limit: int | None) -> None:
    """Sets a quota in octets, 0 for no limit; None gives the name back to the settings' default."""
    tx.execute(f"DELETE FROM mail_quotas WHERE {_NAMED}", (scope, name))
    if limit is not None:
        key = name.lower() if scope == "address" else name
        tx.execute("INSERT INTO mail_quotas (scope, name, bytes) VALUES (?, ?, ?)", (scope, key, limit))


def list_for(tx: Connection, owner: str | None, settings: Settings) -> list[Quota]:
    """A user's quotas, their own first and then their addresses'; everybody's for None (administrators)."""
    sql = """
        SELECT 'owner', owner FROM mail_addresses WHERE owner <> '' AND (?1 IS NULL OR owner = ?1)
        UNION SELECT 'owner', name FROM mail_usage WHERE scope = 'owner' AND (?1 IS NULL OR name = ?1)
        UNION SELECT scope, name FROM mail_quotas WHERE scope = 'owner' AND (?1 IS NULL OR name = ?1)
        UNION SELECT 'owner', ?1 WHERE ?1 IS NOT NULL
        UNION SELECT 'address', lower(address) FROM mail_addresses WHERE ?1 IS NULL OR owner = ?1
        UNION SELECT scope, lower(name) FROM mail_quotas WHERE scope = 'address' AND ?1 IS NULL
        ORDER BY 1 DESC, 2
    """
    found: list[tuple[Any, ...]] = tx.execute(sql, (owner,)).fetchall()
    names = [(scope, str(name)) for scope, name in found if not is_set_aside(str(name))]
    if owner is None:
        names = [each for each in names if not mailbox_accounts.is_mailbox(each[1])]
    return [of(tx, "owner" if scope == "owner" else "address", name, settings) for scope, name in names]


# What a panel user's mailbox users have counts for them too.
_USAGE = """
    SELECT coalesce(sum(bytes), 0), coalesce(sum(messages), 0) FROM mail_usage
    WHERE scope = ?1 AND name IN (
        SELECT CASE ?1 WHEN 'address' THEN lower(?2) ELSE ?2 END
        UNION ALL SELECT account FROM mailbox_users WHERE ?1 = 'owner' AND owner = ?2)
"""
_NAMED = "scope = ?1 AND (name = ?2 OR scope = 'address' AND lower(name) = lower(?2))"
