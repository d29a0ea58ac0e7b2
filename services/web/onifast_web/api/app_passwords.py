"""App passwords: each for one of the user's programs, shown once, revocable."""

from __future__ import annotations

from typing import Annotated

from onifast_shared.accounts import app_passwords, panel_users
from onifast_shared.accounts.app_passwords import AppPassword, AppPasswordError
from onifast_shared.machine import log
from onifast_shared.machine.log import Secret
from onifast_shared.values import times
from pydantic import Field

from onifast_web.access import auth
from onifast_web.access.auth import Who
from onifast_web.access.context import Web
from onifast_web.api.endpoint import Call, Endpoint, Id, Model, Moment, optional_moment, unprocessable
from onifast_web.http.problems import Problem, not_found

_logger = log.get("web")


class AppPasswordInfo(Model):
    """`used_at` and `used_from` (the client's address) are null where it was never used."""

    id: int
    name: str
    created_at: Moment
    used_at: Moment | None
    used_from: str | None


class AppPasswordList(Model):
    app_passwords: list[AppPasswordInfo]


class AppPasswordBody(Model):
    """`name` is for the user: the program that the password is for."""

    name: Annotated[str, Field(max_length=app_passwords.MAX_NAME)]


class NewAppPassword(Model):
    """`password` is shown here and never again."""

    id: int
    username: str
    name: str
    password: str
    created_at: Moment


class RevokeQuery(Model):
    id: Id


def list_app_passwords(call: Call) -> AppPasswordList:
    """The caller's app passwords, without the passwords."""
    username = _username(call)
    rows = call.web.database.read(lambda tx: app_passwords.list_for(tx, username))
    return AppPasswordList(app_passwords=[_info(row) for row in rows])


def create_app_password(call: Call) -> NewAppPassword:
    """A new password for SMTP; it works from now on, with SCRAM-SHA-256, PLAIN and LOGIN."""
    username = _username(call)
    try:
        password, made = create(call.web, username, call.body.name)
    except AppPasswordError as error:
        raise unprocessable("name", str(error)) from None
    return NewAppPassword(
        id=made.id,
        username=username,
        name=made.name,
        password=password.reveal(),
        created_at=times.rfc3339(made.created_ts),
    )


def revoke_app_password(call: Call) -> None:
    """Ends an app password at once."""
    username = _username(call)
    if not revoke(call.web, username, call.query.id):
        raise not_found("app password")


def create(web: Web, username: str, name: str) -> tuple[Secret, AppPassword]:
    """A new app password; raises AppPasswordError, and Problem(503) while the user's file cannot be used."""
    user = auth.active_user(web, username)
    try:
        panel = user.verifier() if user else None
    except panel_users.AccountError as error:
        log.event(_logger, "user-file-error", 40, user=username, error=str(error))
        raise Problem(503, "The panel's account data cannot be read just now. Tell your administrator.") from None
    made = web.database.write(lambda tx: app_passwords.create(tx, username, panel, name, web.clock()))
    log.event(_logger, "app-password-created", user=username, id=made[1].id, name=made[1].name)
    return made


def revoke(web: Web, username: str, password_id: int) -> bool:
    """Ends an app password; False if the user has none of that id."""
    revoked = web.database.write(lambda tx: app_passwords.revoke(tx, username, password_id))
    if revoked:
        log.event(_logger, "app-password-revoked", user=username, id=password_id)
    return revoked


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/app-passwords",
        Who.USER,
        "The caller's app passwords",
        list_app_passwords,
        answer=AppPasswordList,
        failures={403: "The service token named no user."},
    ),
    Endpoint(
        "POST",
        "/api/mail/app-passwords",
        Who.USER,
        "Make an app password",
        create_app_password,
        body=AppPasswordBody,
        answer=NewAppPassword,
        status=201,
    ),
    Endpoint(
        "DELETE",
        "/api/mail/app-passwords",
        Who.USER,
        "Revoke an app password",
        revoke_app_password,
        RevokeQuery,
        status=204,
        failures={404: "The caller has no such app password."},
    ),
)


def _username(call: Call) -> str:
    if call.caller.username is None:
        raise Problem(403, f"The service token has no app passwords; name a user with {auth.ACT_FOR}.")
    return call.caller.username


def _info(row: AppPassword) -> AppPasswordInfo:
    return AppPasswordInfo(
        id=row.id,
        name=row.name,
        created_at=times.rfc3339(row.created_ts),
        used_at=optional_moment(row.used_ts),
        used_from=row.used_from,
    )
