"""The second factor (TOTP): whether a user has one, and its reset by administrators and the panel."""

from __future__ import annotations

from typing import Annotated

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.values import mailbox_accounts
from pydantic import Field

from onifast_web.access import auth
from onifast_web.access.caller import Who
from onifast_web.actions import second_factor as actions
from onifast_web.actions import sessions
from onifast_web.api import chosen
from onifast_web.api.endpoint import Call, Endpoint, Moment, optional_moment
from onifast_web.http.models import Model
from onifast_web.http.problems import not_found

_OF_WHOM = (
    "Whose, by user name or address: administrators ask of anybody, panel users of their mailbox users. The caller's"
    " unless given."
)


class TotpQuery(Model):
    """Whose second factor."""

    username: Annotated[str | None, Field(max_length=320, description=_OF_WHOM)] = None


class TotpResetQuery(Model):
    """Whose second factor."""

    username: Annotated[str, Field(max_length=320)]


class TotpState(Model):
    """A user turns it on and off in the webmail: that needs their password and a code."""

    username: str
    enabled: Annotated[bool, Field(description="Whether a login with the password asks for a code.")]
    enabled_at: Annotated[Moment | None, Field(description="Since when; null for not.")]
    required: Annotated[bool, Field(description="Whether the setting totp_required asks this user for it.")]
    recovery_codes_left: Annotated[int, Field(description="Recovery codes that were not used yet.")]
    remembered_devices: Annotated[int, Field(description="Browsers in which the user is asked for no code.")]


def show_totp(call: Call) -> TotpState:
    """Whether a user has a second factor, and what is left of it."""
    username = chosen.the_user(call, "second factor") if call.query.username is None else None
    username = username or actions.account_of(call.web, call.caller, call.query.username)
    user = auth.active_user(call.web, username)
    if user is None:
        raise not_found("panel user")
    found = actions.of(call.web, username)
    return TotpState(
        username=mailbox_accounts.shown(username),
        enabled=found.is_on,
        enabled_at=optional_moment(found.confirmed_ts),
        required=actions.is_required(call.web.settings, user),
        recovery_codes_left=found.recovery_left,
        remembered_devices=len(sessions.devices(call.web, username)),
    )


def reset_totp(call: Call) -> None:
    """Takes the second factor of a user, or of a mailbox user of the caller's, away, for who lost authenticator and
    recovery codes. They are signed out nowhere."""
    actions.reset(call.web, call.caller, call.query.username)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/totp",
        Who.PERSON,
        TokenScope.READ,
        "Whether a user has a second factor",
        show_totp,
        TotpQuery,
        answer=TotpState,
        failures={404: "There is no such panel user, or they are disabled."},
    ),
    Endpoint(
        "DELETE",
        "/api/totp",
        Who.PANEL_USER,
        TokenScope.MANAGE,
        "Reset a user's second factor",
        reset_totp,
        TotpResetQuery,
        status=204,
        failures={404: "There is no such user, or they have no second factor."},
    ),
)
