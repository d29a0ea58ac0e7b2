"""The second factor (TOTP): whether a user has one, and its reset by administrators and the panel."""

from __future__ import annotations

from typing import Annotated

from onifast_shared.accounts.api_tokens import TokenScope
from pydantic import Field

from onifast_web.access import auth
from onifast_web.access.auth import Who
from onifast_web.actions import second_factor as actions
from onifast_web.actions import sessions
from onifast_web.api import chosen
from onifast_web.api.endpoint import Call, Endpoint, Moment, optional_moment
from onifast_web.http.models import Model
from onifast_web.http.problems import Problem, not_found

_OF_WHOM = "For administrators: whose; the caller's unless given."


class TotpQuery(Model):
    """Whose second factor."""

    username: Annotated[str | None, Field(max_length=128, description=_OF_WHOM)] = None


class TotpResetQuery(Model):
    """Whose second factor."""

    username: Annotated[str, Field(max_length=128)]


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
    username = call.query.username or chosen.the_user(call, "second factor")
    if username != call.caller.username and not call.caller.is_admin:
        raise not_found("panel user")
    user = auth.active_user(call.web, username)
    if user is None:
        raise not_found("panel user")
    found = actions.of(call.web, username)
    return TotpState(
        username=username,
        enabled=found.is_on,
        enabled_at=optional_moment(found.confirmed_ts),
        required=actions.is_required(call.web.settings, user),
        recovery_codes_left=found.recovery_left,
        remembered_devices=len(sessions.devices(call.web, username)),
    )


def reset_totp(call: Call) -> None:
    """Takes a user's second factor away, for who lost authenticator and recovery codes. They are signed out nowhere."""
    username = call.query.username
    if username == call.caller.username:
        # Else a session left open would be enough to be rid of it.
        raise Problem(403, "Turn your own off in the webmail, with your password and a code.")
    if not actions.remove(call.web, call.caller, username, "totp.reset"):
        raise not_found("second factor")


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
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Reset a user's second factor",
        reset_totp,
        TotpResetQuery,
        status=204,
        failures={404: "That user has no second factor."},
    ),
)
