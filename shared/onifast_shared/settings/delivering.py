"""How queued mail is delivered and signed."""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared import setting_types as kinds
from onifast_shared.settings.field import setting


@dataclass(frozen=True, kw_only=True)
class DeliveringSettings:
    """The deliverer's pace, patience, signatures and look-ups."""

    delivery: str = setting(
        "direct",
        kinds.choice("direct", "sandbox"),
        "`sandbox` keeps mail to foreign domains here and shows it, and never sends it.",
    )
    outbound_port: int = setting("25", kinds.number(1, 65535), "The port that MX hosts are reached on.")
    outbox_concurrency: int = setting("20", kinds.number(1, 1000), "Deliveries at one time.")
    outbox_poll_interval: float = setting(
        "10s", kinds.seconds(0.1, 3600), "The longest that outbox sleeps when no event wakes it."
    )
    smtp_timeout: float = setting(
        "5m",
        kinds.seconds(1, 3600),
        "How long outbox waits for a remote site's reply (RFC 5321 section 4.5.3.2).",
    )
    connect_timeout: float = setting("30s", kinds.seconds(1, 300), "How long outbox waits for a connection.")
    retry_first: float = setting(
        "5m",
        kinds.seconds(1, 86400),
        "The wait after a first failed attempt; it doubles with each further one.",
    )
    retry_max: float = setting("4h", kinds.seconds(1, 604800), "The longest wait between two attempts.")
    queue_lifetime: float = setting(
        "5d",
        kinds.seconds(60, 30 * 86400),
        "How long a message is tried before it is returned to its sender.",
    )
    lease_seconds: float = setting(
        "60s", kinds.seconds(2, 3600), "How long a claimed message stays claimed unless the claim is renewed."
    )
    file_copies: bool = setting("true", kinds.boolean(), "Write a copy of each received message into its owner's home.")

    dkim_selector: str = setting(
        "mail",
        kinds.text("a DNS label", r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"),
        "The selector that signatures name.",
    )
    dkim_bad_key: str = setting(
        "defer",
        kinds.choice("defer", "unsigned"),
        "What happens to mail of a domain whose key cannot be used: it waits, or goes out unsigned.",
    )
    dns_servers: tuple[tuple[str, int], ...] = setting(
        "", kinds.servers(53), "DNS servers for every lookup of every program."
    )
    dns_timeout: float = setting("5s", kinds.seconds(0.1, 60), "How long one DNS lookup may take in all.")
