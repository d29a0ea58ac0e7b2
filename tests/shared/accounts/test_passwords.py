"""Passwords: every kind of hash that panels store, and stored values made to hang or fool us."""

from __future__ import annotations

import base64
import ctypes
import hashlib
import time

import argon2
import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.accounts.passwords import is_supported, verify, waste
from werkzeug.security import generate_password_hash

PASSWORD = "correct hörse"
SECRET = PASSWORD.encode()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def crypt(prefix: bytes, cost: int = 0) -> str:
    """A hash as the system's own crypt(3) makes it."""
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt_gensalt.restype = library.crypt.restype = ctypes.c_char_p
    setting = library.crypt_gensalt(prefix, ctypes.c_ulong(cost), None, 0)
    return bytes(library.crypt(SECRET, setting)).decode()


def pbkdf2(digest: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac(digest, SECRET, salt, 1000)


def scrypt(salt: bytes) -> bytes:
    return hashlib.scrypt(SECRET, salt=salt, n=1024, r=8, p=1, dklen=32)


BCRYPT = bcrypt.hashpw(SECRET, bcrypt.gensalt(4)).decode()
HASHES = {
    "bcrypt 2b": BCRYPT,
    "bcrypt 2a": BCRYPT.replace("$2b$", "$2a$"),
    "bcrypt 2y": BCRYPT.replace("$2b$", "$2y$"),
    "argon2id": argon2.PasswordHasher(memory_cost=1024).hash(PASSWORD),
    "argon2i": argon2.PasswordHasher(memory_cost=1024, type=argon2.Type.I).hash(PASSWORD),
    "argon2d": argon2.PasswordHasher(memory_cost=1024, type=argon2.Type.D).hash(PASSWORD),
    "scrypt of passlib": f"$scrypt$ln=10,r=8,p=1${b64(b'salt!')}${b64(scrypt(b'salt!'))}",
    "scrypt of werkzeug": generate_password_hash(PASSWORD, "scrypt:1024:8:1"),
    "scrypt of crypt": crypt(b"$7$"),
    "pbkdf2 of passlib, sha1": f"$pbkdf2$1000${b64(b'salt').replace('+', '.')}${b64(pbkdf2('sha1', b'salt'))}".replace(
        "+", "."
    ),
    "pbkdf2 of passlib": f"$pbkdf2-sha512$1000${b64(b'salt')}${b64(pbkdf2('sha512', b'salt'))}".replace("+", "."),
    "pbkdf2 of django": f"pbkdf2_sha256$1000$salt${base64.b64encode(pbkdf2('sha256', b'salt')).decode()}",
    "pbkdf2 of werkzeug": generate_password_hash(PASSWORD, "pbkdf2:sha256:1000"),
    "sha256-crypt": crypt(b"$5$"),
    "sha512-crypt": crypt(b"$6$"),
    "sha512-crypt with rounds": crypt(b"$6$", 10_000),
    "yescrypt": crypt(b"$y$", 1),
}


@pytest.mark.parametrize("kind", HASHES)
def test_the_right_password_fits_its_hash(kind: str) -> None:
    assert verify(PASSWORD, HASHES[kind], allow_plaintext=False)
    assert is_supported(HASHES[kind], allow_plaintext=False)


@pytest.mark.parametrize("kind", HASHES)
def test_no_other_password_fits_a_hash(kind: str) -> None:
    assert not verify(PASSWORD + "x", HASHES[kind], allow_plaintext=True)
    assert not verify(PASSWORD[:-1], HASHES[kind], allow_plaintext=True)
    assert not verify(HASHES[kind], HASHES[kind], allow_plaintext=True)


def test_bcrypt_ignores_what_follows_72_octets_as_it_always_has() -> None:
    stored = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    assert verify("x" * 72 + "tail", stored, allow_plaintext=False)
    assert not verify("x" * 71, stored, allow_plaintext=False)


def test_a_plain_password_counts_only_where_it_is_allowed() -> None:
    assert verify("sesame", "sesame", allow_plaintext=True)
    assert not verify("sesamé", "sesame", allow_plaintext=True)
    assert not verify("sesame", "sesame", allow_plaintext=False)
    assert not is_supported("sesame", allow_plaintext=False)


@pytest.mark.parametrize(
    "stored",
    ["$argon9id$v=1$abc", "$1$salt$hash", "{SSHA}abc", "scrypt:9999999999:8:1$a$b", "pbkdf2_md5$1$a$b", "$2b$99$abc"],
)
def test_a_hash_of_an_unknown_kind_is_never_taken_for_a_plain_password(stored: str) -> None:
    assert not verify(stored, stored, allow_plaintext=True)
    assert not is_supported(stored, allow_plaintext=True)


@pytest.mark.parametrize("password", ["", "\0", "sesame\0", "x" * 1025, "\ud800"])
def test_odd_passwords_fit_nothing(password: str) -> None:
    assert not verify(password, BCRYPT, allow_plaintext=True)
    assert not verify(password, "", allow_plaintext=True)


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param("$2b$31$" + BCRYPT[7:], id="bcrypt"),  # its salt is a new one each time
        "$argon2id$v=19$m=99999999,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
        "$argon2id$v=19$m=1024,t=999999999,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
        "$scrypt$ln=30,r=8,p=1$c2FsdA$aGFzaA",
        "$scrypt$ln=99,r=99999,p=99999$c2FsdA$aGFzaA",
        "scrypt:999999999:8:1$salt$abcd",
        "scrypt:1024:8:99999$salt$abcd",
        "$pbkdf2-sha512$999999999$c2FsdA$aGFzaA",
        "pbkdf2_sha256$999999999$salt$aGFzaA",
        "pbkdf2:sha256:999999999$salt$abcd",
        "$6$rounds=999999999$salt$" + "a" * 86,
        "$y$jzzzzz$salt$" + "a" * 43,
        "$y$jET$salt$" + "a" * 43,
        "$7$zzzzzzzzzzzsalt$" + "a" * 43,
    ],
)
def test_a_stored_cost_beyond_reason_is_refused_at_once(stored: str) -> None:
    started = time.process_time()
    assert not verify(PASSWORD, stored, allow_plaintext=False)
    assert time.process_time() - started < 1


@given(
    st.text(max_size=30),
    st.text(max_size=60)
    | st.sampled_from(sorted(HASHES.values())).flatmap(
        lambda stored: st.integers(0, len(stored)).map(lambda cut: stored[:cut])
    ),
)
def test_no_stored_value_can_make_verify_raise(password: str, stored: str) -> None:
    assert verify(password, stored, allow_plaintext=False) in (True, False)


def test_wasting_time_takes_about_what_a_check_takes() -> None:
    stored = bcrypt.hashpw(SECRET, bcrypt.gensalt(10)).decode()

    def cost(work: object) -> float:
        started = time.process_time()
        assert callable(work)
        work()
        return time.process_time() - started

    check = min(cost(lambda: verify("wrong", stored, allow_plaintext=False)) for _ in range(3))
    wasted = min(cost(lambda: waste("wrong", stored)) for _ in range(3))
    assert check / 3 < wasted < check * 3
    assert min(cost(lambda: waste("wrong")) for _ in range(3)) > check
