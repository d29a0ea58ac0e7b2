"""Limits on what is sent: how much is used, who was refused, and what administrators change."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.limits import standings as limit_standings
from onifast_shared.limits import subjects as limit_subjects
from onifast_shared.limits.standings import SubjectStanding
from onifast_shared.limits.subjects import LARGEST, PERIODS
from onifast_shared.values import mailbox_accounts, times
from pydantic import ConfigDict, Field, model_validator

from onifast_web.access.caller import Who
from onifast_web.actions import limits as actions
from onifast_web.api.endpoint import Call, Endpoint, Moment
from onifast_web.api.formats import DOMAIN, USERNAME
from onifast_web.http.models import Model
from onifast_web.http.problems import unprocessable

Scope = Literal["user", "unix", "domain"]
Counted = Literal["messages_per_hour", "messages_per_day", "recipients_per_hour", "recipients_per_day"]
Limit = Annotated[int, Field(ge=0, le=LARGEST)] | None


class LimitInfo(Model):
    """`limit` 0 is none; `is_own` says that it was set for this name. `used_up_until` is null while there is room."""

    counted: Counted
    limit: int
    is_own: bool
    used: int
    used_up_until: Moment | None


class LimitRefusal(Model):
    """How often mail was refused: beyond a limit, or `foreign_sender` for an address that is not the sender's."""

    counted: Counted | Literal["foreign_sender"]
    times: int
    first_at: Moment
    last_at: Moment


class LimitsOf(Model):
    """What a user (`user`), a Unix user's programs (`unix`) or a domain's senders (`domain`) may send."""

    scope: Scope
    name: str
    limits: list[LimitInfo]
    refusals: list[LimitRefusal]


class LimitsList(Model):
    """A list of limits, by whom they are for."""

    limits: list[LimitsOf]


_CHANGES: dict[str, Any] = {
    "oneOf": [
        {"properties": {"scope": {"const": "user"}, "name": {"format": USERNAME}}},
        {"properties": {"scope": {"const": "unix"}, "name": {"format": USERNAME}}},
        {"properties": {"scope": {"const": "domain"}, "name": {"format": DOMAIN}}},
    ],
    "anyOf": [
        *({"required": [counted]} for counted in PERIODS),
        {"required": ["reset"], "properties": {"reset": {"const": True}}},
    ],
}


class LimitsBody(Model):
    """A limit that is not named stays; 0 lifts it, null gives it back to the settings. `reset` forgets what is used."""

    model_config = ConfigDict(json_schema_extra=_CHANGES)

    scope: Scope
    name: Annotated[str, Field(max_length=255)]
    messages_per_hour: Limit = None
    messages_per_day: Limit = None
    recipients_per_hour: Limit = None
    recipients_per_day: Limit = None
    reset: bool = False

    @model_validator(mode="after")
    def _changes_something(self) -> LimitsBody:
        if not self.reset and not self.limits:
            raise ValueError("give a limit, or reset")
        return self

    @property
    def limits(self) -> dict[str, int | None]:
        """The limits that it names."""
        return {counted: getattr(self, counted) for counted in PERIODS if counted in self.model_fields_set}


def list_limits(call: Call) -> LimitsList:
    """The caller's limits: for their logins, their local programs and their domains.

    For administrators those of everybody who has used, hit or been given one: who was refused lately comes first.
    """
    now = call.web.clock()
    found = call.web.database.read(lambda tx: limit_standings.list_for(tx, call.caller.manages, call.web.settings, now))
    return LimitsList(limits=[_shown(standing, now) for standing in found])


def set_limits(call: Call) -> LimitsOf:
    """Changes what one name may send; it counts from the next message on."""
    body: LimitsBody = call.body
    try:
        subject = limit_subjects.subject(body.scope, body.name)
    except ValueError as error:
        raise unprocessable("name", str(error)) from None
    return _shown(actions.change(call.web, subject, body.limits, reset=body.reset), call.web.clock())


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/limits",
        Who.USER,
        TokenScope.READ,
        "What the caller may send and has sent; all for administrators",
        list_limits,
        answer=LimitsList,
    ),
    Endpoint(
        "POST",
        "/api/mail/limits",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Change what a user, a Unix user or a domain may send",
        set_limits,
        body=LimitsBody,
        answer=LimitsOf,
    ),
)


def _shown(standing: SubjectStanding, now: float) -> LimitsOf:
    tally = standing.tally
    return LimitsOf(
        scope=tally.subject.scope,
        name=mailbox_accounts.shown(tally.subject.name),
        limits=[_limit(standing, counted, now) for counted in PERIODS],
        refusals=[
            LimitRefusal.model_validate(
                {
                    "counted": hit.counted,
                    "times": hit.times,
                    "first_at": times.rfc3339(hit.first_ts),
                    "last_at": times.rfc3339(hit.last_ts),
                }
            )
            for hit in standing.hits.values()
        ],
    )


def _limit(standing: SubjectStanding, counted: Any, now: float) -> LimitInfo:
    tally = standing.tally
    until = tally.used_up_until(counted, now)
    return LimitInfo(
        counted=counted,
        limit=tally.limits[counted],
        is_own=counted in tally.own,
        used=tally.used(counted, now),
        used_up_until=times.rfc3339(until) if until else None,
    )
