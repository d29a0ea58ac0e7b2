"""What users and domains use: mail that lies here, mail sent today, and what their limits leave."""

from __future__ import annotations

from bisect import bisect_right
from typing import Annotated, Literal

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.accounts.panel_users import UserDirectoryMissing
from onifast_shared.db.database import Connection
from onifast_shared.limits import consumption
from onifast_shared.limits.consumption import Consumption
from onifast_shared.recipients import domains
from onifast_shared.recipients.domains import DomainFilter
from onifast_shared.values import mailbox_accounts
from onifast_shared.values.paging import Page, cut_by_name
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.api.endpoint import Call, Endpoint
from onifast_web.api.limits import Counted
from onifast_web.api.paged import NextCursor, OwnerName, PagedQuery, Part
from onifast_web.http.models import Model
from onifast_web.http.problems import Problem

UsageScope = Literal["user", "domain"]


class LimitLeftInfo(Model):
    """`limit` 0 is none, and `left` then null."""

    counted: Counted
    limit: int
    used: int
    left: int | None


class SentToday(Model):
    """What was queued to be sent since midnight UTC; an entry for each recipient."""

    messages: int
    recipients: int


class UsageInfo(Model):
    """`quota` is for all mail of a user, in octets, 0 for none; a domain has none.

    Of a domain, `bytes` and `messages` lie under its addresses, and `sent_today` had it as the sender's.
    """

    scope: UsageScope
    name: str
    bytes: int
    messages: int
    quota: int
    sent_today: SentToday
    limits: list[LimitLeftInfo]


class UsageQuery(PagedQuery):
    """Of whom: users, or the domains of an `owner` or of all; those that `q` is a part of the name of."""

    scope: Annotated[UsageScope, Field(description="Users, or domains.")] = "user"
    owner: OwnerName | None = None
    q: Part | None = None
    limit: Annotated[int, Field(ge=1, le=200, description="How many at the most.", examples=[50])] = 50


class UsageList(Model):
    """Users or domains, by name."""

    usage: list[UsageInfo]
    next_cursor: NextCursor


def list_usage(call: Call) -> UsageList:
    """What the caller uses, and with `scope=domain` what their domains use; everybody's for administrators."""
    query: UsageQuery = call.query
    web, now, manages = call.web, call.web.clock(), call.caller.manages
    of = consumption.of_user if query.scope == "user" else consumption.of_domain
    names = _users(call, query) if query.scope == "user" else None

    def read(tx: Connection) -> Page[Consumption]:
        page = names or _domains(tx, manages, query)
        return Page([of(tx, name, web.settings, now) for name in page.rows], page.next_cursor)

    found = web.database.read(read)
    return UsageList(usage=[_info(each) for each in found.rows], next_cursor=found.next_cursor)


def _users(call: Call, query: UsageQuery) -> Page[str]:
    try:
        manages = call.caller.manages
        names = call.web.directory.usernames() if manages is None else [manages]
    except UserDirectoryMissing:
        raise Problem(503, "The panel's account data cannot be read just now.") from None
    wanted = [
        name
        for name in names[bisect_right(names, query.cursor or "") :]
        if query.owner in (None, name) and (query.q or "").lower() in name.lower()
    ]
    return cut_by_name(wanted, query.limit, str)


def _domains(tx: Connection, manages: str | None, query: UsageQuery) -> Page[str]:
    page = domains.list_page(tx, manages, DomainFilter(query.owner, query.q or ""), query.limit, query.cursor)
    return Page([row.domain for row in page.rows], page.next_cursor)


def _info(found: Consumption) -> UsageInfo:
    return UsageInfo.model_validate(
        {
            "scope": found.scope,
            "name": mailbox_accounts.shown(found.name),
            "bytes": found.octets,
            "messages": found.messages,
            "quota": found.quota,
            "sent_today": found.sent._asdict(),
            "limits": [each._asdict() for each in found.limits],
        }
    )


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/usage",
        Who.USER,
        TokenScope.READ,
        "What users and domains use, and what their limits leave",
        list_usage,
        UsageQuery,
        answer=UsageList,
        failures={503: "The directory of the users' files cannot be read."},
    ),
)
