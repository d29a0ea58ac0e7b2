"""Users and usage: what each user and each domain has here, sent today, and may still send; for administrators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from flask import Response, request
from onifast_shared.accounts.panel_users import UserDirectoryMissing
from onifast_shared.db.database import Connection
from onifast_shared.limits import consumption
from onifast_shared.limits.consumption import Consumption, LimitLeft
from onifast_shared.recipients import domains as domain_store
from onifast_shared.recipients import residents
from onifast_shared.recipients.domains import DomainFilter
from onifast_shared.recipients.residents import UserFilter, UserRow

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _, marked
from onifast_web.webmail.declared import NavEntry, NavGroup, NavTab, Notices, PageRoute
from onifast_web.webmail.long_lists import wanted
from onifast_web.webmail.pages import page, user

ROWS = 50
MOST_SORTED = 1000
"""Users or domains, the first by name, that can be put into another order: each costs some seeks."""

_ORDERS: dict[str, Callable[[Consumption], tuple[float, str]]] = {
    "name": lambda used: (0, used.name),
    "stored": lambda used: (-used.octets, used.name),
    "sent": lambda used: (-used.sent.recipients, used.name),
    "left": lambda used: (_share_left(used), used.name),
}
_TITLES = {
    "name": marked("Name"),
    "stored": marked("Stored"),
    "sent": marked("Sent today"),
    "left": marked("Left to send"),
}
_STATES = {
    "active": (marked("active"), "good"),
    "disabled": (marked("disabled"), "wait"),
    "broken": (marked("file is broken"), "bad"),
    "missing": (marked("file is missing"), "bad"),
    "departed": (marked("departed"), ""),
}


class UsageLine(NamedTuple):
    """A row: what is used, the limit of which the least is left (None for no limit), and the user, if it is one."""

    used: Consumption
    least: LimitLeft | None
    user: UserRow | None = None


@allow(Who.ADMINISTRATOR)
def users() -> Response:
    """All panel users."""
    user()
    web = current()

    def read(tx: Connection) -> list[UsageLine]:
        found = residents.list_page(tx, web.directory, UserFilter(q=wanted()), MOST_SORTED + 1).rows
        return [
            UsageLine(used, _least(used), row)
            for row in found
            for used in [consumption.of_user(tx, row.username, web.settings, web.clock())]
        ]

    try:
        return _page("users", web.database.read(read))
    except UserDirectoryMissing:
        raise Problem(503, _("The panel's account data cannot be read just now.")) from None


@allow(Who.ADMINISTRATOR)
def domain_usage() -> Response:
    """All domains."""
    user()
    web = current()

    def read(tx: Connection) -> list[UsageLine]:
        found = domain_store.list_page(tx, None, DomainFilter(None, wanted()), MOST_SORTED + 1).rows
        each_used = [consumption.of_domain(tx, row.domain, web.settings, web.clock()) for row in found]
        return [UsageLine(used, _least(used)) for used in each_used]

    return _page("domain-usage", web.database.read(read))


ROUTES = (
    PageRoute("GET", "/users", users),
    PageRoute("GET", "/users/domains", domain_usage),
)
NAV = (
    NavEntry(
        "users",
        marked("Users and usage"),
        users,
        icon="usage",
        group=NavGroup.ADMINISTRATION,
        order=8,
        hint=marked("Who is here, how much they store, and what they send."),
        tabs=marked("Usage"),
    ),
    NavTab("domain-usage", marked("By domain"), domain_usage, under="users", order=10),
)
NOTICES: Notices = {}


def _page(here: str, lines: Sequence[UsageLine]) -> Response:
    asked = request.args.get("order", "")
    order = asked if asked in _ORDERS else "name"
    number = max(1, min(request.args.get("page", 1, type=int), MOST_SORTED // ROWS))
    fitting = sorted(lines[:MOST_SORTED], key=lambda line: _ORDERS[order](line.used))
    return page(
        "usage.html",
        here,
        rows=fitting[(number - 1) * ROWS : number * ROWS],
        order=order,
        orders={name: _(title) for name, title in _TITLES.items()},
        states={state: (_(words), kind) for state, (words, kind) in _STATES.items()},
        q=wanted(),
        number=number,
        has_more=len(fitting) > number * ROWS,
        is_cut=len(lines) > MOST_SORTED,
        most=MOST_SORTED,
        endpoint="webmail.users" if here == "users" else "webmail.domain_usage",
        of_users=here == "users",
        here=here,
    )


def _least(used: Consumption) -> LimitLeft | None:
    limited = [each for each in used.limits if each.limit]
    return min(limited, key=lambda each: (each.left or 0) / each.limit, default=None)


def _share_left(used: Consumption) -> float:
    least = _least(used)
    return 2.0 if least is None else (least.left or 0) / least.limit
