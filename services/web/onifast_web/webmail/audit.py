"""Activity: the audit trail as its user, or an administrator, reads it."""

from __future__ import annotations

from flask import Response, request
from onifast_shared.accounts import audit as store
from onifast_shared.accounts.audit import AuditEvent
from onifast_shared.values.paging import CursorError

from onifast_web.access.auth import Who, allow
from onifast_web.access.context import current
from onifast_web.actions import audited
from onifast_web.http.problems import not_found
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import page, user

_PAGE = 50
_WORDS = {
    "login": "Signed in",
    "login.lockout": "Locked out after wrong passwords",
    "mail.read": "Message read",
    "mail.raw": "Message fetched whole",
    "mail.attachment": "Attachment fetched",
    "mail.mark": "Message marked",
    "mail.delete": "Message deleted for good",
    "session.revoke": "Signed out elsewhere",
    "token.create": "API token made",
    "token.revoke": "API token revoked",
}


@allow(Who.USER)
def activity() -> Response:
    """A page of the trail, newest first; administrators choose whose."""
    caller, _ = user()
    cursor = request.args.get("cursor")
    owner = request.args.get("q", "").strip() if caller.is_admin else ""
    try:
        found = current().database.read(
            lambda tx: store.list_page(tx, audited.visible_to(caller, owner or None), limit=_PAGE, cursor=cursor)
        )
    except CursorError:
        raise not_found("page") from None
    return page(
        "audit.html",
        "activity",
        rows=[(event, _what(event), _who(event)) for event in found.rows],
        next_cursor=found.next_cursor,
        cursor=cursor,
        q=owner,
    )


ROUTES = (PageRoute("GET", "/activity", activity),)
NAV = (NavEntry("activity", "Activity", activity, icon="eye", group=NavGroup.SETTINGS, order=36),)
NOTICES: Notices = {}


def _what(event: AuditEvent) -> str:
    name = event.details.get("name")
    return _WORDS.get(event.action, event.action) + (f": {name}" if name else "")


def _who(event: AuditEvent) -> str:
    kind, _, name = event.actor.name.partition(":")
    if not kind:
        return "Somebody"
    if kind == "panel":
        return "The panel"
    return f"{name} at the shell" if kind == "unix" else name
