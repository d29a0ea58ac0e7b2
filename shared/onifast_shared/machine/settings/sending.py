"""Who may send what, and how much."""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared.machine import setting_types as kinds
from onifast_shared.machine.settings.field import limit, setting


@dataclass(frozen=True, kw_only=True)
class SendingSettings:
    """Senders that are allowed, and outgoing limits."""

    sender_ownership: str = setting(
        "enforce",
        kinds.choice("enforce", "warn"),
        "What happens over SMTP to mail with a sender or From that is not the user's: refused, or only noted.",
    )
    unix_sender_domains: str = setting(
        "off",
        kinds.choice("off", "own"),
        "`own` holds a local program's mail to addresses and domains of the Unix user that runs it (root excepted).",
    )
    unknown_unix_user: str = setting(
        "accept",
        kinds.choice("accept", "refuse", "hostname"),
        "Mail of a local program whose Unix user cannot be known; `hostname` takes it from the host's own name alone.",
    )
    undo_send: float = setting(
        "10s",
        kinds.seconds(0, 600),
        "How long a message waits that is sent from the webmail, so that it can be called back; users may choose their"
        " own. 0 for not at all.",
    )
    limit_burst: int = setting(
        "100", kinds.number(1, 1000), "How much of each of the following limits may go out at once, in percent."
    )
    limit_alerts: bool = setting(
        "true",
        kinds.boolean(),
        "Tell the owner and the host's postmaster by mail when one of the following limits is hit, once a day.",
    )
    limit_user_messages_per_hour: int = limit("300", "Messages an hour from one user who logs in")
    limit_user_messages_per_day: int = limit("2000", "Messages a day from one user who logs in")
    limit_user_recipients_per_hour: int = limit("1000", "Recipients an hour of one user who logs in")
    limit_user_recipients_per_day: int = limit("5000", "Recipients a day of one user who logs in")
    limit_unix_messages_per_hour: int = limit("300", "Messages an hour from local programs of one Unix user")
    limit_unix_messages_per_day: int = limit("2000", "Messages a day from local programs of one Unix user")
    limit_unix_recipients_per_hour: int = limit("1000", "Recipients an hour of one Unix user's programs")
    limit_unix_recipients_per_day: int = limit("5000", "Recipients a day of one Unix user's programs")
    limit_domain_messages_per_hour: int = limit("1000", "Messages an hour with senders in one domain")
    limit_domain_messages_per_day: int = limit("6000", "Messages a day with senders in one domain")
    limit_domain_recipients_per_hour: int = limit("3000", "Recipients an hour of senders in one domain")
    limit_domain_recipients_per_day: int = limit("15000", "Recipients a day of senders in one domain")
