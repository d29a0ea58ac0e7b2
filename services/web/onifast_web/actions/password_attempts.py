"""One attempt at a password, at the login page or by the panel: checked in its turn, and failures counted."""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared.accounts import panel_users
from onifast_shared.accounts.panel_users import PanelUser
from onifast_shared.machine import log
from onifast_shared.machine.counting import count
from onifast_shared.recipients.login_directory import LoginName

from onifast_web.access.context import Web
from onifast_web.access.guessing import Guesser
from onifast_web.actions import audited
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _

LONGEST_PASSWORD = 1024
_MOMENT = 1  # seconds to wait while other guesses of the same client are judged

_logger = log.get("web")


@dataclass(frozen=True)
class PasswordAttempt:
    """What came of an attempt: the user whose password it was, or None. `wait`: not heard for so many seconds."""

    name: LoginName
    user: PanelUser | None
    wait: int = 0


def attempt(web: Web, typed: str, password: str, client: str) -> PasswordAttempt:
    """Tries a password for who is named, from `client`, as forwarded.py makes it of a connection.

    A wrong one is counted; that a right one ends the count is for who signs in to say. Raises Problem(503) while users'
    files cannot be read.
    """
    try:
        name = web.directory.named(typed)
        guesser = Guesser(client, name.account)
        with web.guesses.take(guesser.key) as heard:
            # Within the turn: guesses that come at once see the failures of those before them.
            wait = guesser.blocked_for(web.database, web.clock()) if heard else _MOMENT
            if wait > 0:
                log.event(_logger, "login-throttled", user=name.typed, client=client, seconds=wait)
                return PasswordAttempt(name, None, wait)
            with web.password_checks:
                user = web.directory.opened_by(name, password[:LONGEST_PASSWORD])
            if user is None:
                guesser.failed(web.database, web.clock())
                count("logins", result="failure")
                log.event(_logger, "login-failed", user=typed, client=client)
                _note_lockout(web, guesser)
            return PasswordAttempt(name, user)
    except panel_users.AccountError as error:
        log.event(_logger, "user-directory-trouble", 40, user=typed, reason=error)
        raise Problem(503, _("The panel's account data cannot be read just now. Tell your administrator.")) from None


def _note_lockout(web: Web, guesser: Guesser) -> None:
    """Only of users that there are: what else strangers type is nobody's."""
    if guesser.blocked_for(web.database, web.clock()) and web.directory.get(guesser.username):
        audited.note_lockout(web, guesser.username)
