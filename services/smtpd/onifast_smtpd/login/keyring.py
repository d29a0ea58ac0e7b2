"""What opens a user's door over SMTP: their panel password, and their app passwords.

Everything here takes as long, and looks the same from outside, for a name that no user has. It blocks.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from onifast_shared.accounts import app_passwords, enrolment, login_places, scram_verifier
from onifast_shared.accounts.app_passwords import AppPasswordVerifier, LoginVerifiers
from onifast_shared.accounts.panel_users import PanelUser, UserDirectory
from onifast_shared.accounts.scram_verifier import Parameters, ScramVerifier
from onifast_shared.db.database import Database
from onifast_shared.machine.log import Secret

_WRITE_PATIENCE = 2.0


@dataclass(frozen=True)
class PasswordMatch:
    """Whose door was opened; `lock` is the app password's, None for the panel password."""

    user: PanelUser
    lock: AppPasswordVerifier | None


@dataclass(frozen=True)
class ProofMatch:
    """Whose door a proof opens, and the verifier that it fits."""

    opened: PasswordMatch
    verifier: ScramVerifier


@dataclass(frozen=True)
class Challenge:
    """What a SCRAM client is told, and the verifiers that its proof may fit; `user` is None where none may."""

    parameters: Parameters
    user: PanelUser | None
    doors: tuple[tuple[ScramVerifier, AppPasswordVerifier | None], ...]

    def opened_by(self, fits: Callable[[ScramVerifier], bool]) -> ProofMatch | None:
        """What the client's proof opens. Where nothing can be opened it is tried on the verifier of no password."""
        fitting = [(verifier, lock) for verifier, lock in self.doors if fits(verifier)]
        if not self.doors:
            fits(ScramVerifier(self.parameters, secrets.token_bytes(32), b""))
        if not fitting or self.user is None:
            return None
        verifier, lock = fitting[0]
        return ProofMatch(PasswordMatch(self.user, lock), verifier)


class Keyring:
    """The users' passwords of every kind; safe to use from any thread."""

    def __init__(self, database: Database, users: UserDirectory, *, enrols: bool) -> None:
        """`enrols`: the panel password that somebody logs in with is made fit for SCRAM."""
        self._database = database
        self._users = users
        self._enrols = enrols
        self._salt_secret: bytes | None = None

    def open(self, username: str, password: Secret) -> PasswordMatch | None:
        """Whom a password lets in; raises AccountError, DatabaseError."""
        found = self._locks(username, None)
        derived = scram_verifier.derive(password.reveal(), found.parameters)
        lock = app_passwords.fitting(found.locks, derived)
        if lock is not None:
            user = self._active(username)
            return PasswordMatch(user, lock) if user else None
        user = self._users.authenticate(username, password.reveal())
        if user is None:
            return None
        if self._enrols:
            enrolment.learn(self._database, user, derived, time.time())
        return PasswordMatch(user, None)

    def challenge(self, username: str) -> Challenge:
        """What to answer a SCRAM client of that name; raises AccountError, DatabaseError.

        The panel password can be used where its verifier has the salt that the app passwords have, or there are none.
        """
        user = self._users.get(username)
        panel = user.verifier() if user else None
        found = self._locks(username, panel)
        enrolled = self._database.read(lambda tx: enrolment.find(tx, user, username))
        panel = panel or enrolled
        doors: list[tuple[ScramVerifier, AppPasswordVerifier | None]] = [
            (lock.verifier, lock) for lock in found.locks if lock.verifier.parameters == found.parameters
        ]
        if panel is not None and panel.parameters == found.parameters:
            doors.append((panel, None))
        if user is None or user.disabled:
            return Challenge(found.parameters, None, ())
        return Challenge(found.parameters, user, tuple(doors))

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
        doors = self.challenge(regular.username).doors
        return any(lock is None or not regular.by_panel for _, lock in doors)

    async def note_use(self, opened: PasswordMatch, now: float, where: str) -> None:
        """Remembers when and from where an app password was used last; raises DatabaseError."""
        lock = opened.lock
        if lock is not None and lock.use_is_news(now, where):
            await self._database.awrite(
                lambda tx: app_passwords.touch(tx, lock.id, now, where), timeout=_WRITE_PATIENCE
            )

    def _active(self, username: str) -> PanelUser | None:
        user = self._users.get(username)
        return None if user is None or user.disabled else user

    def _locks(self, username: str, panel: ScramVerifier | None) -> LoginVerifiers:
        secret = self._salt_secret = self._salt_secret or app_passwords.obtain_salt_secret(self._database)
        return self._database.read(lambda tx: app_passwords.verifiers_of(tx, username, panel, secret))
