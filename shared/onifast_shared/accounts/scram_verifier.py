"""SCRAM-SHA-256 verifiers (RFC 5802, RFC 7677): what a server keeps of a password, and how it is made from one."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import stringprep
import unicodedata
from dataclasses import dataclass, field

ITERATIONS = 4096
"""The least that RFC 7677 section 4 allows, and PostgreSQL's default."""

SALT_OCTETS = 16
MAX_ITERATIONS = 5_000_000
MAX_PREPARED = 1024
_KEY_OCTETS = 32
_STORED = re.compile(r"SCRAM-SHA-256\$([0-9]{1,7}):([A-Za-z0-9+/=]{1,512})\$([A-Za-z0-9+/=]{44}):([A-Za-z0-9+/=]{44})")

# RFC 4013 section 2.3: what may stand in no name and no password.
_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


@dataclass(frozen=True)
class Parameters:
    """What a client is told before it proves anything: the salt, and the iterations of the hash."""

    salt: bytes
    iterations: int


@dataclass(frozen=True)
class ScramVerifier:
    """A verifier. Who reads StoredKey can try passwords; who reads ServerKey can pose as the server."""

    parameters: Parameters
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


def parse(stored: str) -> ScramVerifier | None:
    """The verifier in PostgreSQL's form, `SCRAM-SHA-256$4096:salt$StoredKey:ServerKey`; None for what is none."""
    match = _STORED.fullmatch(stored)
    if match is None or not 0 < int(match[1]) <= MAX_ITERATIONS:
        return None
    try:
        salt, stored_key, server_key = (base64.b64decode(text, validate=True) for text in match.groups()[1:])
    except binascii.Error:
        return None
    if not salt or len(stored_key) != _KEY_OCTETS or len(server_key) != _KEY_OCTETS:
        return None
    return ScramVerifier(Parameters(salt, int(match[1])), stored_key, server_key)


def stored_form(verifier: ScramVerifier) -> str:
    """A verifier in PostgreSQL's form, as `parse` reads it."""
    salt, stored_key, server_key = (
        base64.b64encode(octets).decode("ascii")
        for octets in (verifier.parameters.salt, verifier.stored_key, verifier.server_key)
    )
    return f"SCRAM-SHA-256${verifier.parameters.iterations}:{salt}${stored_key}:{server_key}"


def derive(password: str, parameters: Parameters) -> ScramVerifier:
    """The verifier of a password (RFC 5802 section 3). It takes some milliseconds of a core."""
    secret = prepared(password).encode("utf-8", "surrogatepass")
    salted = hashlib.pbkdf2_hmac("sha256", secret, parameters.salt, parameters.iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return ScramVerifier(parameters, hashlib.sha256(client_key).digest(), server_key)


def is_of(verifier: ScramVerifier, password: str) -> bool:
    """Whether this is the verifier's password; takes as long as `derive`."""
    return hmac.compare_digest(derive(password, verifier.parameters).stored_key, verifier.stored_key)


def prepared(text: str) -> str:
    """Text after SASLprep (RFC 4013); what that refuses stays as it is, as with PostgreSQL.

    So a password is the same whatever way a client's system composes its letters.
    """
    if text.isascii() or len(text) > MAX_PREPARED:
        return text
    mapped = "".join(
        " " if stringprep.in_table_c12(letter) else letter for letter in text if not stringprep.in_table_b1(letter)
    )
    result = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    return result if _is_allowed(result) else text


def _is_allowed(text: str) -> bool:
    # RFC 3454 section 5 for single characters; unassigned ones (A.1) are not for stored strings.
    if any(stringprep.in_table_a1(letter) or any(table(letter) for table in _PROHIBITED) for letter in text):
        return False
    # RFC 3454 section 6: text from right to left is so from its first letter to its last.
    if not any(map(stringprep.in_table_d1, text)):
        return bool(text)
    ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return ends and not any(map(stringprep.in_table_d2, text))
