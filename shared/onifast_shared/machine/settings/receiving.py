"""What smtpd takes, from whom, and how it judges it."""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared.machine import setting_types as kinds
from onifast_shared.machine.setting_types import IPNetwork, Listen, ScannerAddress
from onifast_shared.machine.settings.field import MIB, setting

COPIES = 3
"""How often a message lies in memory, about: as it came, with our header fields, and being judged or stored."""


@dataclass(frozen=True, kw_only=True)
class ReceivingSettings:
    """Sessions, login, limits of messages, sender authentication."""

    loopback_networks: tuple[IPNetwork, ...] = setting(
        "127.0.0.0/8, ::1/128",
        kinds.networks(),
        "Networks that count as this machine: they relay on port 25 with no password.",
    )
    trusted_networks: tuple[IPNetwork, ...] = setting(
        "", kinds.networks(), "Other networks that may relay on port 25 with no password."
    )
    allow_insecure_auth: str = setting(
        "loopback", kinds.choice("never", "loopback", "always"), "Who may log in over SMTP without TLS."
    )
    smtp_auth: str = setting(
        "local",
        kinds.choice("never", "local", "always"),
        "Who may log in on port 25: nobody, this machine and `trusted_networks`, or everybody (who has the ports of"
        " `submission_listen` and `submissions_listen` for that).",
    )
    auth_mechanisms: tuple[str, ...] = setting(
        "SCRAM-SHA-256-PLUS, SCRAM-SHA-256, PLAIN, LOGIN",
        kinds.choices("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"),
        "How clients may log in over SMTP. SCRAM is for app passwords, and for panel passwords that logged in before.",
    )
    login_delay: float = setting(
        "1s",
        kinds.seconds(0, 10),
        "How long the first wrong password waits for its answer; each further one twice as long, up to 8 times.",
    )
    allow_plaintext_passwords: bool = setting(
        "false", kinds.boolean(), "Accept a panel user file that holds its password unhashed."
    )
    max_message_size: int = setting(
        "50 MiB", kinds.size(64 * 1024, 1024 * MIB), "The largest message that is accepted."
    )
    max_header_size: int = setting(
        "256 KiB", kinds.size(16 * 1024, 64 * MIB), "The largest header section of a message."
    )
    max_header_fields: int = setting("1000", kinds.number(50, 100_000), "Fields in a header section.")
    max_line_length: int = setting(
        "1 MiB",
        kinds.size(998, 1024 * MIB),
        "The longest line of a message. RFC 5321 section 4.5.3.1.6 allows 998 bytes; many programs write longer ones.",
    )
    max_mime_depth: int = setting("50", kinds.number(10, 1000), "How deep a message's parts may be nested.")
    max_mime_parts: int = setting("1000", kinds.number(100, 100_000), "Parts of a message.")
    address_syntax: str = setting(
        "lenient",
        kinds.choice("lenient", "strict"),
        "What MAIL and RCPT take: RFC 5321's grammar alone, or also what exists beside it (no angle brackets, dots"
        " anywhere in a local part and more than 64 bytes of it, a final dot or underscores in a domain).",
    )
    bare_line_ends: str = setting(
        "repair",
        kinds.choice("refuse", "repair"),
        "What happens to bare CR or LF in mail of local programs; that of others is always refused.",
    )
    max_recipients: int = setting(
        "1000",
        kinds.number(100, 100_000),
        "Recipients in one SMTP transaction (RFC 5321 section 4.5.3.1.8 asks for 100 at least).",
    )
    recipient_delimiter: str = setting(
        "+",
        kinds.text("empty, or one of + - =", r"[+=-]?"),
        "What divides an address from a tag: mail to `ann+shop@` is Ann's. Empty for no tags.",
    )
    default_address_quota: int = setting(
        "0", kinds.size(0, 1024 * 1024 * MIB), "What one address' mail may take; 0 for no limit."
    )
    default_owner_quota: int = setting(
        "0", kinds.size(0, 1024 * 1024 * MIB), "What all mail of one user may take; 0 for no limit."
    )
    smtpd_processes: int = setting(
        "0",
        kinds.number(0, 64),
        "Processes that receive mail; 0 is one while it has time, else one for each core, 4 at the most. Connections"
        " are counted over all of them.",
        fixed=True,
    )
    max_connections: int = setting(
        "500",
        kinds.number(1, 100_000),
        "SMTP sessions at one time. A tenth of them each is kept for this machine and for strangers on each of the"
        " three ports.",
    )
    max_connections_per_address: int = setting(
        "50",
        kinds.number(1, 65535),
        "SMTP sessions at one time from one address (IPv6: from one /64; twice as many from a /56, four times from a"
        " /48), unless it is in `trusted_networks`; four times as many of one Unix user of this machine.",
    )
    max_connection_rate: int = setting(
        "0",
        kinds.number(0, 1_000_000),
        "SMTP sessions a minute from one address (IPv6 as with `max_connections_per_address`), in each process; 0 for"
        " any number. This machine may have any number.",
    )
    banner_delay: float = setting(
        "0s",
        kinds.seconds(0, 30),
        "How long strangers wait for the greeting on port 25; those who speak before it are turned away.",
    )
    proxy_networks: tuple[IPNetwork, ...] = setting(
        "",
        kinds.networks(),
        "Proxies whose connections begin with a PROXY header; on loopback, those of `trusted_proxy_users`.",
    )
    xclient_networks: tuple[IPNetwork, ...] = setting(
        "",
        kinds.networks(),
        "Proxies that may say XCLIENT (address, HELO and login of a client); on loopback as with `proxy_networks`.",
    )
    max_hold: float = setting(
        "30d",
        kinds.seconds(0, 365 * 86400),
        "How far ahead a user may have a message released (RFC 4865 FUTURERELEASE); 0 for not at all.",
    )
    min_data_rate: int = setting(
        "256",
        kinds.size(0, MIB),
        "Bytes a second that a client must send of a message on average, once `session_timeout` is over; 0 for any.",
    )
    bytes_in_flight: int = setting(
        "768 MiB",
        kinds.size(MIB, 1024 * 1024 * MIB),
        "Memory for messages being received at one time, over all sessions; each takes three times its size, and the"
        " largest that `max_message_size` allows must have room.",
    )
    session_timeout: float = setting(
        "5m",
        kinds.seconds(1, 3600),
        "How long an SMTP client may be silent (RFC 5321 section 4.5.3.2.7); 10 seconds at the most while sessions or"
        " `bytes_in_flight` run short.",
    )
    spf_fail: str = setting(
        "accept",
        kinds.choice("accept", "reject"),
        "What an SPF `fail` does to a message: note it, or refuse the message.",
    )
    dmarc_reject: str = setting(
        "reject",
        kinds.choice("reject", "junk", "note"),
        "What becomes of mail that its author's domain asks to reject (DMARC); `note` obeys no DMARC policy.",
    )
    trusted_arc_sealers: tuple[str, ...] = setting(
        "", kinds.names(), "Domains of forwarders whose ARC seals count where DMARC fails."
    )
    dnsbl_zones: tuple[str, ...] = setting(
        "", kinds.zones(), "DNS block lists that are asked about each client that may not relay."
    )
    dnsbl_action: str = setting("reject", kinds.choice("reject", "junk"), "What becomes of mail from a listed client.")
    greylisting: bool = setting(
        "false", kinds.boolean(), "Let clients come back that were never here, unless SPF passes (RFC 6647)."
    )
    greylisting_delay: float = setting(
        "5m", kinds.seconds(1, 3600), "How long a client that is greylisted has to wait."
    )
    scanner: ScannerAddress | None = setting(
        "", kinds.scanner(), "The junk filter that gives incoming messages points."
    )
    scanner_timeout: float = setting(
        "20s", kinds.seconds(0.1, 300), "How long the junk filter may take; then the message goes on without it."
    )
    scanner_reject: str = setting(
        "junk", kinds.choice("junk", "reject"), "What becomes of a message that the junk filter would reject."
    )
    scanner_learns_at: ScannerAddress | None = setting(
        "",
        kinds.scanner(),
        "Where the junk filter learns, for each user apart, what they move to or out of junk: a spamd that allows TELL,"
        " or rspamd's controller (port 11334) with statistics per user. It is asked in the user's name then. Empty for"
        " a filter of our own, which needs no service.",
    )
    junk_filter: str = setting(
        "own",
        kinds.choice("own", "off"),
        "Whether the filter of our own learns from what users move to or out of junk, where no other one does.",
    )
    refused_kept_whole: float = setting(
        "0",
        kinds.seconds(0, 90 * 86400),
        "How long a message is kept apart that was refused for its authentication or its score, so that its recipient"
        " can fetch it back; 0 for not at all. What a content filter refused is never kept.",
    )
    milters: tuple[Listen, ...] = setting(
        "",
        kinds.milters(),
        "Content filters that see each message of SMTP, in or out, one after another: ClamAV's, OpenDKIM's and so on.",
    )
    milter_timeout: float = setting(
        "30s", kinds.seconds(0.1, 600), "How long each content filter may take for a message."
    )
    milter_failure: str = setting(
        "later",
        kinds.choice("later", "accept"),
        "What becomes of a message that a content filter does not answer to: its client comes back later, or it goes"
        " on without that filter.",
    )
    refusals_kept: float = setting(
        "30d", kinds.seconds(3600, 365 * 86400), "How long the record of a refused message is kept."
    )
