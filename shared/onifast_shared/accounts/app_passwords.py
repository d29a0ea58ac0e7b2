"""App passwords: each lets one program of a user log in over SMTP, and can be taken back by itself.

The database holds SCRAM-SHA-256 verifiers only. All of one user share salt and iterations, because a client learns
these before it shows which password it has; and every name has a salt, known user or not, so that asking tells nothing.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from onifast_shared.accounts import mailbox_users, scram_verifier
from onifast_shared.accounts.scram_verifier import Parameters, ScramVerifier
from onifast_shared.db import shared_keys
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.log import Secret

SEEN_INTERVAL = 60
"""Seconds within which a password's last use is not written again."""

MAX_PER_USER = 50
MAX_NAME = 64

# Nothing that looks like something else; twenty letters are 99 bits.
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
_GROUPS, _GROUP = 4, 5


class AppPasswordError(ValueError):
    """An app password cannot be made; the text is one line for who asked."""


@dataclass(frozen=True)
class AppPassword:
    """An app password without its secret. `used_ts` is None where it was never used, `used_from` then too."""

    id: int
    username: str
    name: str
    created_ts: int
    used_ts: int | None
    used_from: str | None


@dataclass(frozen=True)
class AppPasswordVerifier:
    """An app password's verifier, and when and from where it was last used."""

    id: int
    name: str
    verifier: ScramVerifier
    used_ts: int | None
    used_from: str | None

    def use_is_news(self, now: float, where: str) -> bool:
        """Whether a use is worth a write: the first one, one from another place, or one after a minute."""
        return self.used_ts is None or self.used_from != where or now - self.used_ts > SEEN_INTERVAL


@dataclass(frozen=True)
class LoginVerifiers:
    """What a name's logins are checked against: the parameters that its client is told, and its app passwords."""

    parameters: Parameters
    app_passwords: tuple[AppPasswordVerifier, ...]


def create(
    tx: Connection, username: str, panel: ScramVerifier | None, name: str, now: float
) -> tuple[Secret, AppPassword]:
    """A new app password, which is not kept, and its description; raises AppPasswordError.

    `panel` is the verifier in the user's file: a first app password takes its salt, so that both can be used. Deriving
    the keys costs the transaction some 2 ms; outside of it, two passwords made at once might differ in their salts.
    """
    label = check_name(name)
    found = verifiers_of(tx, username, panel, shared_keys.obtain(tx, shared_keys.SCRAM_SALT))
    if len(found.app_passwords) >= MAX_PER_USER:
        raise AppPasswordError(f"there are {MAX_PER_USER} app passwords already; revoke one first")
    if any(each.name == label for each in found.app_passwords):
        raise AppPasswordError("there is an app password of this name already")
    password = new_password()
    made = scram_verifier.derive(password.reveal(), found.parameters)
    sql = """
        INSERT INTO app_passwords (username, name, salt, iterations, stored_key, server_key, created_ts)
        VALUES (?, ?, ?, ?, ?, ?, ?)
    """
    salt, iterations = made.parameters.salt, made.parameters.iterations
    tx.execute(sql, (username, label, salt, iterations, made.stored_key, made.server_key, int(now)))
    return password, AppPassword(tx.last_insert_rowid(), username, label, int(now), None, None)


def check_name(text: str) -> str:
    """The name of an app password without the space around it; raises AppPasswordError."""
    name = text.strip()
    if not name:
        raise AppPasswordError("give it a name, such as the program's")
    if len(name) > MAX_NAME or not name.isprintable():
        raise AppPasswordError(f"a name has {MAX_NAME} characters at the most, and no control characters")
    return name


def list_for(tx: Connection, username: str) -> list[AppPassword]:
    """A user's app passwords, oldest first."""
    sql = """
        SELECT id, username, name, created_ts, used_ts, used_from FROM app_passwords WHERE username = ? ORDER BY id
    """
    return [AppPassword(*row) for row in tx.execute(sql, (username,))]


def revoke(tx: Connection, username: str, password_id: int) -> bool:
    """Ends an app password at once; False if the user has none of that id."""
    tx.execute("DELETE FROM app_passwords WHERE id = ? AND username = ?", (password_id, username))
    return tx.changes() > 0


def salt_secret(tx: Connection) -> bytes | None:
    """The key that salts are made with, if there is one yet."""
    return shared_keys.find(tx, shared_keys.SCRAM_SALT)


def make_salt_secret(tx: Connection) -> bytes:
    """The same, made now where there was none; for a write transaction."""
    return shared_keys.obtain(tx, shared_keys.SCRAM_SALT)


def obtain_salt_secret(database: Database) -> bytes:
    """The same, whether there was one or not; raises DatabaseError."""
    return database.read(salt_secret) or database.write(make_salt_secret)


def exist(tx: Connection) -> bool:
    """Whether anybody has an app password."""
    return bool(tx.execute("SELECT EXISTS (SELECT 1 FROM app_passwords)").get)


def verifiers_of(tx: Connection, username: str, panel: ScramVerifier | None, secret: bytes) -> LoginVerifiers:
    """What a login of that name is checked against, whether such a user exists or not.

    The salt is that of the user's app passwords, else that of their panel password, else made from the name. That of a
    mailbox user is made from their panel user's name, as it is for the addresses that nobody has.
    """
    sql = """
        SELECT id, name, salt, iterations, stored_key, server_key, used_ts, used_from FROM app_passwords
        WHERE username = ? ORDER BY id LIMIT ?
    """
    verifiers = tuple(_verifier(row) for row in tx.execute(sql, (username, MAX_PER_USER)))
    if verifiers:
        return LoginVerifiers(verifiers[0].verifier.parameters, verifiers)
    if panel is not None:
        return LoginVerifiers(panel.parameters, ())
    named = mailbox_users.owner_of(tx, username) or username
    salt = hmac.digest(secret, b"salt of " + named.encode("utf-8", "surrogatepass"), "sha256")
    return LoginVerifiers(Parameters(salt[: scram_verifier.SALT_OCTETS], scram_verifier.ITERATIONS), ())


def opened_by(found: LoginVerifiers, password: str) -> AppPasswordVerifier | None:
    """Which app password this is. It takes the time of one hash, also where there are none."""
    return fitting(found.app_passwords, scram_verifier.derive(password, found.parameters))


def touch(tx: Connection, password_id: int, now: float, where: str) -> None:
    """An app password was used from `where`."""
    tx.execute("UPDATE app_passwords SET used_ts = ?, used_from = ? WHERE id = ?", (int(now), where, password_id))


def fitting(verifiers: Iterable[AppPasswordVerifier], derived: ScramVerifier) -> AppPasswordVerifier | None:
    """Whose app password a verifier was derived from; each is compared, in the same time."""
    found = None
    for each in verifiers:
        same = hmac.compare_digest(each.verifier.stored_key, derived.stored_key)
        found = each if same and each.verifier.parameters == derived.parameters else found
    return found


def _verifier(row: tuple[Any, ...]) -> AppPasswordVerifier:
    password_id, name, salt, iterations, stored_key, server_key, used_ts, used_from = row
    verifier = ScramVerifier(Parameters(salt, iterations), stored_key, server_key)
    return AppPasswordVerifier(password_id, name, verifier, used_ts, used_from)


def new_password() -> Secret:
    """A password that nobody guesses, of letters that nobody confuses."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return Secret("-".join(groups))
