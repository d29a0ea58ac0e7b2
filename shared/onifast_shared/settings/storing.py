"""The database's patience, how long logins last, and what the webmail warns of."""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared import setting_types as kinds
from onifast_shared.settings.field import setting


@dataclass(frozen=True, kw_only=True)
class StoringSettings:
    """What is left: the database and sign-in."""

    database_timeout: float = setting(
        "30s",
        kinds.seconds(1, 600),
        "How long a program waits for a database that another program has locked.",
        fixed=True,
    )
    session_lifetime: float = setting("14d", kinds.seconds(300, 365 * 86400), "How long a login to the webmail lasts.")
    sso_lifetime: float = setting("60s", kinds.seconds(5, 600), "How long a single sign-on token can be redeemed.")
    well_known_domains: tuple[str, ...] = setting(
        "",
        kinds.names(),
        "Domains that the webmail knows beside the most imitated ones of the world (a bank of your country): where mail"
        " comes from one that looks like them, it warns.",
    )
