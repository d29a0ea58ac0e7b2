"""The second step of a login: a code, or the set-up of a second factor where an administrator asks for one."""

from __future__ import annotations

from flask import Response, make_response, redirect, render_template, request, url_for
from onifast_shared.accounts.audit import Actor
from onifast_shared.accounts.panel_users import PanelUser
from onifast_shared.accounts.pending_logins import PendingLogin
from onifast_shared.accounts.second_factor import CodeKind
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access import totp
from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import Web, current
from onifast_web.actions import second_factor as actions
from onifast_web.actions import signing_in
from onifast_web.actions.second_factor import NotProved
from onifast_web.http import csrf
from onifast_web.webmail.declared import Notices, PageRoute

_LARGEST_FORM = 64 * 1024
_DAY = 86400


@allow(Who.ANYONE)
def login_code() -> AnyResponse:
    """Asks for a code of the authenticator, or a recovery code."""
    web = current()
    begun = _begun(web)
    if begun is None:
        return _too_late()
    if request.method == "GET":
        return _code_page(web)
    found, user = begun
    try:
        kind = actions.check_code(web, user.username, request.form.get("code", ""))
    except NotProved as error:
        return _code_page(web, str(error), wait=error.wait)
    few = kind is CodeKind.RECOVERY
    response = redirect(url_for("webmail.two_step", did="recovery-code-used") if few else found.target, 303)
    if not signing_in.end_pending(web, response):
        return _too_late()
    signing_in.begin_session(web, user, found.shown, response)
    if request.form.get("remember") and web.settings.totp_remembered:
        signing_in.remember(web, user, response)
    return response


@allow(Who.ANYONE)
def login_setup() -> AnyResponse:
    """Sets up a second factor, without which this user may not sign in."""
    web = current()
    begun = _begun(web)
    if begun is None or actions.of(web, begun[1].username).is_on or actions.begun(web, begun[1].username) is None:
        return _too_late()
    found, user = begun
    if request.method == "GET":
        return _setup_page(web, user)
    who = Actor(f"user:{user.username}", found.shown, request.remote_addr or "")
    try:
        codes = actions.confirm(web, who, user.username, request.form.get("code", ""))
    except NotProved as error:
        return _setup_page(web, user, str(error))
    response = make_response(render_template("login_setup.html", codes=codes, target=found.target))
    if signing_in.end_pending(web, response):
        signing_in.begin_session(web, user, found.shown, response)
    return response


ROUTES = (
    PageRoute("GET POST", "/login/code", login_code, off_menu="the second step of a login"),
    PageRoute("GET POST", "/login/setup", login_setup, off_menu="the second step of a login"),
)
NAV = ()
NOTICES: Notices = {}


def _begun(web: Web) -> tuple[PendingLogin, PanelUser] | None:
    if request.method == "POST":
        request.max_content_length = _LARGEST_FORM
        csrf.check_origin(request)
    return signing_in.pending(web)


def _too_late() -> AnyResponse:
    return redirect(url_for("webmail.login", did="expired"), 303)


def _code_page(web: Web, message: str = "", wait: int = 0) -> Response:
    text = render_template(
        "login_code.html",
        message=message,
        by_recovery="recovery" in request.args or bool(request.form.get("recovery")),
        days=int(web.settings.totp_remembered // _DAY),
    )
    response = make_response(text, 429 if wait else 403 if message else 200)
    if wait:
        response.headers["Retry-After"] = str(wait)
    return response


def _setup_page(web: Web, user: PanelUser, message: str = "") -> Response:
    secret = actions.begun(web, user.username)
    assert secret is not None  # noqa: S101 - asked just before
    text = render_template(
        "login_setup.html",
        message=message,
        qr_code=totp.qr_code(totp.uri(secret, user.username, web.settings.hostname)),
        secret=totp.spaced(secret),
    )
    return make_response(text, 403 if message else 200)
