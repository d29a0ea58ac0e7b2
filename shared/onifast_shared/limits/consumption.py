"""What users and domains use: how much lies here, what was sent today (UTC), and what their limits leave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from onifast_shared.db.database import Connection
from onifast_shared.limits import store
from onifast_shared.limits.subjects import PERIODS, Subject
from onifast_shared.limits.usage import SubjectUsage
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import quotas
from onifast_shared.values import stored_forms, times

_DAY = 86400


class SentCount(NamedTuple):
    """Messages that were queued to be sent, and the recipients of all of them."""

    messages: int
    recipients: int


class LimitLeft(NamedTuple):
    """A limit, what is used of it and what it leaves; `limit` 0 is none, and leaves None."""

    counted: str
    limit: int
    used: int
    left: int | None


@dataclass(frozen=True)
class Consumption:
    """What a user or a domain uses. `quota` in octets holds for all mail of a user, 0 for none; a domain has none.

    Of a domain octets and messages are those that lie under its addresses; `sent` is what left with it as the sender.
    """

    scope: Literal["user", "domain"]
    name: str
    octets: int
    messages: int
    quota: int
    sent: SentCount
    limits: tuple[LimitLeft, ...]


def of_user(tx: Connection, username: str, settings: Settings, now: float) -> Consumption:
    """What a user uses."""
    quota = quotas.of(tx, "owner", username, settings)
    sent = _sent(tx, username, _first_since(tx, now), None)
    limits = _left(store.of(tx, Subject("user", username), settings), now)
    return Consumption("user", username, quota.used, quota.messages, quota.limit, sent, limits)


def of_domain(tx: Connection, domain: str, settings: Settings, now: float) -> Consumption:
    """What a domain uses."""
    forms = stored_forms.of_domain(domain)
    stored: Any = tx.execute(_STORED, forms).fetchone()
    first = _first_since(tx, now)
    owners = [str(row[0]) for row in tx.execute(_OWNERS, forms).fetchall()]
    counted = [_sent(tx, owner, first, domain) for owner in owners]
    sent = SentCount(sum(each.messages for each in counted), sum(each.recipients for each in counted))
    return Consumption(
        "domain", domain, stored[0], stored[1], 0, sent, _left(store.of(tx, Subject("domain", domain), settings), now)
    )


def _left(usage: SubjectUsage, now: float) -> tuple[LimitLeft, ...]:
    found = []
    for counted in PERIODS:
        limit, used = usage.limits[counted], usage.used(counted, now)
        found.append(LimitLeft(counted, limit, used, max(0, limit - used) if limit else None))
    return tuple(found)


def _sent(tx: Connection, owner: str, first: int, domain: str | None) -> SentCount:
    """What an owner has sent since a queue row, from a domain or from any."""
    forms = (None, None) if domain is None else stored_forms.of_domain(domain)
    found: Any = tx.execute(_SENT, (owner, first, *forms)).fetchone()
    return SentCount(*found)


def _first_since(tx: Connection, now: float) -> int:
    """The lowest id that rows of today's can have: ids grow with time, so halving finds it without an index."""
    since = times.stored(int(now) // _DAY * _DAY)
    low, high = 0, int(tx.execute("SELECT coalesce(max(id), 0) + 1 FROM outbox").get)
    while low < high:
        middle = (low + high) // 2
        row = tx.execute("SELECT id, created_at < ? FROM outbox WHERE id >= ? ORDER BY id LIMIT 1", (since, middle))
        found = row.fetchone()
        if found is not None and found[1]:
            low = found[0] + 1
        else:
            high = middle
    return low


_SENT = """
    SELECT count(DISTINCT coalesce(content_id, -id)), count(*) FROM outbox
    WHERE owner = ?1 AND id >= ?2 AND status <> 'cancelled' AND origin NOT IN ('bounce', 'report', 'forward')
        AND (?3 IS NULL OR lower(substr(sender, instr(sender, '@') + 1)) IN (?3, ?4))
"""
_AT = "lower(substr({0}, instr({0}, '@') + 1)) IN (?1, ?2)"
_OWNERS = f"""
    SELECT owner FROM mail_addresses WHERE owner <> '' AND {_AT.format("address")}
    UNION SELECT owner FROM domains WHERE owner <> '' AND domain IN (?1, ?2)
"""
_STORED = f"""
    SELECT coalesce(sum(u.bytes), 0), coalesce(sum(u.messages), 0) FROM mail_addresses a
    JOIN mail_usage u ON u.scope = 'address' AND u.name = lower(a.address) WHERE {_AT.format("a.address")}
"""
