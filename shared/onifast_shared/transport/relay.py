"""The smart host that all mail to other sites goes through, as `mail_config` holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from onifast_shared.db.database import Connection
from onifast_shared.machine.log import Secret

RelayTls = Literal["none", "starttls", "tls"]
TLS_MODES: tuple[RelayTls, ...] = ("none", "starttls", "tls")
DEFAULT_PORTS: dict[str, int] = {"none": 25, "starttls": 587, "tls": 465}


@dataclass(frozen=True)
class Relay:
    """A smart host. `user` is '' where it asks for no login; `tls` says how the connection is secured."""

    host: str
    port: int
    user: str
    password: Secret
    tls: RelayTls


class RelayError(ValueError):
    """`mail_config` holds something that is no relay; the text says what."""


def get(tx: Connection) -> Relay | None:
    """The relay; None where mail goes straight to its MX hosts. Raises RelayError for rows that make no sense."""
    values = {str(key): str(value or "") for key, value in tx.execute("SELECT key, value FROM mail_config")}
    host = values.get("relay_host", "").strip()
    if not host:
        return None
    tls = (values.get("relay_tls") or "none").strip().lower()
    if tls not in TLS_MODES:
        raise RelayError(f"relay_tls is {tls!r} in mail_config; it can be {', '.join(TLS_MODES)}")
    port = (values.get("relay_port") or str(DEFAULT_PORTS[tls])).strip()
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise RelayError(f"relay_port is {port!r} in mail_config; it is a number from 1 to 65535")
    password = Secret(values.get("relay_password", ""))
    return Relay(host, int(port), values.get("relay_user", ""), password, tls)


def put(tx: Connection, relay: Relay | None) -> None:
    """Sets the relay, or takes it away: the next message goes there."""
    values = {"relay_host": "", "relay_port": "", "relay_user": "", "relay_password": "", "relay_tls": "none"}
    if relay is not None:
        values = {
            "relay_host": relay.host,
            "relay_port": str(relay.port),
            "relay_user": relay.user,
            "relay_password": relay.password.reveal(),
            "relay_tls": relay.tls,
        }
    for key, value in values.items():
        # The earlier program's table may have no unique key, so an upsert would not do.
        tx.execute("DELETE FROM mail_config WHERE key = ?", (key,))
        tx.execute("INSERT INTO mail_config (key, value) VALUES (?, ?)", (key, value))
