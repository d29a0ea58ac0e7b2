"""App passwords: the user's list, a new one shown once, and revoking."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Response, redirect, request, url_for
from onifast_shared.accounts import app_passwords as store
from onifast_shared.accounts.app_passwords import AppPasswordError
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import app_passwords as actions
from onifast_web.http.problems import not_found
from onifast_web.languages.texts import marked
from onifast_web.reading.render import sentence
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import page, user


@dataclass(frozen=True)
class Fresh:
    """A password that was made just now, and what else a mail program asks for."""

    name: str
    username: str
    password: str
    host: str


@allow(Who.PERSON)
def app_passwords() -> AnyResponse:
    """The list with its form. A new password is in the answer to the form itself, and in no page after it."""
    if request.method == "GET":
        return _list_page()
    if request.form.get("do") == "revoke":
        return _revoke()
    caller, username = user()
    name = request.form.get("name", "")
    try:
        password, made = actions.create(current(), username, name)
    except AppPasswordError as error:
        return _list_page(error=sentence(error))
    return _list_page(Fresh(made.name, caller.name, password.reveal(), current().settings.hostname))


ROUTES = (PageRoute("GET POST", "/app-passwords", app_passwords),)
NAV = (
    NavEntry(
        "app-passwords",
        marked("App passwords"),
        app_passwords,
        icon="phone",
        group=NavGroup.SIGNING_IN,
        order=30,
        hint=marked("Passwords for mail programs, one for each device."),
    ),
)
NOTICES: Notices = {
    "revoked": marked("Password revoked."),
}


def _revoke() -> AnyResponse:
    _caller, username = user()
    if not actions.revoke(current(), username, request.form.get("id", 0, type=int)):
        raise not_found("app password")
    return redirect(url_for("webmail.app_passwords", did="revoked"), 303)


def _list_page(fresh: Fresh | None = None, error: str = "") -> Response:
    _caller, username = user()
    rows = current().database.read(lambda tx: store.list_for(tx, username))
    status = 422 if error else 201 if fresh else 200
    errors = {"name": error} if error else {}
    name = request.form.get("name", "") if error else ""
    return page("app_passwords.html", "app-passwords", status, rows=rows, fresh=fresh, errors=errors, name=name)
