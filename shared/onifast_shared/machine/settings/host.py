"""Where things lie, who this host is, and where the programs listen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onifast_shared.machine import setting_types as kinds
from onifast_shared.machine.setting_types import Listen
from onifast_shared.machine.settings.field import setting


@dataclass(frozen=True, kw_only=True)
class HostSettings:
    """Paths, names and listening sockets."""

    root: Path = setting(
        "/home/root/onifast", kinds.path(), "The panel's root: `users/`, `certs/` and `config/` lie in it.", fixed=True
    )
    home_root: Path = setting("/home", kinds.path(), "The directory that holds the users' homes.", fixed=True)
    run_as: str = setting(
        "onifast-mail",
        kinds.text("a user name", r"[A-Za-z_][A-Za-z0-9_.-]*"),
        "The Unix user that a program started as root becomes once it has bound its ports.",
        fixed=True,
    )
    log_level: str = setting(
        "info", kinds.choice("debug", "info", "warning", "error"), "The least severe events that are logged."
    )

    hostname: str = setting(
        "",
        kinds.hostname(),
        "The name in the greeting, in EHLO, Received and Message-ID.",
        shown="the machine's FQDN",
    )
    administrators: tuple[str, ...] = setting(
        "", kinds.names(), "Panel users who are administrators, besides those whose file says so."
    )
    postmaster: str = setting(
        "root",
        kinds.text("a user name", r"[A-Za-z0-9_][A-Za-z0-9_.@-]*"),
        "The user who owns mail to postmaster and to the other role names at the host's own name.",
    )

    smtp_listen: tuple[Listen, ...] = setting(
        "0.0.0.0:25,[::]:25",
        kinds.listens(),
        "Where smtpd takes mail from other sites and from local programs.",
        fixed=True,
    )
    submission_listen: tuple[Listen, ...] = setting(
        "0.0.0.0:587,[::]:587", kinds.listens(), "Where smtpd takes mail from users who log in (STARTTLS).", fixed=True
    )
    submissions_listen: tuple[Listen, ...] = setting(
        "0.0.0.0:465,[::]:465", kinds.listens(), "The same with implicit TLS (RFC 8314).", fixed=True
    )
    http_listen: tuple[Listen, ...] = setting(
        "127.0.0.1:4031", kinds.listens(unix=True), "Where web serves the webmail and the API.", fixed=True
    )
    http_socket_group: str = setting(
        "",
        kinds.text("empty, or the name of a group", r"[A-Za-z0-9._-]*"),
        "The Unix group that may connect to a Unix socket in `http_listen`: a web server's; empty is web's own.",
        fixed=True,
    )
    metrics_listen: tuple[Listen, ...] = setting(
        "",
        kinds.listens(unix=True),
        "Where web tells monitoring programs such as Prometheus the numbers of all programs, `/metrics`; to anybody who"
        " reaches it.",
        fixed=True,
    )
    url_prefix: str = setting(
        "",
        kinds.text("empty, or a path such as /mail with no slash at its end", r"(/[A-Za-z0-9._~-]+)*"),
        "The path below which the panel shows the webmail, where its proxy does not say so.",
    )
    webmail_url: str = setting(
        "",
        kinds.text(
            "empty, or an http or https URL with no slash at its end", r"(https?://[A-Za-z0-9._~:/\[\]-]+[^/])?"
        ),
        "Where people find the webmail, for links in what is written to them: `https://panel.example.com/mail`.",
    )
    default_language: str = setting(
        "en",
        kinds.text("a language by BCP 47, such as de", r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*"),
        "The webmail's language for who chose none and whose browser asks for none that there is.",
        fixed=True,
    )
    pseudo_languages: bool = setting(
        "no",
        kinds.boolean(),
        "Whether the webmail also offers en-XA (accented, longer) and ar-XB (from right to left), for those who"
        " develop it: [translating.md](translating.md).",
        fixed=True,
    )
    trusted_proxy_users: tuple[str, ...] = setting(
        "root",
        kinds.names(),
        "Unix users whose loopback connections may speak for others: X-Forwarded-… (web's own user always may),"
        " PROXY, XCLIENT.",
    )
    max_http_connections: int = setting(
        "500",
        kinds.number(8, 100_000),
        "Connections to web at one time; one address or Unix user may have an eighth of them, a trusted proxy all.",
    )
    http_threads: int = setting("8", kinds.number(1, 256), "Threads that answer HTTP requests, of all processes.")
    api_calls_per_minute: int = setting(
        "6000",
        kinds.number(0, 10_000_000),
        "Calls of the API that a user may make in a minute, in the webmail and with all their tokens; 0 for any number."
        " The panel's service token has no limit.",
    )
    api_calls_per_minute_by_token: int = setting(
        "3000", kinds.number(0, 10_000_000), "The same with one personal API token."
    )
    http_processes: int = setting(
        "0",
        kinds.number(0, 64),
        "Processes that answer HTTP requests; 0 is one while it has time, else one for each core, 2 at the most. Limits"
        " hold for all together.",
        fixed=True,
    )

    imap_host: str = setting(
        "",
        kinds.optional_hostname(),
        "The IMAP server where users read this mail, for mail programs that ask how to reach it; empty where"
        " there is none.",
    )
    imap_port: int = setting("993", kinds.number(1, 65535), "The port of that server.")
    imap_security: str = setting(
        "tls", kinds.choice("tls", "starttls"), "Whether that port speaks TLS at once, or after STARTTLS."
    )
    mta_sts_mode: str = setting(
        "testing",
        kinds.choice("off", "none", "testing", "enforce"),
        "The MTA-STS policy that web serves for the domains here (RFC 8461): other sites report, or refuse to send,"
        " where TLS to this host fails; `none` withdraws a policy, `off` serves none. A domain may have its own.",
    )

    doctor_daily: bool = setting(
        "true",
        kinds.boolean(),
        "Whether outbox examines once a day what stands between this host and good delivery (`onifast-mailctl doctor`),"
        " and tells the postmaster by mail when something turns bad, and when it is good again.",
    )
    doctor_probe_domain: str = setting(
        "gmail.com",
        kinds.optional_hostname(),
        "A domain that always has mail servers: whether they answer shows that port 25 is open outwards. Empty asks"
        " nobody.",
    )
    doctor_blocklists: tuple[str, ...] = setting(
        "zen.spamhaus.org,bl.spamcop.net,b.barracudacentral.org",
        kinds.zones(),
        "DNS block lists that are asked whether they have an address that mail leaves from.",
    )
