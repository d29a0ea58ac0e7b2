"""Two-step sign-in: the user's second factor, set up by QR code, with recovery codes, changed and turned off."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Response, redirect, request, url_for
from onifast_shared.machine.log import Secret
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access import auth, totp
from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import audited
from onifast_web.actions import second_factor as actions
from onifast_web.actions.second_factor import NotProved
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _, marked
from onifast_web.webmail.declared import NavEntry, NavGroup, Notice, Notices, PageRoute
from onifast_web.webmail.pages import page, user


@allow(Who.PERSON)
def two_step() -> AnyResponse:
    """What there is, and what is done about it; each step but the first needs the password and a code."""
    if request.method == "GET":
        return _page()
    try:
        return _do(request.form.get("do", ""))
    except NotProved as error:
        return _page(errors={error.field: str(error)}, wait=error.wait)


ROUTES = (PageRoute("GET POST", "/two-step", two_step),)
NAV = (
    NavEntry(
        "two-step",
        marked("Two-step sign-in"),
        two_step,
        icon="shield",
        group=NavGroup.SIGNING_IN,
        order=20,
        hint=marked("A code from your phone besides the password."),
    ),
)
NOTICES: Notices = {
    "two-step-off": marked("Two-step sign-in is off. Your password alone signs you in."),
    "recovery-code-used": Notice(
        marked(
            "You signed in with a recovery code, which is used up. If your authenticator is lost, set up another one."
        )
    ),
}


def _do(what: str) -> AnyResponse:
    web, (caller, username) = current(), user()
    if what == "confirm":
        codes = actions.confirm(web, audited.actor(caller), username, request.form.get("code", ""))
        return _page(codes=codes)
    if what == "cancel":
        actions.give_up(web, username)
        return redirect(url_for("webmail.two_step"), 303)
    if what == "off" and _is_required(username):
        raise Problem(403, _("Your administrator asks for two-step sign-in; set up another authenticator instead."))
    if what not in {"begin", "recovery-codes", "off"}:
        raise Problem(400, _("There is no such step."))
    was_on = actions.of(web, username).is_on
    actions.prove(web, username, request.form.get("password", ""), request.form.get("code", ""))
    if what == "off":
        actions.remove(web, caller, username, "totp.disable")
        return redirect(url_for("webmail.two_step", did="two-step-off"), 303)
    if what == "recovery-codes" and was_on:
        return _page(codes=actions.renew_recovery(web, caller, username))
    actions.begin(web, username)
    return redirect(url_for("webmail.two_step"), 303)


def _is_required(username: str) -> bool:
    found = auth.active_user(current(), username)
    return found is not None and actions.is_required(current().settings, found)


def _page(*, codes: Sequence[Secret] = (), errors: dict[str, str] | None = None, wait: int = 0) -> Response:
    web, (_caller, username) = current(), user()
    secret = None if codes else actions.begun(web, username)
    response = page(
        "two_step.html",
        "two-step",
        429 if wait else 422 if errors else 200,
        found=actions.of(web, username),
        required=_is_required(username),
        codes=codes,
        errors=errors or {},
        secret=totp.spaced(secret) if secret else "",
        qr_code=totp.qr_code(totp.uri(secret, username, web.settings.hostname)) if secret else "",
    )
    if wait:
        response.headers["Retry-After"] = str(wait)
    return response
