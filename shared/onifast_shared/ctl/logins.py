"""The commands of onifast-mailctl about what lets users in: single sign-on, API tokens, app passwords."""

from __future__ import annotations

import argparse
import contextlib
import time
from typing import Any

from onifast_shared.accounts import api_tokens, app_passwords, sessions
from onifast_shared.accounts.api_tokens import ALL_SCOPES, TokenError, TokenScope
from onifast_shared.accounts.app_passwords import AppPasswordError
from onifast_shared.ctl.tools import (
    UsageError,
    add,
    identifier,
    known_account,
    of_account,
    outcome,
    read,
    show_one,
    show_rows,
    write,
)
from onifast_shared.machine import setting_types
from onifast_shared.machine.config import Settings
from onifast_shared.values import times


def declare_single_sign_on(area: Any) -> None:
    """Adds the command about single sign-on to its area."""
    add(area, "issue", of_account(_sso_issue), "a one-time link to the webmail", "user")


def declare_tokens(area: Any) -> None:
    """Adds the commands about API tokens to their area."""
    making = add(area, "create", of_account(_token_create), "a token; it is shown only now", "user", "name")
    names = ", ".join(scope.value for scope in TokenScope)
    making.add_argument("--scope", action="append", metavar="SCOPE", help=f"{names}; several; all unless given")
    making.add_argument("--expires", metavar="WHEN", help="such as 90d, or 2027-11-22T10:00:00Z; never unless given")
    add(area, "list", of_account(_token_list), "id, name, scopes, made, ends, last used, from where", "user")
    add(area, "revoke", of_account(_token_revoke), "make a token worthless", "user").add_argument("id", type=identifier)


def declare_app_passwords(area: Any) -> None:
    """Adds the commands about app passwords to their area."""
    add(area, "create", of_account(_password_create), "a password; it is shown only now", "user", "name")
    add(area, "list", of_account(_password_list), "id, name, made, last used, from where", "user")
    add(area, "revoke", of_account(_password_revoke), "make a password worthless", "user").add_argument(
        "id", type=identifier
    )


def _sso_issue(arguments: argparse.Namespace, settings: Settings) -> int:
    known_account(settings, arguments.user)
    now = time.time()
    token = write(settings, lambda tx: sessions.issue_sso(tx, arguments.user, now, settings.sso_lifetime))
    expires_at = times.rfc3339(now + settings.sso_lifetime)
    path = f"{settings.url_prefix}/sso-login?token={token}"
    return show_one(arguments, {"token": token, "path": path, "expires_at": expires_at}, path)


def _token_create(arguments: argparse.Namespace, settings: Settings) -> int:
    known_account(settings, arguments.user)
    now = time.time()
    try:
        scopes = api_tokens.scopes_from(",".join(arguments.scope).split(",")) if arguments.scope else ALL_SCOPES
        ends = _end(arguments.expires, now)
        token, made = write(
            settings,
            lambda tx: api_tokens.create(tx, arguments.user, arguments.name, now, scopes=scopes, expires_ts=ends),
        )
    except TokenError as error:
        raise UsageError(str(error)) from None
    return show_one(arguments, {"id": made.id, "token": token}, token)


def _end(text: str | None, now: float) -> int | None:
    """When a token ends; raises UsageError."""
    if text is None:
        return None
    with contextlib.suppress(ValueError):
        return int(now + setting_types.seconds(1, api_tokens.LONGEST_LIFE).parse(text))
    try:
        return times.parse_rfc3339(text)
    except ValueError:
        raise UsageError(
            f"--expires {text!r} is neither a span such as 90d nor a time such as 2027-11-22T10:00:00Z"
        ) from None


def _token_list(arguments: argparse.Namespace, settings: Settings) -> int:
    found = read(settings, lambda tx: api_tokens.list_for(tx, arguments.user))
    rows = [
        {
            "id": token.id,
            "name": token.name,
            "scopes": " ".join(token.scope_names),
            "created_at": times.rfc3339(token.created_ts),
            "expires_at": times.rfc3339(token.expires_ts) if token.expires_ts else None,
            "used_at": times.rfc3339(token.used_ts) if token.used_ts else None,
            "used_from": token.used_from,
        }
        for token in found
    ]
    return show_rows(arguments, rows)


def _token_revoke(arguments: argparse.Namespace, settings: Settings) -> int:
    return outcome(
        write(settings, lambda tx: api_tokens.revoke(tx, arguments.user, arguments.id)),
        f"{arguments.user} has no token {arguments.id}",
    )


def _password_create(arguments: argparse.Namespace, settings: Settings) -> int:
    panel = known_account(settings, arguments.user).verifier()
    try:
        password, made = write(
            settings, lambda tx: app_passwords.create(tx, arguments.user, panel, arguments.name, time.time())
        )
    except AppPasswordError as error:
        raise UsageError(str(error)) from None
    return show_one(arguments, {"id": made.id, "password": password.reveal()}, password.reveal())


def _password_list(arguments: argparse.Namespace, settings: Settings) -> int:
    found = read(settings, lambda tx: app_passwords.list_for(tx, arguments.user))
    rows = [
        {
            "id": row.id,
            "name": row.name,
            "created_at": times.rfc3339(row.created_ts),
            "used_at": times.rfc3339(row.used_ts) if row.used_ts else None,
            "used_from": row.used_from,
        }
        for row in found
    ]
    return show_rows(arguments, rows)


def _password_revoke(arguments: argparse.Namespace, settings: Settings) -> int:
    return outcome(
        write(settings, lambda tx: app_passwords.revoke(tx, arguments.user, arguments.id)),
        f"{arguments.user} has no app password {arguments.id}",
    )
