"""Enrolment: a panel password that logged in once in words may log in by SCRAM from then on.

A panel's hash (bcrypt, argon2 …) cannot answer a SCRAM client: only the password makes a verifier. So the verifier is
made at the first login that shows the password, and kept, sealed with a key made of the panel's hash: the database
alone gives nothing to try passwords on, and a verifier dies with the hash that it was made beside.
"""

from __future__ import annotations

import contextlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from onifast_shared.accounts import app_passwords, passwords, scram_verifier
from onifast_shared.accounts.panel_users import PanelUser
from onifast_shared.accounts.scram_verifier import Parameters, ScramVerifier
from onifast_shared.db.database import Connection, Database
from onifast_shared.db.errors import DatabaseError

_NONCE_OCTETS = 12
_KEY_OCTETS = 32
_WRITE_PATIENCE = 2.0


def find(tx: Connection, user: PanelUser | None, username: str) -> ScramVerifier | None:
    """The verifier of the password that the user has now, if it was enrolled; None where there is no such user."""
    sql = "SELECT salt, iterations, sealed FROM scram_verifiers WHERE username = ?"
    row = tx.execute(sql, (username,)).fetchone()
    if row is None or user is None or user.password_hash is None:
        return None
    parameters = Parameters(bytes(row[0]), int(row[1]))
    return _decrypted(bytes(row[2]), user, parameters)


def learn(database: Database, user: PanelUser, derived: ScramVerifier, now: float) -> None:
    """Keeps the verifier of a password that its user has just proved; a database in trouble keeps nothing."""
    if not _may_enrol(user):
        return
    with contextlib.suppress(DatabaseError):
        if database.read(lambda tx: find(tx, user, user.username)) != derived:
            database.write(lambda tx: _keep(tx, user, derived, now), timeout=_WRITE_PATIENCE)


def learn_password(database: Database, user: PanelUser, password: str, now: float) -> None:
    """As `learn`, from the password; takes some milliseconds of a core."""
    if not _may_enrol(user):
        return
    with contextlib.suppress(DatabaseError):
        secret = app_passwords.obtain_salt_secret(database)
        found = database.read(lambda tx: app_passwords.verifiers_of(tx, user.username, None, secret))
        learn(database, user, scram_verifier.derive(password, found.parameters), now)


def _may_enrol(user: PanelUser) -> bool:
    """Not who has a verifier in their file already, nor whose file has no hash: that would seal with the password."""
    stored = user.password_hash
    return user.scram is None and stored is not None and passwords.is_supported(stored.reveal(), allow_plaintext=False)


def _keep(tx: Connection, user: PanelUser, verifier: ScramVerifier, now: float) -> None:
    sql = """
        INSERT INTO scram_verifiers (username, salt, iterations, sealed, made_ts) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (username) DO UPDATE SET salt = ?2, iterations = ?3, sealed = ?4, made_ts = ?5
    """
    parameters = verifier.parameters
    tx.execute(sql, (user.username, parameters.salt, parameters.iterations, _encrypted(user, verifier), int(now)))


def _encrypted(user: PanelUser, verifier: ScramVerifier) -> bytes:
    nonce = secrets.token_bytes(_NONCE_OCTETS)
    keys = verifier.stored_key + verifier.server_key
    return nonce + AESGCM(_key(user)).encrypt(nonce, keys, _bound(user, verifier.parameters))


def _decrypted(stored: bytes, user: PanelUser, parameters: Parameters) -> ScramVerifier | None:
    try:
        keys = AESGCM(_key(user)).decrypt(stored[:_NONCE_OCTETS], stored[_NONCE_OCTETS:], _bound(user, parameters))
    except (InvalidTag, ValueError):
        return None
    return ScramVerifier(parameters, keys[:_KEY_OCTETS], keys[_KEY_OCTETS:])


def _key(user: PanelUser) -> bytes:
    stored = user.password_hash.reveal() if user.password_hash else ""
    return hmac.digest(stored.encode("utf-8", "surrogatepass"), b"onifast-mail SCRAM verifier", "sha256")


def _bound(user: PanelUser, parameters: Parameters) -> bytes:
    """What else is needed to decrypt: another user's row, or other parameters, do not do."""
    return b"%d:%s:%s" % (parameters.iterations, parameters.salt.hex().encode("ascii"), user.username.encode())
