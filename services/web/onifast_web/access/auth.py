"""Who is calling, and what they may do.

A request is a browser's (session cookie, with a CSRF token on every change), a program's with a personal API token, or
the panel's with the service token. Every view says with `allow` who may call it; one that does not is never called.
"""

from __future__ import annotations

import contextlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from flask import Flask, Request, Response, current_app, g, redirect, request, url_for
from onifast_shared.accounts import api_tokens, panel_users, sessions, shared_mailboxes
from onifast_shared.accounts.api_tokens import ALL_SCOPES, TokenScope
from onifast_shared.accounts.panel_users import PanelUser
from onifast_shared.accounts.sessions import BrowserSession
from onifast_shared.db.database import Connection
from onifast_shared.db.errors import DatabaseError
from onifast_shared.departed import store as departed
from onifast_shared.machine import log
from onifast_shared.values import mailbox_accounts
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access import api_rates, only
from onifast_web.access.api_rates import CallQuota
from onifast_web.access.caller import Caller, Who
from onifast_web.access.context import Web, current
from onifast_web.access.cookie_names import SESSION
from onifast_web.http import csrf, problems
from onifast_web.http.forwarded import CALLER
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _

ACT_FOR = "X-Onifast-User"
IN_MAILBOX = "X-Onifast-Mailbox"
"""The header that names the shared mailbox which a call is about, by its address."""
POLL = "X-Onifast-Poll"
"""The header of what an open page asks by itself, which does not make a session last longer."""
_WRITE_PATIENCE = 2.0

_logger = log.get("web")
View = TypeVar("View", bound=Callable[..., Any])


def allow(who: Who, scope: TokenScope | None = None, *, visitors: bool = False) -> Callable[[View], View]:
    """Says who may call a view, and with which scope of an API token; None for tokens that have all of them.

    `visitors`: a panel user who looks into the mailbox of a mailbox user may call it too, without changing anything.
    """

    def mark(view: View) -> View:
        vars(view)["who"] = who
        vars(view)["scope"] = scope
        vars(view)["visitors"] = visitors
        return view

    return mark


def may_call(found: Caller, view: Callable[..., Any]) -> bool:
    """Whether a caller who has logged in may call a view."""
    return _is_among(found, vars(view)["who"]) and (found.visited_by is None or vars(view)["visitors"])


def caller() -> Caller:
    """Who makes this request, in a view that not everyone may call."""
    found: Caller | None = g.get("caller")
    if found is None:
        raise _no_login()
    return found


def visitor() -> Caller | None:
    """Who makes this request, in a view that everyone may call; None for somebody who has not logged in."""
    found: Caller | None = g.get("caller")
    return found


def register(app: Flask) -> None:
    """Checks every request before its view runs; prolongs the cookies of sessions in use."""
    app.before_request(_guard)
    app.after_request(_renew_cookie)
    app.after_request(_tell_rates)


def visit(account: str | None) -> None:
    """Opens a mailbox user's mailbox in the caller's session, or leaves it."""
    token = request.cookies.get(SESSION, "")
    current().database.write(lambda tx: sessions.visit(tx, token, account))


def start_session(response: AnyResponse, user: PanelUser) -> None:
    """Logs the browser in that gets `response`, until the user's password is changed."""
    web, stored = current(), stored_password(user)
    where, browser = request.remote_addr or "", request.headers.get("User-Agent", "")
    token, _ = web.database.write(
        lambda tx: sessions.create_session(
            tx, user.username, web.clock(), web.session_limits, stored, started_from=where, user_agent=browser
        )
    )
    set_cookie(response, SESSION, token, web.settings.session_lifetime)


def end_session(response: AnyResponse) -> None:
    """Logs this browser out."""
    token = request.cookies.get(SESSION, "")
    current().database.write(lambda tx: sessions.end_session(tx, token))
    delete_cookie(response, SESSION)


def active_user(web: Web, username: str) -> PanelUser | None:
    """The panel user of that name, unless they are disabled.

    Raises Problem(503) while their file cannot be read, or something of an earlier user of the name has still to be set
    aside, which they must not see.
    """
    try:
        user = web.directory.get(username)
    except panel_users.AccountError as error:
        raise _unreadable(username, error) from None
    if user is None or user.disabled:
        return None
    if web.database.read(lambda tx: departed.is_moving(tx, username)):
        raise Problem(503, _("This account is being made ready; try again in a moment."), headers={"Retry-After": "2"})
    return user


def named_user(web: Web, typed: str) -> PanelUser | None:
    """The user whom a name or an address means, unless they are disabled; raises Problem(503) as `active_user`."""
    try:
        account = web.directory.named(typed).account
    except panel_users.AccountError as error:
        raise _unreadable(typed, error) from None
    return active_user(web, account)


def known_user(web: Web, username: str) -> str:
    """The name of a panel user who is not disabled; raises ValueError for any other, with a sentence for who asked."""
    if mailbox_accounts.is_mailbox(username) or not panel_users.check_username(username):
        raise ValueError(f"there is no panel user {username!r}, or they are disabled")
    if active_user(web, username) is None:
        raise ValueError(f"there is no panel user {username!r}, or they are disabled")
    return username


def user_in_field(web: Web, field: str, username: str) -> str:
    """The name of a panel user that a field holds; raises Problem(422) where there is no such user."""
    try:
        return known_user(web, username)
    except ValueError as error:
        raise problems.unprocessable(field, str(error)) from None


def _unreadable(username: str, error: panel_users.AccountError) -> Problem:
    log.event(_logger, "user-directory-trouble", 40, user=username, reason=error)
    return Problem(503, "The panel's account data cannot be read just now.")


def _guard() -> AnyResponse | None:
    view = current_app.view_functions.get(request.endpoint or "")
    if view is None:
        return None  # Flask answers 404 or 405.
    who: Who = vars(view)["who"]  # A view without it is a bug: 500, and nobody gets in.
    web = current()
    g.caller = _identify(web, request)
    if g.caller is not None:
        _tell_server(g.caller)
        _count_call(web, g.caller)
    if who is Who.ANYONE:
        return None
    if g.caller is None:
        return _ask_to_log_in()
    check_scope(g.caller, vars(view)["scope"])
    _check_rights(g.caller, who)
    if g.caller.visited_by is not None and not vars(view)["visitors"]:
        name = g.caller.name
        raise Problem(403, _("This is the mailbox of %(name)s, where you can read only. Leave it first.", name=name))
    if g.caller.csrf_token:
        csrf.check_token(request, g.caller.csrf_token)
    return None


def _tell_server(found: Caller) -> None:
    """Whose this request is: others of theirs that wait for a thread take turns with other people's."""
    if learn := request.environ.get(CALLER):
        learn(found.username or "panel")


def _count_call(web: Web, found: Caller) -> None:
    """Raises Problem(429) for a user's call of the API beyond their quota, or their token's; the panel has none."""
    if found.is_service or found.username is None or not request.path.startswith("/api/"):
        return
    settings = web.settings
    quotas = [CallQuota("user", found.username, settings.api_calls_per_minute)]
    if found.token:
        quotas.append(CallQuota("token", str(found.token.id), settings.api_calls_per_minute_by_token))
    uses = web.rates.count((each for each in quotas if each.most), web.clock())
    g.rate_fields = api_rates.fields(uses)
    api_rates.check(uses)


def _tell_rates(response: Response) -> Response:
    response.headers.extend(g.get("rate_fields", {}))
    return response


def check_scope(found: Caller, scope: TokenScope | None) -> None:
    """Raises Problem(403) where the caller's token lacks a scope; any, if that is None (RFC 6750 section 3.1)."""
    missing = (ALL_SCOPES if scope is None else {scope}) - found.scopes
    if not missing:
        return
    names = " ".join(each.value for each in TokenScope if each in missing)
    detail = f"This token lacks the scope {names}." if scope else "This token is for the API; pages need all scopes."
    challenge = f'Bearer error="insufficient_scope", scope="{names}"'
    raise Problem(403, detail, headers={"WWW-Authenticate": challenge})


def _check_rights(found: Caller, who: Who) -> None:
    if not _is_among(found, who):
        if who is Who.PERSON:
            name = found.name
            raise Problem(403, _("This is about your own login. Leave the shared mailbox %(name)s first.", name=name))
        raise Problem(403, only.words(who.name))


def _is_among(found: Caller, who: Who) -> bool:
    if who is Who.SERVICE:
        return found.is_service and found.username is None
    if who is Who.PERSON or (found.member is not None and who is Who.MAILBOX_USER):
        return found.member is None
    if who in (Who.PANEL_USER, Who.MAILBOX_USER):
        return (found.belongs_to is None) == (who is Who.PANEL_USER)
    return found.is_admin or who is not Who.ADMINISTRATOR


def _ask_to_log_in() -> AnyResponse:
    if problems.is_for_programs(request):
        raise _no_login()
    there = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("webmail.login", next=None if there == "/" else there), 303)


def _no_login() -> Problem:
    return Problem(401, "Log in, or send a token.", headers={"WWW-Authenticate": 'Bearer realm="onifast-mail"'})


def _identify(web: Web, asked: Request) -> Caller | None:
    found = _person(web, asked)
    if found is None or IN_MAILBOX not in asked.headers:
        return found
    if found.username is None or found.visited_by is not None:
        raise Problem(403, f"{IN_MAILBOX} goes with a user.")
    opened = _in_shared(web, found, asked.headers[IN_MAILBOX])
    if opened is None:
        raise problems.not_found("shared mailbox")
    return opened


def _in_shared(web: Web, found: Caller, name: str) -> Caller | None:
    """The caller in a shared mailbox of theirs, which is named by address or account; None where they are no member."""
    person = found.member or found.username or ""
    opened = web.database.read(
        lambda tx: next(
            (each for each in shared_mailboxes.opened_by(tx, person) if name.lower() in (each.address, each.account)),
            None,
        )
    )
    live = None if opened is None else web.database.read(lambda tx: shared_mailboxes.find(tx, opened.account))
    owner = None if live is None else web.directory.get(live.owner)
    if live is None or owner is None or owner.disabled:
        return None
    return replace(found, username=live.account, is_admin=False, belongs_to=live.owner, member=person)


def _person(web: Web, asked: Request) -> Caller | None:
    scheme, _, token = asked.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return _bearer(web, asked, token.strip())
    if ACT_FOR in asked.headers:
        raise Problem(403, f"{ACT_FOR} goes with the panel's service token only.")
    return _cookie(web, asked)


def _bearer(web: Web, asked: Request, token: str) -> Caller:
    if hmac.compare_digest(token.encode(), web.service_token.reveal().encode()):
        return _service(web, asked.headers.get(ACT_FOR))
    if ACT_FOR in asked.headers:
        raise Problem(403, f"{ACT_FOR} goes with the panel's service token only.")
    found = web.database.read(lambda tx: api_tokens.find(tx, token))
    user = active_user(web, found.username) if found else None
    if found is None or user is None or found.is_over(web.clock()):
        raise Problem(401, "The token is not valid.", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    where = asked.remote_addr or ""
    if web.clock() - (found.used_ts or 0) > sessions.SEEN_INTERVAL:
        _note(web, lambda tx: api_tokens.touch(tx, found.id, web.clock(), where))
    is_admin = user.is_admin and TokenScope.ADMIN in found.scopes
    return Caller(user.username, is_admin, acts_with=f"token:{found.id}", token=found, belongs_to=user.belongs_to)


def _service(web: Web, act_for: str | None) -> Caller:
    if act_for is None:
        return Caller(None, is_admin=True, is_service=True, acts_with="service")
    user = named_user(web, act_for)
    if user is None:
        raise problems.not_found("panel user")
    return Caller(user.username, user.is_admin, is_service=True, acts_with="service", belongs_to=user.belongs_to)


def _cookie(web: Web, asked: Request) -> Caller | None:
    token = asked.cookies.get(SESSION)
    if not token:
        return None
    session = web.database.read(lambda tx: sessions.find_session(tx, token, web.clock(), web.session_limits))
    if session is None:
        return None
    user = active_user(web, session.username)
    if user is None or not sessions.is_current(session, token, stored_password(user)):
        # For good: neither a suspension that is over nor a former password brings it back.
        _note(web, lambda tx: sessions.end_session(tx, token))
        return None
    if POLL not in asked.headers:
        _keep_alive(web, token, session)
    found = Caller(
        user.username,
        user.is_admin,
        csrf_token=session.csrf_token,
        acts_with="session",
        session_id=sessions.session_id(token),
        belongs_to=user.belongs_to,
    )
    return found if session.visiting is None else _visiting(web, found, session.visiting)


def _visiting(web: Web, found: Caller, account: str) -> Caller:
    """The caller in the mailbox that they opened, as long as they may; else they are in their own again."""
    if (shared := _in_shared(web, found, account)) is not None:
        return shared
    visited = web.directory.get(account) if web.settings.owners_read_mailboxes else None
    if visited is None or visited.belongs_to != found.username:
        return found
    return replace(found, username=account, is_admin=False, belongs_to=visited.belongs_to, visited_by=found.username)


def stored_password(user: PanelUser) -> str:
    """What the panel keeps as a user's password: whatever began with another one ends."""
    return user.password_hash.reveal() if user.password_hash else ""


def _keep_alive(web: Web, token: str, session: BrowserSession) -> None:
    now = web.clock()
    if now - session.seen_ts > sessions.SEEN_INTERVAL:
        _note(web, lambda tx: sessions.touch_session(tx, token, session, now, web.session_limits))
        g.renewed_cookie = token


def _note(web: Web, fn: Callable[[Connection], None]) -> None:
    """Writes what a request should leave behind; it goes on where even that cannot be written."""
    with contextlib.suppress(DatabaseError):
        web.database.write(fn, timeout=_WRITE_PATIENCE)


def _renew_cookie(response: Response) -> Response:
    if (token := g.get("renewed_cookie")) and "Set-Cookie" not in response.headers:
        set_cookie(response, SESSION, token, current().settings.session_lifetime)
    return response


def set_cookie(response: AnyResponse, name: str, token: str, seconds: float) -> None:
    """A cookie that opens something: for this webmail alone, and for no script."""
    response.set_cookie(
        *(name, token),
        max_age=int(seconds),
        path=request.script_root or "/",
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )


def delete_cookie(response: AnyResponse, name: str) -> None:
    """Takes such a cookie back."""
    response.delete_cookie(name, path=request.script_root or "/")
