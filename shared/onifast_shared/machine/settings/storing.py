"""The database's patience, how long logins and records last, and what the webmail shows and warns of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onifast_shared.machine import setting_types as kinds
from onifast_shared.machine.setting_types import IPNetwork
from onifast_shared.machine.settings.field import setting


@dataclass(frozen=True, kw_only=True)
class StoringSettings:
    """What is left: the database, what is kept and for how long, and the webmail."""

    database_timeout: float = setting(
        "30s",
        kinds.seconds(1, 600),
        "How long a program waits for a database that another program has locked.",
        fixed=True,
    )
    departed_mail_kept: float = setting(
        "30d",
        kinds.seconds(0, 3650 * 86400),
        "How long mail and settings of a user who is gone are kept, out of everybody's reach, before they are deleted.",
    )
    metrics_kept: float = setting(
        "400d",
        kinds.seconds(3600, 3650 * 86400),
        "How long the numbers over time are kept that the overview shows; those of single minutes for two days.",
    )
    session_lifetime: float = setting(
        "14d",
        kinds.seconds(300, 365 * 86400),
        "How long a login to the webmail lasts after its last use; that an open page looks for new mail is no use.",
    )
    session_longest: float = setting(
        "90d",
        kinds.seconds(300, 3650 * 86400),
        "How long a login to the webmail lasts at the longest, however much it is used.",
    )
    owners_read_mailboxes: bool = setting(
        "false",
        kinds.boolean(),
        "Whether a panel user may read the mail of their mailbox users, who see in their activity that it was read.",
    )
    writes_users: bool = setting(
        "false",
        kinds.boolean(),
        "Whether users' files may be made, changed and removed here, by `onifast-mailctl user` and the panel's service"
        " token; otherwise the panel alone writes users/.",
    )
    sso_lifetime: float = setting("60s", kinds.seconds(5, 600), "How long a single sign-on token can be redeemed.")
    totp_required: str = setting(
        "nobody",
        kinds.choice("nobody", "administrators", "everybody"),
        "Who must have a second factor (TOTP) to sign in to the webmail; who has none sets it up at the next login.",
    )
    totp_after_sso: bool = setting(
        "false",
        kinds.boolean(),
        "Whether who comes from the panel by single sign-on is asked for the second factor too.",
    )
    totp_remembered: float = setting(
        "30d",
        kinds.seconds(0, 90 * 86400),
        "How long a browser may be remembered, by its user's choice, before it is asked for the second factor again; 0"
        " for never.",
    )
    audit_kept: float = setting(
        "365d",
        kinds.seconds(86400, 3650 * 86400),
        "How long the audit trail is kept: who logged in, read or changed what.",
    )
    webhook_calls_kept: float = setting(
        "7d",
        kinds.seconds(0, 365 * 86400),
        "How long it is kept what each call of a webhook came to, so that it can be seen and made again; 0 for not at"
        " all.",
    )
    import_max_size: int = setting(
        "20 GiB",
        kinds.size(1024 * 1024, 2**50),
        "Octets of the largest file that users may upload to import mail from.",
    )
    import_networks: tuple[IPNetwork, ...] = setting(
        "",
        kinds.networks(),
        "Networks that are not of the public Internet, and that users may import mail from by IMAP all the same.",
    )
    moved_files_kept: float = setting(
        "7d",
        kinds.seconds(3600, 365 * 86400),
        "How long exported mail can be downloaded, and an import that was broken off be gone on with.",
    )
    image_proxy: bool = setting(
        "false",
        kinds.boolean(),
        "Whether outbox fetches the images that a message shows from elsewhere, so that the sender does not learn its"
        " reader's address. If false, the reader's browser does.",
    )
    well_known_domains: tuple[str, ...] = setting(
        "",
        kinds.names(),
        "Domains that the webmail knows beside the most imitated ones of the world (a bank of your country): where mail"
        " comes from one that looks like them, it warns.",
    )
    trash_kept: float = setting(
        "0",
        kinds.seconds(0, 3650 * 86400),
        "How long messages stay in trash before they are removed for good, counted from when they were put there; 0"
        " for ever.",
    )
    junk_kept: float = setting("0", kinds.seconds(0, 3650 * 86400), "The same for junk.")
    disk_warn_at: int = setting(
        "90",
        kinds.number(1, 100),
        "Of the disk that the database lies on, the used share in per cent (as `df` has it) at which administrators are"
        " warned; 100 for never.",
    )
    disk_refuse_at: int = setting(
        "95",
        kinds.number(1, 100),
        "The used share at which no new mail is taken (`452 4.3.1`), so that what is here can be read, delivered and"
        " deleted; 100 for never.",
    )
    backup_dir: Path | None = setting(
        "",
        kinds.optional_path(),
        "The directory that `onifast-mailctl backup` works on if it is given none, and the timer's: on another disk, or"
        " one that is copied elsewhere.",
    )
    backup_keep: str = setting(
        "last=3,daily=7,weekly=4,monthly=6",
        kinds.text("such as last=3,daily=7,weekly=4", r"(?:(?:last|daily|weekly|monthly|yearly)=[0-9]{1,4}(?:,|$))*"),
        "Which backups are kept when another one is made: the newest of so many days, weeks, months and years. Empty"
        " keeps all.",
    )
    backup_encrypt_to: tuple[str, ...] = setting(
        "",
        kinds.names(),
        "Recipients of age (`age1…`) that backups are encrypted to. Empty for none.",
    )
