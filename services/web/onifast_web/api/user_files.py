"""Panel users made by the panel's service token, given another password, and their passwords checked."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from onifast_shared.accounts import app_passwords, passwords
from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.values import mailbox_accounts
from pydantic import ConfigDict, Field, model_validator

from onifast_web.access.caller import Who
from onifast_web.access.guessing import Guesser
from onifast_web.actions import password_attempts, second_factor
from onifast_web.actions import user_files as actions
from onifast_web.api.endpoint import Call, Endpoint
from onifast_web.http.forwarded import SHARED_CLIENT
from onifast_web.http.models import Model
from onifast_web.http.problems import Problem, unprocessable

_OFF = "Users' files are the panel's: the setting writes_users is false."
_NOT_WRITABLE = "The directory of the users' files cannot be written to."
PasswordText = Annotated[
    str,
    Field(
        min_length=passwords.SHORTEST_PASSWORD,
        max_length=passwords.MAX_PASSWORD // 4,
        description="The password.",
        examples=["correct horse battery"],
        json_schema_extra={"format": "line"},
    ),
]


class UserFileBody(Model):
    """A panel user, and the password that they get: `password`, or one that is made (`generate_password`)."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {
                    "required": ["password"],
                    "properties": {"password": {"type": "string"}, "generate_password": {"const": False}},
                },
                {
                    "required": ["generate_password"],
                    "properties": {"generate_password": {"const": True}, "password": {"type": "null"}},
                },
            ]
        }
    )

    username: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
    password: PasswordText | None = None
    generate_password: Annotated[bool, Field(description="Whether a password is made, and shown in the answer.")] = (
        False
    )

    @model_validator(mode="after")
    def _one_password(self) -> UserFileBody:
        if (self.password is not None) == self.generate_password:
            raise ValueError("give password or generate_password")
        return self


class UserFileInfo(Model):
    """A panel user whose file was written."""

    username: str
    password: Annotated[str | None, Field(description="The password, if it was made here: shown now and never again.")]


class PasswordCheckBody(Model):
    """A name to log in by, or an address, and what somebody typed as its password."""

    username: Annotated[str, Field(max_length=320)]
    password: Annotated[str, Field(max_length=1024, description="What was typed.", examples=["correct horse battery"])]
    client: Annotated[
        str | None,
        Field(
            max_length=64,
            description="The IP address of who typed it: wrong passwords are counted by it and the user.",
            examples=["192.0.2.7"],
        ),
    ] = None


class PasswordCheckInfo(Model):
    """Whether it was the password of somebody who may log in."""

    matches: Annotated[bool, Field(description="Whether it is the password of a user who may log in.")]
    username: Annotated[
        str | None, Field(description="Who that is: a panel user by name, a mailbox user by address; null for nobody.")
    ]
    owner: Annotated[str | None, Field(description="The panel user that a mailbox user belongs to.")]
    second_factor: Annotated[bool, Field(description="Whether they set up a second factor, which is not asked here.")]


def create_user(call: Call) -> UserFileInfo:
    """Writes a new user's file, with the password hashed in the way of the others. They are no administrator."""
    body: UserFileBody = call.body
    password = body.password or app_passwords.new_password().reveal()
    actions.create(call.web, body.username, password)
    return UserFileInfo(username=body.username, password=password if body.generate_password else None)


def change_user(call: Call) -> UserFileInfo:
    """Gives a panel user another password. What else their file says stays; their webmail sessions end."""
    body: UserFileBody = call.body
    password = body.password or app_passwords.new_password().reveal()
    actions.set_password(call.web, body.username, password)
    return UserFileInfo(username=body.username, password=password if body.generate_password else None)


def check_password(call: Call) -> PasswordCheckInfo:
    """Whether a password opens the webmail to a user, for a login page of the panel's own.

    It is an attempt like those at the webmail's login: wrong ones are counted, and too many of them are not heard.
    """
    body: PasswordCheckBody = call.body
    web, client = call.web, _client(body.client)
    made = password_attempts.attempt(web, body.username, body.password, client)
    if made.wait:
        detail = "Too many failed attempts for this user."
        raise Problem(429, detail, headers={"Retry-After": str(made.wait)})
    if made.user is None:
        return PasswordCheckInfo(matches=False, username=None, owner=None, second_factor=False)
    Guesser(client, made.user.username).succeeded(web.database, web.clock())
    return PasswordCheckInfo(
        matches=True,
        username=mailbox_accounts.shown(made.user.username),
        owner=made.user.belongs_to,
        second_factor=second_factor.of(web, made.user.username).is_on,
    )


def _client(text: str | None) -> str:
    if text is None:
        return SHARED_CLIENT
    try:
        return f"address:{ipaddress.ip_address(text.strip())}"
    except ValueError:
        raise unprocessable("client", "not an IP address") from None


ENDPOINTS = (
    Endpoint(
        "POST",
        "/api/panel/users",
        Who.SERVICE,
        TokenScope.ADMIN,
        "Make a panel user, where that is left to us",
        create_user,
        body=UserFileBody,
        answer=UserFileInfo,
        status=201,
        failures={403: _OFF, 409: "There is such a user.", 503: _NOT_WRITABLE},
    ),
    Endpoint(
        "PATCH",
        "/api/panel/users",
        Who.SERVICE,
        TokenScope.ADMIN,
        "Give a panel user another password, where that is left to us",
        change_user,
        body=UserFileBody,
        answer=UserFileInfo,
        failures={403: _OFF, 404: "There is no such user.", 503: _NOT_WRITABLE},
    ),
    Endpoint(
        "POST",
        "/api/panel/password-check",
        Who.SERVICE,
        TokenScope.ADMIN,
        "Check a user's password",
        check_password,
        body=PasswordCheckBody,
        answer=PasswordCheckInfo,
        failures={429: "Too many wrong passwords; Retry-After says for how long none is heard."},
    ),
)
