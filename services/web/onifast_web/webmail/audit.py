"""Activity: the audit trail as its user, or an administrator, reads it."""

from __future__ import annotations

from flask import Response, request
from onifast_shared.accounts import audit as store
from onifast_shared.accounts.audit import AuditEvent, AuditFilter
from onifast_shared.values.paging import CursorError

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import audited
from onifast_web.actions.audit_rules import LINE_WORDS
from onifast_web.http.problems import not_found
from onifast_web.languages.texts import _, marked
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import page, user

_PAGE = 50
_KINDS = {
    "login": marked("Logins"),
    "login.lockout": marked("Lock-outs"),
    "login.smtp": marked("Logins to send"),
    "mail.": marked("Mail that others read or changed"),
    "session.": marked("Sessions"),
    "totp.": marked("Two-step sign-in"),
    "token.": marked("API tokens"),
    "app-password.": marked("App passwords"),
    "address.": marked("Addresses"),
    "domain.": marked("Domains"),
    "forward.": marked("Forwards"),
    "queue.": marked("Queued mail"),
}


@allow(Who.USER)
def activity() -> Response:
    """A page of the trail, newest first; administrators choose whose."""
    caller, _username = user()
    cursor = request.args.get("cursor")
    kept = {name: request.args.get(name, "").strip()[:200] for name in ("q", "owner", "kind")}
    owner = kept["owner"] if caller.is_admin else ""
    kind = kept["kind"] if kept["kind"] in _KINDS else ""
    try:
        found = current().database.read(
            lambda tx: store.list_page(
                *(tx, audited.visible_to(caller, owner or None)),
                action=kind,
                wanted=AuditFilter(q=kept["q"]),
                limit=_PAGE,
                cursor=cursor,
            )
        )
    except CursorError:
        raise not_found("page") from None
    return page(
        "audit.html",
        "activity",
        rows=[(event, _what(event), _who(event)) for event in found.rows],
        next_cursor=found.next_cursor,
        cursor=cursor,
        q=kept["q"],
        owner=owner,
        kind=kind,
        kinds=_KINDS,
    )


ROUTES = (PageRoute("GET", "/activity", activity),)
NAV = (
    NavEntry(
        "activity",
        marked("Activity"),
        activity,
        icon="eye",
        group=NavGroup.SIGNING_IN,
        order=50,
        hint=marked("Who did what with this account, and from where."),
    ),
)
NOTICES: Notices = {}


def _what(event: AuditEvent) -> str:
    name = event.details.get("name")
    word = str(LINE_WORDS.get(event.action, event.action))
    return f"{word}: {name}" if name else word


def _who(event: AuditEvent) -> str:
    kind, _sep, name = event.actor.name.partition(":")
    if not kind:
        return _("Somebody")
    if kind == "panel":
        return _("The panel")
    return _("%(name)s at the shell", name=name) if kind == "unix" else name
