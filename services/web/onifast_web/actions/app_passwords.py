"""App passwords, as users make and revoke them: each for one of their programs."""

from __future__ import annotations

from onifast_shared.accounts import app_passwords, panel_users
from onifast_shared.accounts.app_passwords import AppPassword
from onifast_shared.machine import log
from onifast_shared.machine.log import Secret

from onifast_web.access import auth
from onifast_web.access.context import Web
from onifast_web.http.problems import Problem

_logger = log.get("web")


def create(web: Web, username: str, name: str) -> tuple[Secret, AppPassword]:
    """A new app password; raises AppPasswordError, and Problem(503) while the user's file cannot be used."""
    user = auth.active_user(web, username)
    try:
        panel = user.verifier() if user else None
    except panel_users.AccountError as error:
        log.event(_logger, "user-directory-trouble", 40, user=username, reason=error)
        raise Problem(503, "The panel's account data cannot be read just now. Tell your administrator.") from None
    made = web.database.write(lambda tx: app_passwords.create(tx, username, panel, name, web.clock()))
    log.event(_logger, "app-password-created", user=username, id=made[1].id, name=made[1].name)
    return made


def revoke(web: Web, username: str, password_id: int) -> bool:
    """Ends an app password; False if the user has none of that id."""
    revoked = web.database.write(lambda tx: app_passwords.revoke(tx, username, password_id))
    if revoked:
        log.event(_logger, "app-password-revoked", user=username, id=password_id)
    return revoked
