"""How queued mail is delivered and signed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onifast_shared.machine import setting_types as kinds
from onifast_shared.machine.setting_types import IPNetwork
from onifast_shared.machine.settings.field import setting


@dataclass(frozen=True, kw_only=True)
class DeliveringSettings:
    """The deliverer's pace, patience, signatures and look-ups."""

    delivery: str = setting(
        "direct",
        kinds.choice("direct", "sandbox"),
        "`sandbox` keeps mail to foreign domains here and shows it, and never sends it.",
    )
    outbox_concurrency: int = setting(
        "100",
        kinds.number(1, 1000),
        "Deliveries at one time. One that has waited for its server for 5 seconds no longer counts,"
        " up to ten times as many.",
    )
    outbox_memory: int = setting(
        "64M",
        kinds.size(1024 * 1024, 2**40),
        "Octets of messages larger than 256 KiB that are delivered at one time; a single one may be larger.",
    )
    destination_concurrency: int = setting(
        "20",
        kinds.number(1, 1000),
        "Deliveries to one destination (a domain or a relay) at one time. They begin with 5, and grow with success.",
    )
    destination_rate: int = setting(
        "0",
        kinds.number(0, 1_000_000),
        "Messages a minute to one destination; 0 for any number. `onifast-mailctl destination` has exceptions.",
    )
    probe_interval: float = setting(
        "1m",
        kinds.seconds(0.1, 3600),
        "How long a destination that cannot be reached is left alone before one delivery looks for it again;"
        " the wait doubles five times.",
    )
    outbox_poll_interval: float = setting(
        "10s", kinds.seconds(0.1, 3600), "The longest that outbox sleeps when no event wakes it."
    )
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
    bounce_lifetime: float = setting(
        "1d",
        kinds.seconds(60, 30 * 86400),
        "The same for mail with the null sender, such as bounces, which can be returned to nobody.",
    )
    delay_notice_after: float = setting(
        "4h",
        kinds.seconds(0, 30 * 86400),
        "When the sender of a message that still waits is told so, once; 0 for never. Of more than 20 in an hour, they"
        " are told in one notice.",
    )
    suppression_time: float = setting(
        "7d",
        kinds.seconds(0, 365 * 86400),
        "How long a recipient that does not exist is suppressed for the user whose mail bounced; 0 for not at all.",
    )
    queue_history: float = setting(
        "0s",
        kinds.seconds(0, 3650 * 86400),
        "How long mail that is sent, failed, cancelled or captured stays in the queue's history; 0 for ever.",
    )
    lease_seconds: float = setting(
        "20s", kinds.seconds(2, 3600), "How long a claimed message stays claimed unless the claim is renewed."
    )
    file_copies: bool = setting(
        "true", kinds.boolean(), "Write a copy of each received message into its owner's home.", fixed=True
    )

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
    dkim_publish_wait: float = setting(
        "1h",
        kinds.seconds(0, 7 * 86400),
        "How long DNS must have shown a new key's record before mail is signed with that key.",
    )
    dkim_retire_after: float = setting(
        "7d",
        kinds.seconds(3600, 365 * 86400),
        "How long an old key's record stays needed after the switch to a new one: mail that it signed is under way.",
    )
    dkim_rotate_every: int = setting(
        "0",
        kinds.number(0, 120),
        "After how many months a domain's DKIM key is changed by itself; 0 for never. What publishes the new record:"
        " `dkim_publish`, a panel by webhook (`dkim_record`), or the postmaster, who is asked by mail.",
    )
    dkim_publish: str = setting(
        "",
        kinds.text(
            "empty, the absolute path of a program, or rfc2136:HOST[:PORT]",
            r"(/[^\x00-\x1f]+|rfc2136:(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?)?",
        ),
        "What puts the records of new DKIM keys into DNS, and takes old ones out: a program, run by outbox as `PROGRAM"
        " publish|remove DOMAIN NAME VALUE`, or dynamic updates to a name server (RFC 2136).",
    )
    dkim_publish_key: Path | None = setting(
        "",
        kinds.optional_path(),
        "The file of the TSIG key that signs those updates, in BIND's form or as `ALGORITHM:NAME:SECRET`.",
    )
    dkim_parent_keys: bool = setting(
        "false",
        kinds.boolean(),
        "Sign mail of a subdomain that has no key with the key of a domain above it, up to the registered one.",
    )
    dkim_shared_users: tuple[str, ...] = setting(
        "www-data",
        kinds.names(),
        "Unix users that run the sites of all customers: their programs' mail is signed for any domain of this host.",
    )
    dns_servers: tuple[tuple[str, int], ...] = setting(
        "", kinds.servers(53), "DNS servers for every lookup of every program."
    )
    dns_timeout: float = setting("5s", kinds.seconds(0.1, 60), "How long one DNS lookup may take in all.")

    dnssec: str = setting(
        "auto",
        kinds.choice("auto", "trust", "off"),
        "Whether the DNS servers are believed that an answer is validated, which DANE needs; `auto` believes those on"
        " this machine.",
    )
    mta_sts: bool = setting("true", kinds.boolean(), "Obey what domains ask by MTA-STS (RFC 8461).")
    mta_sts_networks: tuple[IPNetwork, ...] = setting(
        "",
        kinds.networks(),
        "Networks that are not of the public Internet, and that MTA-STS policies are fetched from all the same.",
    )
    outbound_https_port: int = setting(
        "443", kinds.number(1, 65535), "The port that MTA-STS policies are fetched from."
    )
    outbound_tls_ca: Path | None = setting(
        "",
        kinds.optional_path(),
        "A PEM file of the authorities that vouch for other sites' certificates; empty for the system's.",
    )
    tls_reports: bool = setting(
        "true", kinds.boolean(), "Send daily reports about TLS to the domains that ask for them (RFC 8460)."
    )
