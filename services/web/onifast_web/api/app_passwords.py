"""App passwords: each for one of the user's programs, shown once, revocable."""

from __future__ import annotations

from typing import Annotated

from onifast_shared.accounts import app_passwords
from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.accounts.app_passwords import AppPassword, AppPasswordError
from onifast_shared.values import mailbox_accounts, times
from pydantic import Field

from onifast_web.access import auth
from onifast_web.access.caller import Who
from onifast_web.actions import app_passwords as actions
from onifast_web.api import chosen
from onifast_web.api.endpoint import Call, Endpoint, Id, Moment, optional_moment
from onifast_web.http.models import Model
from onifast_web.http.problems import Problem, not_found, unprocessable


class AppPasswordInfo(Model):
    """`used_at` and `used_from` (the client's address) are null where it was never used."""

    id: int
    name: str
    created_at: Moment
    used_at: Moment | None
    used_from: str | None


class AppPasswordList(Model):
    """The caller's app passwords."""

    app_passwords: list[AppPasswordInfo]


class AppPasswordBody(Model):
    """`name` is for the user: the program that the password is for."""

    name: Annotated[str, Field(min_length=1, max_length=app_passwords.MAX_NAME)]


class NewAppPassword(Model):
    """`password` is shown here and never again."""

    id: int
    username: str
    name: str
    password: str
    created_at: Moment


class RevokeQuery(Model):
    """Which app password."""

    id: Id


def list_app_passwords(call: Call) -> AppPasswordList:
    """The caller's app passwords, without the passwords."""
    username = chosen.the_user(call, "app passwords")
    rows = call.web.database.read(lambda tx: app_passwords.list_for(tx, username))
    return AppPasswordList(app_passwords=[_info(row) for row in rows])


def create_app_password(call: Call) -> NewAppPassword:
    """A new password for SMTP; it works from now on, with SCRAM-SHA-256, PLAIN and LOGIN. A token needs `send` too,
    and no end: the password has none."""
    username = chosen.the_user(call, "app passwords")
    auth.check_scope(call.caller, TokenScope.SEND)
    if call.caller.token is not None and call.caller.token.expires_ts is not None:
        raise Problem(403, "A token that ends makes no app password, which would last longer.")
    try:
        password, made = actions.create(call.web, username, call.body.name)
    except AppPasswordError as error:
        raise unprocessable("name", str(error)) from None
    return NewAppPassword(
        id=made.id,
        username=mailbox_accounts.shown(username),
        name=made.name,
        password=password.reveal(),
        created_at=times.rfc3339(made.created_ts),
    )


def revoke_app_password(call: Call) -> None:
    """Ends an app password at once."""
    username = chosen.the_user(call, "app passwords")
    if not actions.revoke(call.web, username, call.query.id):
        raise not_found("app password")


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/app-passwords",
        Who.PERSON,
        TokenScope.READ,
        "The caller's app passwords",
        list_app_passwords,
        answer=AppPasswordList,
        failures={403: "The service token named no user."},
    ),
    Endpoint(
        "POST",
        "/api/mail/app-passwords",
        Who.PERSON,
        TokenScope.MANAGE,
        "Make an app password",
        create_app_password,
        body=AppPasswordBody,
        answer=NewAppPassword,
        status=201,
    ),
    Endpoint(
        "DELETE",
        "/api/mail/app-passwords",
        Who.PERSON,
        TokenScope.MANAGE,
        "Revoke an app password",
        revoke_app_password,
        RevokeQuery,
        status=204,
        failures={404: "The caller has no such app password."},
    ),
)


def _info(row: AppPassword) -> AppPasswordInfo:
    return AppPasswordInfo(
        id=row.id,
        name=row.name,
        created_at=times.rfc3339(row.created_ts),
        used_at=optional_moment(row.used_ts),
        used_from=row.used_from,
    )
