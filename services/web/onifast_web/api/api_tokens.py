"""Personal API tokens: each for one of the user's programs, with the scopes that it needs, shown once, revocable."""

from __future__ import annotations

from typing import Annotated, Literal

from onifast_shared.accounts import api_tokens
from onifast_shared.accounts.api_tokens import ApiToken, TokenError, TokenRefused, TokenScope
from onifast_shared.values import times
from pydantic import Field, field_validator

from onifast_web.access.caller import Who
from onifast_web.actions import api_tokens as actions
from onifast_web.api import chosen
from onifast_web.api.endpoint import Call, Endpoint, Id, Moment, checked_moment, optional_moment
from onifast_web.http.models import Model
from onifast_web.http.problems import Problem, not_found, unprocessable
from onifast_web.reading.render import sentence

ScopeName = Literal["read", "send", "manage", "admin"]


class ApiTokenInfo(Model):
    """`expires_at` is null for never; `used_at` and `used_from` (the client's address) where it was never used."""

    id: int
    name: str
    scopes: list[ScopeName]
    created_at: Moment
    expires_at: Moment | None
    expired: bool
    used_at: Moment | None
    used_from: str | None


class ApiTokenList(Model):
    """The caller's tokens, oldest first; those that have expired too, until they are revoked."""

    tokens: list[ApiTokenInfo]


class ApiTokenBody(Model):
    """`name` is for the user: the program that the token is for. No scope is part of another.

    `read`: GET of everything but what is for administrators; `send`: mail and drafts; `manage`: all other changes;
    `admin`: what administrators may, while the user is one. `expires_at` is null or left out for never.
    """

    name: Annotated[str, Field(min_length=1, max_length=api_tokens.MAX_NAME)]
    scopes: Annotated[list[ScopeName], Field(min_length=1, max_length=len(TokenScope))]
    expires_at: Moment | None = None

    _moment = field_validator("expires_at")(checked_moment)


class NewApiToken(ApiTokenInfo):
    """`token` is shown here and never again."""

    username: str
    token: str


class ApiTokenQuery(Model):
    """Which token."""

    id: Id


def list_tokens(call: Call) -> ApiTokenList:
    """The caller's API tokens, without the tokens themselves."""
    username = chosen.the_user(call, "personal tokens")
    rows = call.web.database.read(lambda tx: api_tokens.list_for(tx, username))
    return ApiTokenList(tokens=[_info(call, row) for row in rows])


def create_token(call: Call) -> NewApiToken:
    """A new API token; it works from now on. A token can make none that may do more than itself, or for longer."""
    body: ApiTokenBody = call.body
    username = chosen.the_user(call, "personal tokens")
    expires_ts = None if body.expires_at is None else times.parse_rfc3339(body.expires_at)
    scopes = api_tokens.scopes_from(body.scopes)
    try:
        token, made = actions.create(call.web, call.caller, username, body.name, scopes=scopes, expires_ts=expires_ts)
    except TokenRefused as error:
        raise Problem(403, sentence(error)) from None
    except TokenError as error:
        raise unprocessable(error.field, str(error)) from None
    return NewApiToken(**dict(_info(call, made)), username=username, token=token.reveal())


def revoke_token(call: Call) -> None:
    """Ends an API token at once; also the one that asks."""
    if not actions.revoke(call.web, call.caller, chosen.the_user(call, "personal tokens"), call.query.id):
        raise not_found("token")


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/tokens",
        Who.PERSON,
        TokenScope.READ,
        "The caller's API tokens",
        list_tokens,
        answer=ApiTokenList,
    ),
    Endpoint(
        "POST",
        "/api/tokens",
        Who.PERSON,
        TokenScope.MANAGE,
        "Make an API token",
        create_token,
        body=ApiTokenBody,
        answer=NewApiToken,
        status=201,
    ),
    Endpoint(
        "DELETE",
        "/api/tokens",
        Who.PERSON,
        TokenScope.MANAGE,
        "Revoke an API token",
        revoke_token,
        ApiTokenQuery,
        status=204,
        failures={404: "The caller has no such token."},
    ),
)


def _info(call: Call, row: ApiToken) -> ApiTokenInfo:
    return ApiTokenInfo(
        id=row.id,
        name=row.name,
        scopes=[scope.value for scope in TokenScope if scope in row.scopes],
        created_at=times.rfc3339(row.created_ts),
        expires_at=optional_moment(row.expires_ts),
        expired=row.is_over(call.web.clock()),
        used_at=optional_moment(row.used_ts),
        used_from=row.used_from,
    )
