"""Routes of single domains, for administrators."""

from __future__ import annotations

from typing import Any

from flask import Response, redirect, request, url_for
from onifast_shared.transport import routes as route_store
from onifast_shared.transport.names import BadField
from onifast_shared.transport.routes import StoredRoute
from pydantic import ValidationError
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import routes as actions
from onifast_web.http.problems import Problem, not_found
from onifast_web.languages.texts import _, marked
from onifast_web.reading.render import sentence
from onifast_web.webmail.declared import NavTab, Notices, PageRoute
from onifast_web.webmail.pages import field_errors, page
from onifast_web.webmail.relay import TLS_CHOICES

_FIELDS = ("scope", "name", "host", "port", "tls", "user", "direct")
_NEW = {"scope": "recipient_domain", "name": "", "host": "", "port": "", "tls": "starttls", "user": "", "direct": ""}


@allow(Who.ADMINISTRATOR)
def routes() -> AnyResponse:
    """The routes with a form to set one. No stored password goes into a page."""
    if request.method == "GET":
        return _routes_page(_asked_for())
    if request.form.get("do") == "remove":
        return _remove_route()
    form = {name: request.form.get(name, "") for name in _FIELDS}
    errors = _save_route(form)
    return _routes_page(form, errors) if errors else redirect(url_for("webmail.routes", did="route"), 303)


ROUTES = (PageRoute("GET POST", "/routes", routes),)
NAV = (NavTab("routes", marked("Routes"), routes, under="relay", order=10),)
NOTICES: Notices = {
    "route": marked("Route saved. It counts from the next attempt on."),
    "route-removed": marked("Route removed."),
}


def _asked_for() -> dict[str, str]:
    """The form's values: those of the route that the address names, or a new one's."""
    scope, name = request.args.get("scope", ""), request.args.get("name", "")
    if scope not in route_store.SCOPES or not name:
        return _NEW
    found = current().database.read(lambda tx: route_store.get(tx, scope, name))
    if found is None:
        raise not_found("route")
    server = found.server
    if server is None:
        return _NEW | {"scope": scope, "name": name, "direct": "1"}
    shown = {"host": server.host, "port": str(server.port), "tls": server.tls, "user": server.user}
    return _NEW | {"scope": scope, "name": name} | shown


def _save_route(form: dict[str, str]) -> dict[str, str]:
    """Stores what the form says; what is wrong with it, by field."""
    if not form["direct"] and not form["host"].strip():
        return {"host": _("Give a host, or choose the domain’s own servers.")}
    direct: dict[str, Any] = {"host": "", "user": "", "password": "", "tls": "none"} if form["direct"] else {}
    values = {name: form[name] for name in ("scope", "name", "host", "tls", "user")} | _optional(form) | direct
    now = int(current().clock())
    try:
        body = actions.RouteBody.model_validate(values)
        current().database.write(lambda tx: actions.store_route(tx, body, now))
    except ValidationError as error:
        return field_errors(error)
    except BadField as error:
        return {error.field: sentence(error)}
    return {}


def _optional(form: dict[str, str]) -> dict[str, Any]:
    """Fields whose absence means something: an empty port is the usual one, an empty password the stored one."""
    given: dict[str, Any] = {} if form["direct"] else {"port": form["port"].strip() or None}
    if password := request.form.get("password", ""):
        given["password"] = password
    elif request.form.get("forget_password"):
        given["password"] = ""
    return given


def _remove_route() -> AnyResponse:
    scope, name = request.form.get("scope", ""), request.form.get("name", "")
    if scope not in route_store.SCOPES:
        raise Problem(400, _("That kind of route is not known."))
    if not current().database.write(lambda tx: route_store.remove(tx, scope, name)):
        raise not_found("route")
    return redirect(url_for("webmail.routes", did="route-removed"), 303)


def _routes_page(form: dict[str, str], errors: dict[str, str] | None = None) -> Response:
    rows = current().database.read(route_store.list_all)
    editing = next((row for row in rows if (row.scope, row.name) == (form["scope"], form["name"])), None)
    return page(
        "routes.html",
        "routes",
        422 if errors else 200,
        rows=rows,
        form=form,
        errors=errors or {},
        editing=editing,
        password_set=_has_password(editing),
        tls_choices=TLS_CHOICES,
    )


def _has_password(route: StoredRoute | None) -> bool:
    return bool(route and route.server and route.server.password.reveal())
