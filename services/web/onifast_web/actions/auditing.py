"""Writes the audit trail's line of every change that was carried out, as `audit_rules` has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, g, request
from onifast_shared.accounts import audit, audit_lines
from onifast_shared.accounts.panel_users import AccountError
from onifast_shared.db.database import Connection
from onifast_shared.db.errors import DatabaseError
from onifast_shared.machine import log
from onifast_shared.recipients import addresses

from onifast_web.access import auth
from onifast_web.access.caller import Caller
from onifast_web.access.context import Web, current
from onifast_web.actions import audited
from onifast_web.actions.audit_rules import RULES, AuditRule, Whose

_logger = log.get("web")
_SAFE = {"GET", "HEAD", "OPTIONS"}


def register(app: Flask) -> None:
    """Looks at every answer."""
    app.after_request(_note)


def _note(response: Response) -> Response:
    rule = RULES.get(request.endpoint or "")
    found = auth.visitor()
    if request.method in _SAFE or not isinstance(rule, AuditRule) or found is None or response.status_code >= 400:
        return response
    values = _values()
    if (action := rule.action(values)) is not None:
        _write(found, rule, action, values)
    return response


def _values() -> dict[str, Any]:
    """What the request asked for: an endpoint's checked values, or a page's form."""
    checked: Mapping[str, Any] | None = g.get("checked_values")
    return dict(checked) if checked is not None else (request.view_args or {}) | request.form.to_dict()


def _write(found: Caller, rule: AuditRule, action: str, values: dict[str, Any]) -> None:
    web, who = current(), audited.actor(found)
    if found.is_service and found.username:
        values |= {"for": found.username}
    noun, named = action.partition(".")[0], _named(web, values) if rule.whose is Whose.NAMED else None

    def write(tx: Connection) -> None:
        audit.record(
            tx,
            who,
            action,
            owner=_owner(tx, found, rule.whose, values, named),
            object=audit_lines.object_of(noun, values),
            details=audit_lines.details_of(values),
            now=web.clock(),
        )

    try:
        web.database.write(write)
    except DatabaseError as error:
        # The change is made, and its answer stays true; the log has what the trail lacks.
        log.event(_logger, "audit-trouble", 40, by=who.name, action=action, reason=error)


def _named(web: Web, values: Mapping[str, Any]) -> str | None:
    """The account that a request names, by a user's name or an address."""
    name = values.get("username") or (values.get("name") if values.get("scope") in ("owner", "user") else None)
    try:
        return web.directory.named(str(name)).account if name else None
    except AccountError:
        return str(name)


def _owner(tx: Connection, found: Caller, whose: Whose, values: Mapping[str, Any], account: str | None) -> str | None:
    if whose is Whose.NOBODY:
        return None
    named = values.get("owner") if found.is_admin else None
    if isinstance(named, str) and named:
        return named
    if whose is Whose.NAMED:
        return account
    if whose is Whose.DOMAIN:
        text = str(values.get("domain") or values.get("address") or "").lower()
        return addresses.domain_owner(tx, text.rpartition("@")[2]) or found.username
    return found.username
