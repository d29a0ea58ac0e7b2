"""The settings of all three programs: one frozen object, read once at start and checked whole.

Values come from `<root>/config/onifast-mail.toml`; environment variables `ONIFAST_MAIL_<NAME>` go before it. Nothing
else in the project reads the environment.
"""

from __future__ import annotations

import os
import socket
import tomllib
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from onifast_shared import setting_types as kinds
from onifast_shared.setting_types import IPNetwork, Kind, Listen, ScannerAddress

__all__ = ["ConfigError", "Listen", "SettingDescription", "Settings", "describe"]

PREFIX = "ONIFAST_MAIL_"
MIB = 1024 * 1024


class ConfigError(Exception):
    """A setting that cannot be used. Its text is one line: the setting, the value, and what is allowed."""


def machine_hostname() -> str:
    """The machine's fully qualified name, or `localhost.localdomain` where SMTP could not use it."""
    try:
        return str(kinds.hostname().parse(socket.getfqdn()))
    except ValueError:
        return "localhost.localdomain"


def _setting(default: str, kind: Kind, meaning: str, *, shown: str | None = None) -> Any:
    """A field of Settings; its default, written as an administrator would write it, goes through the same check."""
    metadata = {"kind": kind, "meaning": meaning, "default": default if shown is None else shown}
    return field(default_factory=machine_hostname if shown else lambda: kind.parse(default), metadata=metadata)


def _limit(default: str, meaning: str) -> Any:
    """A field for a number of messages or recipients; 0 for no limit."""
    return _setting(default, kinds.number(0, 1_000_000_000), f"{meaning}; 0 for no limit.")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every setting, typed. Durations are seconds, sizes bytes. See docs/configuration.md."""

    # Where things lie
    root: Path = _setting(
        "/home/root/onifast", kinds.path(), "The panel's root: `users/`, `certs/` and `config/` lie in it."
    )
    home_root: Path = _setting("/home", kinds.path(), "The directory that holds the users' homes.")
    run_as: str = _setting(
        "onifast-mail",
        kinds.text("a user name", r"[A-Za-z_][A-Za-z0-9_.-]*"),
        "The Unix user that a program started as root becomes once it has bound its ports.",
    )
    log_level: str = _setting(
        "info", kinds.choice("debug", "info", "warning", "error"), "The least severe events that are logged."
    )

    # Who we are
    hostname: str = _setting(
        "",
        kinds.hostname(),
        "The name in the greeting, in EHLO, Received and Message-ID.",
        shown="the machine's FQDN",
    )
    administrators: tuple[str, ...] = _setting(
        "", kinds.names(), "Panel users who are administrators, besides those whose file says so."
    )
    postmaster: str = _setting(
        "root",
        kinds.text("a user name", r"[A-Za-z0-9_][A-Za-z0-9_.@-]*"),
        "The user who owns mail to postmaster and to the other role names at the host's own name.",
    )

    # Listening
    smtp_listen: tuple[Listen, ...] = _setting(
        "0.0.0.0:25,[::]:25",
        kinds.listens(),
        "Where smtpd takes mail from other sites and from local programs.",
    )
    submission_listen: tuple[Listen, ...] = _setting(
        "0.0.0.0:587,[::]:587", kinds.listens(), "Where smtpd takes mail from users who log in (STARTTLS)."
    )
    submissions_listen: tuple[Listen, ...] = _setting(
        "0.0.0.0:465,[::]:465", kinds.listens(), "The same with implicit TLS (RFC 8314)."
    )
    http_listen: tuple[Listen, ...] = _setting(
        "127.0.0.1:4031", kinds.listens(unix=True), "Where web serves the webmail and the API."
    )
    url_prefix: str = _setting(
        "",
        kinds.text("empty, or a path such as /mail with no slash at its end", r"(/[A-Za-z0-9._~-]+)*"),
        "The path below which the panel shows the webmail, where its proxy does not say so.",
    )
    trusted_proxy_users: tuple[str, ...] = _setting(
        "root",
        kinds.names(),
        "Unix users whose loopback connections may speak for others: X-Forwarded-… (web's own user always may),"
        " PROXY, XCLIENT.",
    )
    http_threads: int = _setting("8", kinds.number(1, 256), "Threads that answer HTTP requests.")

    # Receiving
    loopback_networks: tuple[IPNetwork, ...] = _setting(
        "127.0.0.0/8, ::1/128",
        kinds.networks(),
        "Networks that count as this machine: they relay on port 25 with no password.",
    )
    trusted_networks: tuple[IPNetwork, ...] = _setting(
        "", kinds.networks(), "Other networks that may relay on port 25 with no password."
    )
    allow_insecure_auth: str = _setting(
        "loopback", kinds.choice("never", "loopback", "always"), "Who may log in over SMTP without TLS."
    )
    auth_mechanisms: tuple[str, ...] = _setting(
        "SCRAM-SHA-256-PLUS, SCRAM-SHA-256, PLAIN, LOGIN",
        kinds.choices("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"),
        "How clients may log in over SMTP. SCRAM is for app passwords and for users with a SCRAM verifier.",
    )
    login_delay: float = _setting(
        "1s",
        kinds.seconds(0, 10),
        "How long the first wrong password waits for its answer; each further one twice as long, up to 8 times.",
    )
    allow_plaintext_passwords: bool = _setting(
        "false", kinds.boolean(), "Accept a panel user file that holds its password unhashed."
    )
    max_message_size: int = _setting(
        "50 MiB", kinds.size(64 * 1024, 1024 * MIB), "The largest message that is accepted."
    )
    max_header_size: int = _setting(
        "256 KiB", kinds.size(16 * 1024, 64 * MIB), "The largest header section of a message."
    )
    max_header_fields: int = _setting("1000", kinds.number(50, 100_000), "Fields in a header section.")
    max_line_length: int = _setting(
        "1 MiB",
        kinds.size(998, 1024 * MIB),
        "The longest line of a message. RFC 5321 section 4.5.3.1.6 allows 998 bytes; many programs write longer ones.",
    )
    max_mime_depth: int = _setting("50", kinds.number(10, 1000), "How deep a message's parts may be nested.")
    max_mime_parts: int = _setting("1000", kinds.number(100, 100_000), "Parts of a message.")
    bare_line_ends: str = _setting(
        "repair",
        kinds.choice("refuse", "repair"),
        "What happens to bare CR or LF in mail of local programs; that of others is always refused.",
    )
    max_recipients: int = _setting(
        "1000",
        kinds.number(100, 100_000),
        "Recipients in one SMTP transaction (RFC 5321 section 4.5.3.1.8 asks for 100 at least).",
    )
    recipient_delimiter: str = _setting(
        "+",
        kinds.text("empty, or one of + - =", r"[+=-]?"),
        "What divides an address from a tag: mail to `ann+shop@` is Ann's. Empty for no tags.",
    )
    default_address_quota: int = _setting(
        "0", kinds.size(0, 1024 * 1024 * MIB), "What one address' mail may take; 0 for no limit."
    )
    default_owner_quota: int = _setting(
        "0", kinds.size(0, 1024 * 1024 * MIB), "What all mail of one user may take; 0 for no limit."
    )
    smtpd_processes: int = _setting(
        "0",
        kinds.number(0, 64),
        "Processes that receive mail; 0 is one for each core, 4 at the most. Connections are counted over all of them.",
    )
    max_connections: int = _setting("500", kinds.number(1, 100_000), "SMTP sessions at one time.")
    max_connections_per_address: int = _setting(
        "50",
        kinds.number(1, 65535),
        "SMTP sessions at one time from one address (IPv6: from one /64), unless it is trusted.",
    )
    max_connection_rate: int = _setting(
        "0", kinds.number(0, 1_000_000), "SMTP sessions a minute from one address, in each process; 0 for any number."
    )
    banner_delay: float = _setting(
        "0s",
        kinds.seconds(0, 30),
        "How long strangers wait for the greeting on port 25; those who speak before it are turned away.",
    )
    proxy_networks: tuple[IPNetwork, ...] = _setting(
        "",
        kinds.networks(),
        "Proxies whose connections begin with a PROXY header; on loopback, those of `trusted_proxy_users`.",
    )
    xclient_networks: tuple[IPNetwork, ...] = _setting(
        "",
        kinds.networks(),
        "Proxies that may say XCLIENT (address, HELO and login of a client); on loopback as with `proxy_networks`.",
    )
    max_hold: float = _setting(
        "30d",
        kinds.seconds(0, 365 * 86400),
        "How far ahead a user may have a message released (RFC 4865 FUTURERELEASE); 0 for not at all.",
    )
    min_data_rate: int = _setting(
        "256",
        kinds.size(0, MIB),
        "Bytes a second that a client must send of a message on average, once `session_timeout` is over; 0 for any.",
    )
    bytes_in_flight: int = _setting(
        "768 MiB",
        kinds.size(MIB, 1024 * 1024 * MIB),
        "Memory for messages being received at one time, over all sessions; each takes three times its size.",
    )
    session_timeout: float = _setting(
        "5m", kinds.seconds(1, 3600), "How long an SMTP client may be silent (RFC 5321 section 4.5.3.2.7)."
    )
    spf_fail: str = _setting(
        "accept",
        kinds.choice("accept", "reject"),
        "What an SPF `fail` does to a message: note it, or refuse the message.",
    )
    dmarc_reject: str = _setting(
        "reject",
        kinds.choice("reject", "junk", "note"),
        "What becomes of mail that its author's domain asks to reject (DMARC); `note` obeys no DMARC policy.",
    )
    trusted_arc_sealers: tuple[str, ...] = _setting(
        "", kinds.names(), "Domains of forwarders whose ARC seals count where DMARC fails."
    )
    dnsbl_zones: tuple[str, ...] = _setting(
        "", kinds.zones(), "DNS block lists that are asked about each client that may not relay."
    )
    dnsbl_action: str = _setting("reject", kinds.choice("reject", "junk"), "What becomes of mail from a listed client.")
    greylisting: bool = _setting(
        "false", kinds.boolean(), "Let clients come back that were never here, unless SPF passes (RFC 6647)."
    )
    greylisting_delay: float = _setting(
        "5m", kinds.seconds(1, 3600), "How long a client that is greylisted has to wait."
    )
    scanner: ScannerAddress | None = _setting(
        "", kinds.scanner(), "The junk filter that gives incoming messages points."
    )
    scanner_timeout: float = _setting(
        "20s", kinds.seconds(0.1, 300), "How long the junk filter may take; then the message goes on without it."
    )
    scanner_reject: str = _setting(
        "junk", kinds.choice("junk", "reject"), "What becomes of a message that the junk filter would reject."
    )
    refusals_kept: float = _setting(
        "30d", kinds.seconds(3600, 365 * 86400), "How long the record of a refused message is kept."
    )

    # Who may send what, and how much
    sender_ownership: str = _setting(
        "enforce",
        kinds.choice("enforce", "warn"),
        "What happens over SMTP to mail with a sender or From that is not the user's: refused, or only noted.",
    )
    unix_sender_domains: str = _setting(
        "off",
        kinds.choice("off", "own"),
        "`own` holds a local program's mail to addresses and domains of the Unix user that runs it (root excepted).",
    )
    unknown_unix_user: str = _setting(
        "accept",
        kinds.choice("accept", "refuse", "hostname"),
        "Mail of a local program whose Unix user cannot be known; `hostname` takes it from the host's own name alone.",
    )
    limit_burst: int = _setting(
        "100", kinds.number(1, 1000), "How much of each of the following limits may go out at once, in percent."
    )
    limit_user_messages_per_hour: int = _limit("300", "Messages an hour from one user who logs in")
    limit_user_messages_per_day: int = _limit("2000", "Messages a day from one user who logs in")
    limit_user_recipients_per_hour: int = _limit("1000", "Recipients an hour of one user who logs in")
    limit_user_recipients_per_day: int = _limit("5000", "Recipients a day of one user who logs in")
    limit_unix_messages_per_hour: int = _limit("300", "Messages an hour from local programs of one Unix user")
    limit_unix_messages_per_day: int = _limit("2000", "Messages a day from local programs of one Unix user")
    limit_unix_recipients_per_hour: int = _limit("1000", "Recipients an hour of one Unix user's programs")
    limit_unix_recipients_per_day: int = _limit("5000", "Recipients a day of one Unix user's programs")
    limit_domain_messages_per_hour: int = _limit("1000", "Messages an hour with senders in one domain")
    limit_domain_messages_per_day: int = _limit("6000", "Messages a day with senders in one domain")
    limit_domain_recipients_per_hour: int = _limit("3000", "Recipients an hour of senders in one domain")
    limit_domain_recipients_per_day: int = _limit("15000", "Recipients a day of senders in one domain")

    # Delivering
    delivery: str = _setting(
        "direct",
        kinds.choice("direct", "sandbox"),
        "`sandbox` keeps mail to foreign domains here and shows it, and never sends it.",
    )
    outbound_port: int = _setting("25", kinds.number(1, 65535), "The port that MX hosts are reached on.")
    outbox_concurrency: int = _setting("20", kinds.number(1, 1000), "Deliveries at one time.")
    outbox_poll_interval: float = _setting(
        "10s", kinds.seconds(0.1, 3600), "The longest that outbox sleeps when no event wakes it."
    )
    smtp_timeout: float = _setting(
        "5m",
        kinds.seconds(1, 3600),
        "How long outbox waits for a remote site's reply (RFC 5321 section 4.5.3.2).",
    )
    connect_timeout: float = _setting("30s", kinds.seconds(1, 300), "How long outbox waits for a connection.")
    retry_first: float = _setting(
        "5m",
        kinds.seconds(1, 86400),
        "The wait after a first failed attempt; it doubles with each further one.",
    )
    retry_max: float = _setting("4h", kinds.seconds(1, 604800), "The longest wait between two attempts.")
    queue_lifetime: float = _setting(
        "5d",
        kinds.seconds(60, 30 * 86400),
        "How long a message is tried before it is returned to its sender.",
    )
    lease_seconds: float = _setting(
        "60s", kinds.seconds(2, 3600), "How long a claimed message stays claimed unless the claim is renewed."
    )
    file_copies: bool = _setting(
        "true", kinds.boolean(), "Write a copy of each received message into its owner's home."
    )

    # DKIM and DNS
    dkim_selector: str = _setting(
        "mail",
        kinds.text("a DNS label", r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"),
        "The selector that signatures name.",
    )
    dkim_bad_key: str = _setting(
        "defer",
        kinds.choice("defer", "unsigned"),
        "What happens to mail of a domain whose key cannot be used: it waits, or goes out unsigned.",
    )
    dns_servers: tuple[tuple[str, int], ...] = _setting(
        "", kinds.servers(53), "DNS servers for every lookup of every program."
    )
    dns_timeout: float = _setting("5s", kinds.seconds(0.1, 60), "How long one DNS lookup may take in all.")

    # The rest
    database_timeout: float = _setting(
        "30s",
        kinds.seconds(1, 600),
        "How long a program waits for a database that another program has locked.",
    )
    session_lifetime: float = _setting("14d", kinds.seconds(300, 365 * 86400), "How long a login to the webmail lasts.")
    sso_lifetime: float = _setting("60s", kinds.seconds(5, 600), "How long a single sign-on token can be redeemed.")

    @property
    def config_dir(self) -> Path:
        """The directory of the settings file, the database and the panel's token."""
        return self.root / "config"

    @property
    def database(self) -> Path:
        """The SQLite database that the three programs share."""
        return self.config_dir / "onifast-mail.db"

    @property
    def users_dir(self) -> Path:
        """One JSON file for each panel user."""
        return self.root / "users"

    @property
    def certs_dir(self) -> Path:
        """A directory for each domain: TLS certificate and DKIM keys."""
        return self.root / "certs"

    @property
    def panel_token_path(self) -> Path:
        """The file that holds the panel's service token."""
        return self.config_dir / "panel.token"

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """The settings of this machine. Raises ConfigError for the first one that cannot be used."""
        given = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in (os.environ if environ is None else environ).items()
            if name.startswith(PREFIX)
        }
        root = _value(_field("root"), given["root"], PREFIX + "ROOT") if "root" in given else cls().root
        file = root / "config" / "onifast-mail.toml"
        from_file = _read_toml(file)
        _refuse_unknown(from_file, f"in {file}")
        _refuse_unknown(given, "in the environment", PREFIX)
        values: dict[str, Any] = {
            name: _value(_field(name), value, f"{name} in {file}") for name, value in from_file.items()
        }
        values |= {name: _value(_field(name), value, PREFIX + name.upper()) for name, value in given.items()}
        settings = cls(**(values | {"root": root}))
        proxies = (*settings.proxy_networks, *settings.xclient_networks)
        if network := kinds.unguarded_loopback(proxies, settings.loopback_networks):
            raise ConfigError(f"{network} is in proxy_networks or xclient_networks, but not in loopback_networks")
        return settings

    @property
    def source(self) -> str:
        """Where the settings came from, for a program's start line."""
        file = self.config_dir / "onifast-mail.toml"
        return str(file) if file.is_file() else f"defaults and environment (no {file})"


class SettingDescription(NamedTuple):
    """A setting as docs/configuration.md shows it."""

    name: str
    default: str
    allowed: str
    meaning: str


def describe() -> list[SettingDescription]:
    """All settings, in the order of their definition."""
    return [
        SettingDescription(item.name, item.metadata["default"], item.metadata["kind"].allowed, item.metadata["meaning"])
        for item in fields(Settings)
    ]


def _field(name: str) -> Field[Any]:
    return Settings.__dataclass_fields__[name]


def _value(item: Field[Any], value: Any, where: str) -> Any:
    kind: Kind = item.metadata["kind"]
    try:
        return kind.parse(value)
    except ValueError:
        raise ConfigError(f"setting {where}: {value!r} is not allowed; give {kind.allowed}") from None


def _refuse_unknown(given: Mapping[str, Any], where: str, prefix: str = "") -> None:
    for name in given:
        if name not in Settings.__dataclass_fields__:
            shown = prefix + name.upper() if prefix else name
            raise ConfigError(f"setting {shown} {where} is not known; docs/configuration.md lists the settings")


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"settings file {file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"settings file {file} is not TOML: {str(error).splitlines()[0]}") from None
