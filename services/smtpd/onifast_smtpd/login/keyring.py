"""The passwords that log a user in over SMTP: the panel password, and app passwords.

Everything here takes as long, and looks the same from outside, for a name that no user has. It blocks.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from onifast_shared.accounts import app_passwords, enrolment, login_places, scram_verifier
from onifast_shared.accounts.app_passwords import AppPasswordVerifier, LoginVerifiers
from onifast_shared.accounts.panel_users import PanelUser
from onifast_shared.accounts.scram_verifier import Parameters, ScramVerifier
from onifast_shared.db.database import Database
from onifast_shared.machine.log import Secret
from onifast_shared.recipients.login_directory import LoginDirectory, LoginName

_WRITE_PATIENCE = 2.0


@dataclass(frozen=True)
class PasswordMatch:
    """The user whose password fits; `app_password` is the one that did, None for the panel password."""

    user: PanelUser
    app_password: AppPasswordVerifier | None


@dataclass(frozen=True)
class ProofMatch:
    """The user whose password a proof fits, and its verifier."""

    matched: PasswordMatch
    verifier: ScramVerifier


@dataclass(frozen=True)
class Challenge:
    """What a SCRAM client is told, and the verifiers that its proof may fit; `user` is None where none may."""

    parameters: Parameters
    user: PanelUser | None
    verifiers: tuple[tuple[ScramVerifier, AppPasswordVerifier | None], ...]

    def matching(self, fits: Callable[[ScramVerifier], bool]) -> ProofMatch | None:
        """The password that the client's proof fits. Without any it is tried all the same, to take as long."""
        fitting = [(verifier, app_password) for verifier, app_password in self.verifiers if fits(verifier)]
        if not self.verifiers:
            fits(ScramVerifier(self.parameters, secrets.token_bytes(32), b""))
        if not fitting or self.user is None:
            return None
        verifier, app_password = fitting[0]
        return ProofMatch(PasswordMatch(self.user, app_password), verifier)


class Keyring:
    """The users' passwords of every kind; safe to use from any thread."""

    def __init__(self, database: Database, users: LoginDirectory, *, enrols: bool) -> None:
        """`enrols`: the panel password that somebody logs in with is made fit for SCRAM."""
        self._database = database
        self._users = users
        self._enrols = enrols
        self._salt_secret: bytes | None = None

    def named(self, typed: str) -> LoginName:
        """Which account a client means; raises AccountError, DatabaseError."""
        return self._users.named(typed)

    def is_somebody(self, username: str) -> bool:
        """Whether there is a user of that name, disabled or not; raises AccountError."""
        return self._users.get(username) is not None

    def open(self, name: LoginName, password: Secret) -> PasswordMatch | None:
        """Whom a password lets in; raises AccountError, DatabaseError."""
        found = self._verifiers(name, None)
        derived = scram_verifier.derive(password.reveal(), found.parameters)
        app_password = app_passwords.fitting(found.app_passwords, derived)
        if app_password is not None:
            user = self._active(name.account)
            return PasswordMatch(user, app_password) if user else None
        user = self._users.opened_by(name, password.reveal())
        if user is None:
            return None
        if self._enrols:
            enrolment.learn(self._database, user, derived, time.time())
        return PasswordMatch(user, None)

    def challenge(self, name: LoginName) -> Challenge:
        """What to answer a SCRAM client of that name; raises AccountError, DatabaseError.

        The panel password can be used where its verifier has the salt that the app passwords have, or there are none.
        """
        if not name.is_known:
            return Challenge(self.challenge(LoginName.of(name.salted_as)).parameters, None, ())
        username = name.account
        user = self._users.get(username)
        panel = user.verifier() if user else None
        found = self._verifiers(name, panel)
        enrolled = self._database.read(lambda tx: enrolment.find(tx, user, username))
        panel = panel or enrolled
        verifiers: list[tuple[ScramVerifier, AppPasswordVerifier | None]] = [
            (app_password.verifier, app_password)
            for app_password in found.app_passwords
            if app_password.verifier.parameters == found.parameters
        ]
        if panel is not None and panel.parameters == found.parameters:
            verifiers.append((panel, None))
        if user is None or user.disabled:
            return Challenge(found.parameters, None, ())
        return Challenge(found.parameters, user, tuple(verifiers))

    def suits_scram(self, place: str) -> bool:
        """Whether SCRAM is what a client at that place should be offered; raises AccountError, DatabaseError.

        Many clients take SCRAM wherever they see it, and give up where it fails. So those who logged in from there must
        all be able to use it; where nobody did, somebody must have been given a password that it is good for.
        """
        known = self._database.read(lambda tx: login_places.habits(tx, place, time.time()))
        if known.scram_failed:
            return False
        if not known.regulars:
            return self._database.read(app_passwords.exist) or self._users.keep_verifiers()
        return all(self._can_use_scram(regular) for regular in known.regulars)

    def _can_use_scram(self, regular: login_places.Regular) -> bool:
        verifiers = self.challenge(LoginName.of(regular.username)).verifiers
        return any(app_password is None or not regular.by_panel for _, app_password in verifiers)

    async def note_use(self, matched: PasswordMatch, now: float, where: str) -> None:
        """Remembers when and from where an app password was used last; raises DatabaseError."""
        app_password = matched.app_password
        if app_password is not None and app_password.use_is_news(now, where):
            await self._database.awrite(
                lambda tx: app_passwords.touch(tx, app_password.id, now, where), timeout=_WRITE_PATIENCE
            )

    def _active(self, username: str) -> PanelUser | None:
        user = self._users.get(username)
        return None if user is None or user.disabled else user

    def _verifiers(self, name: LoginName, panel: ScramVerifier | None) -> LoginVerifiers:
        secret = self._salt_secret = self._salt_secret or app_passwords.obtain_salt_secret(self._database)
        asked = name.account if name.is_known else name.salted_as
        found = self._database.read(lambda tx: app_passwords.verifiers_of(tx, asked, panel, secret))
        return found if name.is_known else LoginVerifiers(found.parameters, ())
