"""Password checks against whatever hashes the panel's releases have stored; no stored value can hang or raise."""

from __future__ import annotations

import base64
import binascii
import ctypes
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import NamedTuple

from onifast_shared.accounts import scram_verifier

MAX_PASSWORD = 1024  # octets: no more of a stranger's input is hashed
SHORTEST_PASSWORD = 8  # characters, of those that are set here
_MAX_STORED = 1024
_CRYPT_DATA = 1 << 18  # octets: struct crypt_data is 32 KiB with libxcrypt, 128 KiB with glibc

# Limits on the cost that a stored hash may ask for: each some seconds, or 256 MiB, at the most.
_MAX_BCRYPT_COST = 16
_MAX_MEMORY = 256 << 20
_MAX_ARGON2_PASSES = 16
_BCRYPT_COSTS = 10, 14  # of the hashes that are made here: some 50 ms, and no more than a second
_BCRYPT_MOST = 72  # octets
_ARGON2_PASSES, _ARGON2_KIB = 2, 19456  # of the hashes that are made here: some 20 ms
_MAX_SCRYPT_WORK = 1 << 30
_MAX_PBKDF2_ITERATIONS = 5_000_000
_MAX_SHA_ROUNDS = 5_000_000

_BCRYPT = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}")
_ARGON2 = re.compile(r"\$argon2(?:id|i|d)\$(?:v=[0-9]+\$)?m=([0-9]{1,9}),t=([0-9]{1,9}),p=([0-9]{1,9})\$[^$]+\$[^$]+")
_SCRYPT = re.compile(r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,5}),p=([0-9]{1,5})\$([^$]*)\$([^$]+)")
_SCRYPT_WERKZEUG = re.compile(r"scrypt:([0-9]{1,9}):([0-9]{1,5}):([0-9]{1,5})\$([^$]+)\$([0-9a-fA-F]+)")
_PBKDF2 = re.compile(r"\$pbkdf2(?:-(sha1|sha256|sha512))?\$([0-9]{1,9})\$([^$]*)\$([^$]+)")
_PBKDF2_DJANGO = re.compile(r"pbkdf2_(sha1|sha256|sha512)\$([0-9]{1,9})\$([^$]+)\$([^$]+)")
_PBKDF2_WERKZEUG = re.compile(r"pbkdf2:(sha1|sha256|sha512):([0-9]{1,9})\$([^$]+)\$([0-9a-fA-F]+)")
_SHA_CRYPT = re.compile(r"\$[56]\$(?:rounds=([0-9]{1,9})\$)?[^$:\n]{0,16}\$[./A-Za-z0-9]{43,86}")
# The second letter of yescrypt's parameters is log2 N - 1, the third r - 1; up to N = 2^16, r = 32 that is 256 MiB.
_YESCRYPT = re.compile(r"\$y\$j[./0-9A-D][./0-9A-T]\$[./A-Za-z0-9]{0,86}\$[./A-Za-z0-9]{43}")
_SCRYPT_CRYPT = re.compile(r"\$7\$([./0-9A-Za-z])([./0-9A-Za-z]{5})([./0-9A-Za-z]{5})([^$:\n]*)\$[./A-Za-z0-9]{43}")
_SCRAM = re.compile(r"SCRAM-SHA-256\$[0-9]{1,7}:[^$:\n]+\$[^$:\n]+:[^$:\n]+")
_ITOA64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# A hash of some kind, known to us or not: never to be taken for a plain password, or who reads it could log in with it.
_LOOKS_HASHED = re.compile(r"(\$[0-9a-z_-]+[$=]|(scrypt|pbkdf2)[:_]|\{[A-Za-z0-9._-]+\}|SCRAM-SHA-)")
# The hash of a random password that nobody knows.
_OUR_DECOY = "$argon2id$v=19$m=19456,t=2,p=1$c29tZSBzYWx0IHRoYXQ$mPqqQVwXG4/6Uy0pKxbvLmzrhQ2AqzRrhNHXrjGdqJc"
_DECOY = "$2b$12$KIXQJ0O0j3r0k6v0JvT8ue9c3mO3b1rQx0p6gq2s0lYpVnq0cX3Wm"


class _ScryptCost(NamedTuple):
    n: int
    r: int
    p: int

    @property
    def affordable(self) -> bool:
        memory = 128 * self.n * self.r  # RFC 7914 section 2
        return memory <= _MAX_MEMORY and memory * self.p <= _MAX_SCRYPT_WORK


_Verifier = Callable[[bytes, re.Match[str]], bool]


def verify(password: str, stored: str, *, allow_plaintext: bool) -> bool:
    """Whether `stored`, a hash or (only if allowed) a plain password, is this password's; never raises.

    A kind of hash that is not known, or whose cost is beyond reason, fits no password. It blocks for the time the hash
    takes, so it belongs off the event loop.
    """
    secret = password.encode("utf-8", "surrogatepass")
    if not stored or not secret or len(secret) > MAX_PASSWORD or b"\0" in secret or len(stored) > _MAX_STORED:
        return False
    for pattern, verifier in _VERIFIERS:
        if match := pattern.fullmatch(stored):
            return verifier(secret, match)
    if allow_plaintext and not _LOOKS_HASHED.match(stored):
        return hmac.compare_digest(secret, stored.encode("utf-8", "surrogatepass"))
    return False


def is_supported(stored: str, *, allow_plaintext: bool) -> bool:
    """Whether `verify` could ever say yes to it, as far as its form tells."""
    if any(pattern.fullmatch(stored) for pattern, _ in _VERIFIERS):
        return True
    return bool(stored) and allow_plaintext and not _LOOKS_HASHED.match(stored)


def check_new(password: str) -> None:
    """Raises ValueError, which says why, for a password that a mailbox user is not to have."""
    if len(password) < SHORTEST_PASSWORD:
        raise ValueError(f"a password has {SHORTEST_PASSWORD} characters or more")
    if len(password.encode("utf-8", "surrogatepass")) > MAX_PASSWORD or not password.isprintable():
        raise ValueError(f"a password has {MAX_PASSWORD} octets at the most, and no control characters")


def hashed(password: str) -> str:
    """A hash of a mailbox user's password. It blocks for the time that takes; raises ValueError as `check_new`."""
    check_new(password)
    import argon2  # noqa: PLC0415  (an extra of smtpd and web)

    return argon2.PasswordHasher(_ARGON2_PASSES, _ARGON2_KIB, 1).hash(scram_verifier.prepared(password))


def hashed_like(some: str, password: str) -> str:
    """A hash of a panel user's password, of a kind that the panel checks: argon2 where `some` hash of its is that, else
    bcrypt, as costly. It blocks for the time that takes; raises ValueError as `check_new`.
    """
    if _ARGON2.fullmatch(some):
        return hashed(password)
    check_new(password)
    if len(password.encode("utf-8", "surrogatepass")) > _BCRYPT_MOST:
        raise ValueError(f"a password has {_BCRYPT_MOST} octets at the most, since bcrypt reads no more")
    import bcrypt  # noqa: PLC0415  (an extra of smtpd and web)

    match = _BCRYPT.fullmatch(some)
    cost = min(max(int(match[1]), _BCRYPT_COSTS[0]), _BCRYPT_COSTS[1]) if match else _BCRYPT_COSTS[0]
    made = bcrypt.hashpw(password.encode("utf-8", "surrogatepass"), bcrypt.gensalt(cost)).decode()
    return made.replace("$2b$", "$2y$", 1)  # the same by the name that PHP gives it, and other libraries take


def waste_like_ours(password: str) -> None:
    """Takes the time that a check against a hash that `hashed` made takes."""
    waste(scram_verifier.prepared(password), _OUR_DECOY)


def waste(password: str, like: str = _DECOY) -> None:
    """Takes the time that a check against a hash such as `like` takes, so that an unknown user does not show."""
    verify(password, like, allow_plaintext=True)


def _bcrypt(secret: bytes, match: re.Match[str]) -> bool:
    import bcrypt  # noqa: PLC0415  (an extra of smtpd and web; outbox checks no passwords)

    if int(match[1]) > _MAX_BCRYPT_COST:
        return False
    try:
        # bcrypt reads 72 octets, and has always cut what is longer; the module leaves that to us since version 5.
        return bcrypt.checkpw(secret[:_BCRYPT_MOST], match[0].encode("ascii"))
    except ValueError:
        return False


def _argon2(secret: bytes, match: re.Match[str]) -> bool:
    import argon2  # noqa: PLC0415  (see above)

    memory, passes, lanes = (int(value) for value in match.groups())
    if memory * 1024 > _MAX_MEMORY or passes > _MAX_ARGON2_PASSES or lanes > 16:
        return False
    try:
        return argon2.PasswordHasher().verify(match[0], secret)
    except (argon2.exceptions.Argon2Error, argon2.exceptions.InvalidHashError, ValueError):
        return False


def _scrypt(secret: bytes, match: re.Match[str]) -> bool:
    cost = _ScryptCost(1 << int(match[1]), int(match[2]), int(match[3]))
    return _same_scrypt(secret, _unbase64(match[4]), _unbase64(match[5]), cost)


def _scrypt_werkzeug(secret: bytes, match: re.Match[str]) -> bool:
    cost = _ScryptCost(int(match[1]), int(match[2]), int(match[3]))
    return _same_scrypt(secret, match[4].encode(), _unhex(match[5]), cost)


def _same_scrypt(secret: bytes, salt: bytes | None, wanted: bytes | None, cost: _ScryptCost) -> bool:
    if salt is None or not wanted or not cost.affordable:
        return False
    n, r, p = cost
    try:
        found = hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=2 * _MAX_MEMORY, dklen=len(wanted))
    except (ValueError, OverflowError):
        return False
    return hmac.compare_digest(found, wanted)


def _pbkdf2(secret: bytes, match: re.Match[str]) -> bool:
    return _same_pbkdf2(secret, match[1] or "sha1", int(match[2]), _unbase64(match[3]), _unbase64(match[4]))


def _pbkdf2_django(secret: bytes, match: re.Match[str]) -> bool:
    return _same_pbkdf2(secret, match[1], int(match[2]), match[3].encode(), _unbase64(match[4]))


def _pbkdf2_werkzeug(secret: bytes, match: re.Match[str]) -> bool:
    return _same_pbkdf2(secret, match[1], int(match[2]), match[3].encode(), _unhex(match[4]))


def _same_pbkdf2(secret: bytes, digest: str, iterations: int, salt: bytes | None, wanted: bytes | None) -> bool:
    if salt is None or not wanted or not 0 < iterations <= _MAX_PBKDF2_ITERATIONS or len(wanted) > 64:
        return False
    found = hashlib.pbkdf2_hmac(digest, secret, salt, iterations, len(wanted))
    return hmac.compare_digest(found, wanted)


def _scram(secret: bytes, match: re.Match[str]) -> bool:
    verifier = scram_verifier.parse(match[0])
    return verifier is not None and scram_verifier.is_of(verifier, secret.decode("utf-8", "surrogatepass"))


def _sha_crypt(secret: bytes, match: re.Match[str]) -> bool:
    return int(match[1] or 0) <= _MAX_SHA_ROUNDS and _same_crypt(secret, match[0])


def _yescrypt(secret: bytes, match: re.Match[str]) -> bool:
    return _same_crypt(secret, match[0])


def _scrypt_crypt(secret: bytes, match: re.Match[str]) -> bool:
    cost = _ScryptCost(1 << _ITOA64.index(match[1]), _itoa64_number(match[2]), _itoa64_number(match[3]))
    return cost.affordable and _same_crypt(secret, match[0])


def _same_crypt(secret: bytes, stored: str) -> bool:
    """By the system's crypt_r(3); Python's own crypt module is deprecated, and takes a global lock."""
    try:
        crypt_r = ctypes.CDLL("libcrypt.so.1").crypt_r
    except (OSError, AttributeError):
        return False
    crypt_r.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)
    crypt_r.restype = ctypes.c_char_p
    setting = stored.encode("utf-8", "replace")
    found = crypt_r(secret, setting, ctypes.create_string_buffer(_CRYPT_DATA))
    # On failure it gives NULL or a string that starts with an asterisk, which no setting of ours equals.
    return isinstance(found, bytes) and hmac.compare_digest(found, setting)


def _itoa64_number(digits: str) -> int:
    return sum(_ITOA64.index(digit) << (6 * place) for place, digit in enumerate(digits))


def _unbase64(text: str) -> bytes | None:
    """Base64 with or without padding, also in passlib's alphabet with a dot for the plus."""
    letters = text.rstrip("=").replace(".", "+")
    try:
        return base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _unhex(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None


_VERIFIERS: tuple[tuple[re.Pattern[str], _Verifier], ...] = (
    (_BCRYPT, _bcrypt),
    (_ARGON2, _argon2),
    (_SCRYPT, _scrypt),
    (_SCRYPT_WERKZEUG, _scrypt_werkzeug),
    (_PBKDF2, _pbkdf2),
    (_PBKDF2_DJANGO, _pbkdf2_django),
    (_PBKDF2_WERKZEUG, _pbkdf2_werkzeug),
    (_SHA_CRYPT, _sha_crypt),
    (_YESCRYPT, _yescrypt),
    (_SCRYPT_CRYPT, _scrypt_crypt),
    (_SCRAM, _scram),
)
