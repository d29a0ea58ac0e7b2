"""The relay (smart host): set by administrators; its password goes in and never comes out."""

from __future__ import annotations

from typing import Literal

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.db.database import Connection
from onifast_shared.transport import relay
from onifast_shared.transport.relay import Relay

from onifast_web.access.caller import Who
from onifast_web.actions import relay as actions
from onifast_web.actions.relay import RelayBody
from onifast_web.api.endpoint import Call, Endpoint
from onifast_web.http.models import Model
from onifast_web.http.problems import Problem


class RelayConfig(Model):
    """`relay_host` is empty where mail goes straight to the recipients' sites."""

    relay_host: str
    relay_port: int
    relay_user: str
    relay_tls: Literal["none", "starttls", "tls"]
    relay_password_set: bool


def get_config(call: Call) -> RelayConfig:
    """The relay, without its password."""
    return _shown(call.web.database.read(current))


def set_config(call: Call) -> RelayConfig:
    """Sets the relay; it counts from the next message on."""
    body: RelayBody = call.body
    return _shown(call.web.database.write(lambda tx: actions.store(tx, body)))


def current(tx: Connection) -> Relay | None:
    """The relay; raises Problem(409) where `mail_config` holds no valid relay."""
    try:
        return relay.get(tx)
    except relay.RelayError as error:
        raise Problem(409, f"The stored relay cannot be used: {error}. Set it anew.") from None


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/config",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "The relay",
        get_config,
        answer=RelayConfig,
        failures={409: "mail_config holds something that is no relay."},
    ),
    Endpoint(
        "POST",
        "/api/mail/config",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Set the relay",
        set_config,
        body=RelayBody,
        answer=RelayConfig,
    ),
)


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
