"""Signing in, from the first factor on: what else is asked for, and the session in the end."""

from __future__ import annotations

from flask import redirect, request, url_for
from onifast_shared.accounts import audit, pending_logins, remembered_devices
from onifast_shared.accounts.audit import Actor
from onifast_shared.accounts.panel_users import PanelUser
from onifast_shared.accounts.pending_logins import PendingLogin
from onifast_shared.db.database import Connection
from onifast_shared.machine import log
from onifast_shared.machine.counting import count
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access import auth
from onifast_web.access.context import Web
from onifast_web.access.cookie_names import DEVICE, PENDING
from onifast_web.actions import audited
from onifast_web.actions import second_factor as actions
from onifast_web.http.forwarded import CLIENT

_logger = log.get("web")


def after_first_factor(web: Web, user: PanelUser, shown: str, target: str) -> AnyResponse:
    """Signs in who has shown a password, or came by `sso`; or leads them to their second factor, or to set one up.

    `target` is a path of ours.
    """
    if shown == "sso" and not web.settings.totp_after_sso:
        return finish(web, user, shown, target)
    if actions.of(web, user.username).is_on:
        if _is_remembered(web, user):
            return finish(web, user, shown, target)
        return _ask(web, user, shown, target, "webmail.login_code")
    if actions.is_required(web.settings, user):
        actions.begin(web, user.username)
        return _ask(web, user, shown, target, "webmail.login_setup")
    return finish(web, user, shown, target)


def finish(web: Web, user: PanelUser, shown: str, target: str) -> AnyResponse:
    """Signs in who has shown all that is asked for."""
    response = redirect(target, 303)
    begin_session(web, user, shown, response)
    return response


def begin_session(web: Web, user: PanelUser, shown: str, response: AnyResponse) -> None:
    """Notes the login, and gives the browser its session."""
    guesser = actions.guesser(user.username)
    if shown != "sso":
        guesser.succeeded(web.database, web.clock())
    count("logins", result="success")
    log.event(_logger, "login", user=user.username, by=shown, client=guesser.client)
    audited.note_login(web, user.username, shown)
    auth.start_session(response, user)


def pending(web: Web) -> tuple[PendingLogin, PanelUser] | None:
    """The login that this browser has begun, and its user; None if it took too long, or somebody changed something."""
    token = request.cookies.get(PENDING, "")
    found = web.database.read(lambda tx: pending_logins.find(tx, token, web.clock())) if token else None
    user = auth.active_user(web, found.username) if found else None
    if found is None or user is None or not found.is_current(token, auth.stored_password(user)):
        return None
    return found, user


def end_pending(web: Web, response: AnyResponse) -> bool:
    """Ends the login that this browser has begun; False where another request did."""
    token = request.cookies.get(PENDING, "")
    auth.delete_cookie(response, PENDING)
    return web.database.write(lambda tx: pending_logins.end(tx, token))


def remember(web: Web, user: PanelUser, response: AnyResponse) -> None:
    """Asks this browser for no second factor for a while."""
    longest, stored, where = web.settings.totp_remembered, auth.stored_password(user), request.remote_addr or ""
    browser = request.headers.get("User-Agent", "")

    def write(tx: Connection) -> str:
        who = Actor(f"user:{user.username}", "totp", where)
        audit.record(tx, who, "device.remember", owner=user.username, now=web.clock())
        return remembered_devices.remember(
            *(tx, user.username, stored, web.clock(), longest), used_from=where, user_agent=browser
        )

    auth.set_cookie(response, DEVICE, web.database.write(write), longest)


def device_cookie() -> str:
    """What this browser is remembered by, "" if it is not."""
    return request.cookies.get(DEVICE, "")


def _ask(web: Web, user: PanelUser, shown: str, target: str, page: str) -> AnyResponse:
    stored = auth.stored_password(user)
    token = web.database.write(
        lambda tx: pending_logins.begin(tx, user.username, shown, target, password_hash=stored, now=web.clock())
    )
    log.event(_logger, "login-pending", user=user.username, by=shown, client=request.environ.get(CLIENT))
    response = redirect(url_for(page), 303)
    auth.set_cookie(response, PENDING, token, pending_logins.LIFETIME)
    return response


def _is_remembered(web: Web, user: PanelUser) -> bool:
    token, stored, longest, now = device_cookie(), auth.stored_password(user), web.settings.totp_remembered, web.clock()
    if not token:
        return False

    def is_remembered(tx: Connection) -> bool:
        return remembered_devices.is_remembered(tx, token, user.username, stored, now=now, longest=longest)

    if not web.database.read(is_remembered):
        return False
    where = request.remote_addr or ""
    web.database.write(lambda tx: remembered_devices.touch(tx, token, now, where))
    return True
