"""Destinations of outgoing mail: how the deliverers find them, and the limits that administrators give them."""

from __future__ import annotations

from typing import Annotated

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.queue import destinations
from onifast_shared.queue.destinations import MOST_A_MINUTE, MOST_CONCURRENCY, OwnLimits, StoredState
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.api.endpoint import Call, Endpoint, Moment, optional_moment
from onifast_web.http.models import Model
from onifast_web.http.problems import unprocessable

Concurrency = Annotated[int, Field(ge=1, le=MOST_CONCURRENCY)] | None
PerMinute = Annotated[int, Field(ge=0, le=MOST_A_MINUTE)] | None


class DestinationState(Model):
    """How one deliverer finds a destination; `dead_since` is null where it can be reached."""

    destination: str
    process: str
    in_flight: int
    concurrency: int
    dead_since: Moment | None
    next_probe: Moment | None
    last_error: str


class DestinationLimits(Model):
    """Deliveries at one time, and messages a minute (0 for no limit); null is the settings' limit."""

    destination: str
    concurrency: int | None
    messages_per_minute: int | None


class DestinationsList(Model):
    """The destinations that have something to tell, the troubled ones first."""

    states: list[DestinationState]
    limits: list[DestinationLimits]


class DestinationBody(Model):
    """Limits of one destination, a domain or a smart host's HOST:PORT; both null gives it back to the settings."""

    destination: Annotated[str, Field(max_length=300)]
    concurrency: Concurrency = None
    messages_per_minute: PerMinute = None


def list_destinations(call: Call) -> DestinationsList:
    """Destinations that mail goes to or that cannot be reached, as some seconds ago; and limits of their own."""
    now = call.web.clock()
    states, limits = call.web.database.read(
        lambda tx: (destinations.list_states(tx, now), destinations.list_limits(tx))
    )
    return DestinationsList(states=[_state(each) for each in states], limits=[_limits(each) for each in limits])


def set_limits(call: Call) -> DestinationLimits:
    """Limits a destination; it counts within seconds."""
    body: DestinationBody = call.body
    try:
        name = destinations.checked_name(body.destination)
    except ValueError as error:
        raise unprocessable("destination", str(error)) from None
    limits = OwnLimits(name, body.concurrency, body.messages_per_minute)
    call.web.database.write(lambda tx: destinations.set_limits(tx, limits))
    return _limits(limits)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/destinations",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Where mail goes: what is under way, what cannot be reached, and limits",
        list_destinations,
        answer=DestinationsList,
    ),
    Endpoint(
        "POST",
        "/api/mail/destinations",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Limit what one destination gets",
        set_limits,
        body=DestinationBody,
        answer=DestinationLimits,
    ),
)


def _state(each: StoredState) -> DestinationState:
    return DestinationState(
        destination=each.destination,
        process=each.process,
        in_flight=each.in_flight,
        concurrency=each.concurrency,
        dead_since=optional_moment(each.dead_since_ts),
        next_probe=optional_moment(each.next_probe_ts),
        last_error=each.last_error,
    )


def _limits(each: OwnLimits) -> DestinationLimits:
    return DestinationLimits(
        destination=each.destination, concurrency=each.concurrency, messages_per_minute=each.per_minute
    )
