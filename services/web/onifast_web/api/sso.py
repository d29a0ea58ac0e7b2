"""Single sign-on: the panel asks for a token, and sends its user's browser to /sso-login with it."""

from __future__ import annotations

from typing import Annotated

from flask import url_for
from onifast_shared.accounts import sessions
from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.values import times
from pydantic import Field

from onifast_web.access import auth
from onifast_web.access.caller import Who
from onifast_web.api.endpoint import Call, Endpoint, Moment
from onifast_web.http.models import Model
from onifast_web.http.problems import not_found


class SsoBody(Model):
    """Whom the token logs in: a panel user by name, or by an address of theirs."""

    username: Annotated[str, Field(max_length=254)]


class SsoToken(Model):
    """Good once, until `expires_at`. `url` is where the browser goes."""

    token: str
    url: str
    expires_at: Moment


def issue_token(call: Call) -> SsoToken:
    """A token that signs a panel user in, once."""
    user = auth.named_user(call.web, call.body.username)
    if user is None:
        raise not_found("panel user")
    now, lifetime = call.web.clock(), call.web.settings.sso_lifetime
    token = call.web.database.write(lambda tx: sessions.issue_sso(tx, user.username, now, lifetime))
    return SsoToken(
        token=token,
        url=url_for("webmail.sso_login", token=token, _external=True),
        expires_at=times.rfc3339(now + lifetime),
    )


ENDPOINTS = (
    Endpoint(
        "POST",
        "/api/panel/sso-token",
        Who.SERVICE,
        TokenScope.ADMIN,
        "A one-time sign-on token for a panel user",
        issue_token,
        body=SsoBody,
        answer=SsoToken,
        status=201,
        failures={404: "There is no such panel user, or they are disabled."},
    ),
)
