"""Login with a user's name or address and password, or by a one-time link from the panel, and logout."""

from __future__ import annotations

from flask import Response, make_response, redirect, render_template, request, url_for
from onifast_shared.accounts import enrolment, panel_users, sessions
from onifast_shared.machine import log
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access import auth, sso_files
from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import Web, current
from onifast_web.actions import password_attempts, signing_in
from onifast_web.actions.password_attempts import LONGEST_PASSWORD
from onifast_web.http import csrf
from onifast_web.http.forwarded import CLIENT
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import marked, ngettext
from onifast_web.webmail.declared import Notices, PageRoute

_logger = log.get("web")
BY_PROOF = {"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}  # what smtpd needs a verifier for
_LARGEST_FORM = 64 * 1024
_WRONG = marked("User name or password is wrong.")
_SAID = {
    "logout": (marked("You are signed out."), "ok"),
    "password": (marked("Your password is changed. Sign in with the new one."), "ok"),
    "expired": (marked("That took too long, or was done already. Sign in again."), "error"),
}
_STALE_LINK = marked(
    "This sign-in link is not valid any more: it works once, for a short time. Open your mail from the panel."
)


@allow(Who.ANYONE)
def login() -> AnyResponse:
    """The login form, and what it sends."""
    if request.method == "GET":
        message, kind = _SAID.get(request.args.get("did", ""), ("", "error"))
        return _form(message=message, kind=kind)
    request.max_content_length = _LARGEST_FORM
    csrf.check_origin(request)
    username = request.form.get("username", "").strip()
    password = request.form.get("password", "")
    return _attempt(current(), username, password)


@allow(Who.USER)
def logout() -> AnyResponse:
    """Ends this browser's session."""
    response = redirect(url_for("webmail.login", did="logout"), 303)
    auth.end_session(response)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


@allow(Who.ANYONE)
def sso_login() -> AnyResponse:
    """Signs in whoever brings a token of the panel's, once."""
    web, token = current(), request.args.get("token", "")
    if request.method == "HEAD" or csrf.is_prefetch(request):
        raise Problem(403, _STALE_LINK)  # A look ahead must not use the token up.
    user = _bearer_of(web, token)
    if user is None:
        log.event(_logger, "sso-refused", client=request.environ.get(CLIENT))
        raise Problem(403, _STALE_LINK)
    return signing_in.after_first_factor(web, user, "sso", local_path(request.args.get("next", "")))


ROUTES = (
    PageRoute("GET POST", "/login", login, off_menu="for those who are not signed in"),
    PageRoute("POST", "/logout", logout, off_menu="the button at the menu's foot posts to it"),
    PageRoute("GET", "/sso-login", sso_login, off_menu="the panel leads to it"),
)
NAV = ()
NOTICES: Notices = {}


def local_path(text: str) -> str:
    """Where to go after login: a path below this webmail, whatever the link says."""
    home = url_for("home")
    if not text.startswith("/") or text.startswith(("//", "/\\")) or not text.isprintable() or "\\" in text:
        return home
    prefix = request.script_root
    if not prefix or text == prefix or text.startswith((prefix + "/", prefix + "?")):
        return text
    return prefix + text


def _bearer_of(web: Web, token: str) -> panel_users.PanelUser | None:
    """Whom a token signs in, which is used up by this: one that the panel asked for, or one that it made itself."""
    username = web.database.write(lambda tx: sessions.redeem_sso(tx, token, web.clock()))
    if username is not None:
        return auth.active_user(web, username)
    named = sso_files.redeem(web.settings.sso_dir, token, web.clock(), web.settings.sso_lifetime)
    return auth.named_user(web, named) if named else None


def _attempt(web: Web, typed: str, password: str) -> AnyResponse:
    made = password_attempts.attempt(web, typed, password, str(request.environ.get(CLIENT)))
    if made.wait:
        text = _too_many(made.wait)
        return _form(typed, text, status=429, wait=made.wait)
    if made.user is None:
        return _form(typed, _WRONG, status=403)
    if BY_PROOF & set(web.settings.auth_mechanisms):
        enrolment.learn_password(web.database, made.user, password[:LONGEST_PASSWORD], web.clock())
    return signing_in.after_first_factor(web, made.user, "password", local_path(request.form.get("next", "")))


def _form(username: str = "", message: str = "", *, kind: str = "error", status: int = 200, wait: int = 0) -> Response:
    target = request.values.get("next", "")
    text = render_template("login.html", username=username, message=message, message_kind=kind, next=target)
    response = make_response(text, status)
    if wait:
        response.headers["Retry-After"] = str(wait)
    return response


def _too_many(seconds: int) -> str:
    if seconds < 90:
        return ngettext(
            "Too many failed attempts. Try again in %(n)s second.",
            "Too many failed attempts. Try again in %(n)s seconds.",
            seconds,
        )
    return ngettext(
        "Too many failed attempts. Try again in %(n)s minute.",
        "Too many failed attempts. Try again in %(n)s minutes.",
        -(-seconds // 60),
    )
