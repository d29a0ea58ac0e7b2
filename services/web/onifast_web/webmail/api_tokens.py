"""API tokens: the user's list, a new one shown once, and revoking."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Response, redirect, request, url_for
from onifast_shared.accounts import api_tokens as store
from onifast_shared.accounts.api_tokens import SCOPE_MEANINGS, ApiToken, TokenError, TokenScope
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import api_tokens as actions
from onifast_web.http.problems import not_found
from onifast_web.languages.texts import _, marked
from onifast_web.reading.render import sentence
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import page, user

_DAY = 86400
_LIVES = {"30": marked("30 days"), "90": marked("90 days"), "365": marked("A year"), "": marked("Never")}


@dataclass(frozen=True)
class FreshToken:
    """A token that was made just now."""

    name: str
    text: str


@allow(Who.PERSON)
def tokens() -> AnyResponse:
    """The list with its form. A new token is in the answer to the form itself, and in no page after it."""
    if request.method == "GET":
        return _list_page()
    if request.form.get("do") == "revoke":
        return _revoke()
    caller, username = user()
    try:
        scopes = store.scopes_from(request.form.getlist("scopes"))
        expires_ts = _expires_ts(request.form.get("life", ""))
        name = request.form.get("name", "")
        text, made = actions.create(current(), caller, username, name, scopes=scopes, expires_ts=expires_ts)
    except TokenError as error:
        return _list_page(errors={"life" if error.field == "expires_at" else error.field: sentence(error)})
    return _list_page(FreshToken(made.name, text.reveal()))


ROUTES = (PageRoute("GET POST", "/tokens", tokens),)
NAV = (
    NavEntry(
        "tokens",
        marked("API tokens"),
        tokens,
        icon="code",
        group=NavGroup.SIGNING_IN,
        order=60,
        hint=marked("For programs that read or send mail in your name."),
    ),
)
NOTICES: Notices = {"token-revoked": marked("Token revoked.")}


def _expires_ts(life: str) -> int | None:
    if life not in _LIVES:
        raise TokenError("expires_at", _("choose when it ends"))
    return int(current().clock() + int(life) * _DAY) if life else None


def _revoke() -> AnyResponse:
    caller, username = user()
    if not actions.revoke(current(), caller, username, request.form.get("id", 0, type=int)):
        raise not_found("token")
    return redirect(url_for("webmail.tokens", did="token-revoked"), 303)


def _list_page(fresh: FreshToken | None = None, errors: dict[str, str] | None = None) -> Response:
    caller, username = user()
    rows: list[ApiToken] = current().database.read(lambda tx: store.list_for(tx, username))
    offered = [scope for scope in TokenScope if caller.is_admin or scope is not TokenScope.ADMIN]
    form = request.form if errors else None
    return page(
        "api_tokens.html",
        "tokens",
        422 if errors else 201 if fresh else 200,
        rows=rows,
        now=current().clock(),
        fresh=fresh,
        errors=errors,
        scopes=[(scope.value, SCOPE_MEANINGS[scope]) for scope in offered],
        lives=_LIVES,
        name=form.get("name", "") if form else "",
        chosen=form.getlist("scopes") if form else ["read"],
        life=form.get("life", "") if form else "365",
        api_url=url_for("home", _external=True) + "api/",
    )
