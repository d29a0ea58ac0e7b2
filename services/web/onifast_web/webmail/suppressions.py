"""Suppressed addresses: whom the user's mail is not sent to, and why."""

from __future__ import annotations

from flask import Response, redirect, request, url_for
from onifast_shared.queue import suppressions as store
from onifast_shared.values.address import Address, AddressError
from onifast_shared.values.paging import CursorError
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Caller, Who
from onifast_web.access.context import current
from onifast_web.actions import suppressions as actions
from onifast_web.http.problems import not_found
from onifast_web.languages.texts import marked
from onifast_web.reading.render import sentence
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.long_lists import wanted
from onifast_web.webmail.pages import page, user

_PAGE = 50
_MOST_REASON = 500


@allow(Who.USER)
def suppressions() -> AnyResponse:
    """The list with its form; for administrators the list of everybody."""
    caller, _username = user()
    if request.method == "GET":
        return _page(caller)
    try:
        recipient = Address.parse(request.form.get("recipient", "").strip())
    except AddressError as error:
        return _page(caller, {"recipient": sentence(error)})
    if request.form.get("do") == "lift":
        actions.lift(current(), caller, recipient, request.form.get("owner"))
        return redirect(url_for("webmail.suppressions", did="lifted", q=wanted() or None), 303)
    reason = " ".join(request.form.get("reason", "").split())[:_MOST_REASON]
    actions.suppress(current(), caller, recipient, reason)
    return redirect(url_for("webmail.suppressions", did="suppressed"), 303)


ROUTES = (PageRoute("GET POST", "/suppressions", suppressions),)
NAV = (
    NavEntry(
        "suppressions",
        marked("Suppressed addresses"),
        suppressions,
        icon="suppressed",
        group=NavGroup.DELIVERY,
        order=30,
        hint=marked("Recipients that nothing is sent to, since they do not exist."),
    ),
)
NOTICES: Notices = {
    "suppressed": marked("Suppressed. Mail to this address is not sent until you lift that."),
    "lifted": marked("Lifted. The next message to this address is sent."),
}


def _page(caller: Caller, errors: dict[str, str] | None = None) -> Response:
    web, cursor, q = current(), request.args.get("cursor") or None, wanted()
    try:
        found = web.database.read(
            lambda tx: store.list_page(tx, caller.manages, web.clock(), q=q, limit=_PAGE, cursor=cursor)
        )
    except CursorError:
        raise not_found("page") from None
    return page(
        "suppressions.html",
        "suppressions",
        422 if errors else 200,
        rows=found.rows,
        next_cursor=found.next_cursor,
        cursor=cursor,
        q=q,
        days=round(web.settings.suppression_time / 86400),
        errors=errors or {},
        form=request.form if errors else {},
    )
