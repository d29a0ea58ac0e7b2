"""The relay (smart host): set by administrators; its password goes in and never comes out."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from onifast_shared.db.database import Connection
from onifast_shared.machine.log import Secret
from onifast_shared.transport import relay
from onifast_shared.transport.relay import Relay
from onifast_shared.values.address import AddressError, parse_domain
from pydantic import Field, field_validator

from onifast_web.access.auth import Who
from onifast_web.api.endpoint import Call, Endpoint, Model
from onifast_web.http.problems import Problem

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


class RelayConfig(Model):
    """`relay_host` is empty where mail goes straight to the recipients' sites."""

    relay_host: str
    relay_port: int
    relay_user: str
    relay_tls: Literal["none", "starttls", "tls"]
    relay_password_set: bool


class RelayBody(Model):
    """`relay_host` "" takes the relay away. Without `relay_port`, the usual one for `relay_tls`.

    Without `relay_password` the stored one stays, unless host or user change: a password goes nowhere that it was not
    given for. "" forgets it.
    """

    relay_host: Annotated[str, Field(max_length=255)]
    relay_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    relay_user: Annotated[str, Field(max_length=255)] = ""
    relay_password: Annotated[str, Field(max_length=1024)] | None = None
    relay_tls: Literal["none", "starttls", "tls"] = "starttls"

    @field_validator("relay_host")
    @classmethod
    def _is_host(cls, value: str) -> str:
        text = value.strip()
        try:
            return parse_domain(text) if text else ""
        except AddressError:
            raise ValueError("not a host name or IPv4 address") from None

    @field_validator("relay_user", "relay_password")
    @classmethod
    def _has_no_controls(cls, value: str | None) -> str | None:
        if value and _CONTROLS.search(value):
            raise ValueError("contains a control character")
        return value


def get_config(call: Call) -> RelayConfig:
    """The relay, without its password."""
    return _shown(call.web.database.read(current))


def set_config(call: Call) -> RelayConfig:
    """Sets the relay; it counts from the next message on."""
    body: RelayBody = call.body
    return _shown(call.web.database.write(lambda tx: store(tx, body)))


def current(tx: Connection) -> Relay | None:
    """The relay; raises Problem(409) where `mail_config` holds what is none."""
    try:
        return relay.get(tx)
    except relay.RelayError as error:
        raise Problem(409, f"The stored relay cannot be used: {error}. Set it anew.") from None


def store(tx: Connection, body: RelayBody) -> Relay | None:
    """Stores what a request or a form says."""
    if not body.relay_host:
        relay.put(tx, None)
        return None
    port = body.relay_port or relay.DEFAULT_PORTS[body.relay_tls]
    password = _password(tx, body)
    new = Relay(body.relay_host, port, body.relay_user, Secret(password), body.relay_tls)
    relay.put(tx, new)
    return new


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/config",
        Who.ADMINISTRATOR,
        "The relay",
        get_config,
        answer=RelayConfig,
        failures={409: "mail_config holds something that is no relay."},
    ),
    Endpoint(
        "POST", "/api/mail/config", Who.ADMINISTRATOR, "Set the relay", set_config, body=RelayBody, answer=RelayConfig
    ),
)


def _password(tx: Connection, body: RelayBody) -> str:
    if body.relay_password is not None:
        return body.relay_password
    try:
        old = relay.get(tx)
    except relay.RelayError:
        return ""
    if old is None or (old.host, old.user) != (body.relay_host, body.relay_user):
        return ""
    return old.password.reveal()


def _shown(found: Relay | None) -> RelayConfig:
    if found is None:
        return RelayConfig(relay_host="", relay_port=25, relay_user="", relay_tls="none", relay_password_set=False)
    return RelayConfig(
        relay_host=found.host,
        relay_port=found.port,
        relay_user=found.user,
        relay_tls=found.tls,
        relay_password_set=bool(found.password.reveal()),
    )
