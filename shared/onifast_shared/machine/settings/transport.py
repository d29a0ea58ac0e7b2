"""How mail travels to other servers: from where, and how patiently."""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared.machine import setting_types as kinds
from onifast_shared.machine.setting_types import Source
from onifast_shared.machine.settings.field import setting


@dataclass(frozen=True, kw_only=True)
class TransportSettings:
    """Outgoing connections. The defaults of the waits are those of RFC 5321 section 4.5.3.2."""

    outbound_port: int = setting("25", kinds.number(1, 65535), "The port that MX hosts are reached on.")
    source_addresses: tuple[Source, ...] = setting(
        "",
        kinds.sources(),
        "Addresses of this machine that mail leaves from: the first IPv4 and the first IPv6 address, unless a sending"
        " domain has its own (`onifast-mailctl source`). `=NAME` is the name for EHLO that its reverse DNS has, where"
        " that is not `hostname`. With addresses of one family alone, servers are reached in that family alone.",
    )
    connect_timeout: float = setting("30s", kinds.seconds(0.1, 300), "How long outbox waits for a connection.")
    smtp_greeting_timeout: float = setting(
        "5m", kinds.seconds(0.1, 3600), "How long outbox waits for the greeting of another server."
    )
    smtp_mail_timeout: float = setting("5m", kinds.seconds(0.1, 3600), "How long it waits for the reply to MAIL.")
    smtp_rcpt_timeout: float = setting("5m", kinds.seconds(0.1, 3600), "How long it waits for each reply to RCPT.")
    smtp_data_timeout: float = setting("2m", kinds.seconds(0.1, 3600), "How long it waits for the reply to DATA.")
    smtp_block_timeout: float = setting(
        "3m", kinds.seconds(0.1, 3600), "How long the other server may take no octet of a message that is sent."
    )
    smtp_end_timeout: float = setting(
        "10m",
        kinds.seconds(0.1, 3600),
        "How long it waits for the reply to a whole message. Less than the RFC's ten minutes brings duplicates.",
    )
    smtp_timeout: float = setting(
        "5m",
        kinds.seconds(0.1, 3600),
        "How long it waits for any other reply: to EHLO, STARTTLS with its handshake, AUTH, RSET.",
    )
