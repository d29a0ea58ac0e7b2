"""Logins to the webmail: where from, with what and when, and their end."""

from __future__ import annotations

from typing import Annotated

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.values import times
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.actions import sessions as actions
from onifast_web.api import chosen
from onifast_web.api.endpoint import Call, Endpoint, Moment
from onifast_web.http.models import Model
from onifast_web.http.problems import not_found

SESSION_ID = r"^[0-9a-f]{1,16}$"


class SessionInfo(Model):
    """`browser` is what is understood of `user_agent`, "" for nothing. `current` is the session that asks."""

    id: Annotated[str, Field(examples=["4be1c0a93d5f7720"], description="Its name, which is of no use to log in.")]
    started_at: Moment
    used_at: Annotated[
        Moment, Field(description="When it was used last, to the minute; an open page's polls are none.")
    ]
    expires_at: Annotated[Moment, Field(description="When it ends unless it is used.")]
    started_from: str
    browser: str
    user_agent: str
    current: bool


class SessionList(Model):
    """The caller's sessions, the one that was used last first."""

    sessions: list[SessionInfo]


class SessionQuery(Model):
    """Which session."""

    id: Annotated[str, Field(pattern=SESSION_ID, description="Its name, from the list.")]


class SessionsEnded(Model):
    """How many sessions ended."""

    ended: int


def list_sessions(call: Call) -> SessionList:
    """The caller's logins to the webmail that last."""
    found = actions.open_sessions(call.web, chosen.the_user(call, "sessions"))
    return SessionList(
        sessions=[
            SessionInfo(
                id=each.id,
                started_at=times.rfc3339(each.created_ts),
                used_at=times.rfc3339(each.seen_ts),
                expires_at=times.rfc3339(each.expires_ts),
                started_from=each.started_from,
                browser=actions.browser_name(each.user_agent),
                user_agent=each.user_agent,
                current=each.id == call.caller.session_id,
            )
            for each in found
        ]
    )


def revoke_session(call: Call) -> None:
    """Ends a session at once; also the one that asks."""
    if not actions.end(call.web, call.caller, chosen.the_user(call, "sessions"), call.query.id):
        raise not_found("session")


def revoke_other_sessions(call: Call) -> SessionsEnded:
    """Ends all sessions but the one that asks; all of them where no session asks."""
    return SessionsEnded(ended=actions.end_others(call.web, call.caller, chosen.the_user(call, "sessions")))


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/sessions",
        Who.PERSON,
        TokenScope.READ,
        "The caller's logins to the webmail",
        list_sessions,
        answer=SessionList,
    ),
    Endpoint(
        "DELETE",
        "/api/sessions",
        Who.PERSON,
        TokenScope.MANAGE,
        "End a login to the webmail",
        revoke_session,
        SessionQuery,
        status=204,
        failures={404: "The caller has no such session."},
    ),
    Endpoint(
        "POST",
        "/api/sessions/end-others",
        Who.PERSON,
        TokenScope.MANAGE,
        "End all other logins to the webmail",
        revoke_other_sessions,
        answer=SessionsEnded,
    ),
)
