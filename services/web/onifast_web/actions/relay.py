"""The relay (smart host), as administrators set it: its password goes in and never comes out."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from onifast_shared.db.database import Connection
from onifast_shared.machine.log import Secret
from onifast_shared.transport import relay
from onifast_shared.transport.relay import Relay
from onifast_shared.values.address import AddressError, parse_domain
from pydantic import Field, field_validator

from onifast_web.http.models import Model

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


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
