"""DKIM keys (RFC 6376, RFC 8463): read from certs/<domain>/, made, and shown as DNS records."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from onifast_shared.address import AddressError, parse_domain

RSA_FILE = "dkim_private.pem"
ED25519_FILE = "dkim_private.ed25519.pem"
MIN_RSA_BITS = 1024  # RFC 8301 section 3.2
_NEW_RSA_BITS = 2048
_MAX_FILE = 1 << 16
_MAX_CHECKED = 10_000  # keys remembered
_STRING = 255  # octets in one string of a TXT record (RFC 1035 section 3.3.14)

PrivateKey = RSAPrivateKey | Ed25519PrivateKey
Algorithm = Literal["rsa-sha256", "ed25519-sha256"]


class DkimKeyError(Exception):
    """A key cannot be used, read or made. The text is one line that names the file, never its content."""


class DkimKeyExists(DkimKeyError):
    """There is a key already, and keys are never overwritten."""


@dataclass(frozen=True)
class SigningKey:
    """A domain's key. `exposed` says that others than its owner and group can read the file: worth a warning."""

    domain: str
    selector: str
    algorithm: Algorithm
    path: Path
    exposed: bool
    private: PrivateKey = field(repr=False)


class DnsRecord(NamedTuple):
    """What to publish: `name` and `value` as a web form wants them, `zone_line` as a zone file does."""

    name: str
    value: str
    zone_line: str


class KeyRing:
    """The keys of all domains. Their files are read at each call, so that a changed key counts at once, but a key is
    checked only when it is new: checking takes 65 ms of RSA-2048, signing half of one. Safe to use from any thread.
    """

    def __init__(self, certs_dir: Path, selector: str) -> None:
        self._certs_dir = certs_dir
        self._selector = selector
        self._checked: dict[tuple[Path, bytes], PrivateKey] = {}

    def load(self, domain: str) -> list[SigningKey]:
        """The domain's keys, RSA first, [] if it has none; raises DkimKeyError if one is there that cannot be used.

        An Ed25519 key stands under a selector of its own, `<selector>-ed25519`: two keys may not share one DNS name
        (RFC 6376 section 3.6.2.2).
        """
        if domain.startswith("["):
            return []  # an address literal: nothing that DNS could publish a key for
        directory = _directory(self._certs_dir, domain)
        keys = (
            self._load(directory / RSA_FILE, self._selector),
            self._load(directory / ED25519_FILE, f"{self._selector}-ed25519"),
        )
        return [key for key in keys if key is not None]

    def _load(self, path: Path, selector: str) -> SigningKey | None:
        with _explained(path, "read"):
            try:
                pem, mode = _read(path)
            except FileNotFoundError:
                return None
        private = self._check(path, pem)
        algorithm: Algorithm = "rsa-sha256" if isinstance(private, RSAPrivateKey) else "ed25519-sha256"
        return SigningKey(path.parent.name, selector, algorithm, path, bool(mode & 0o007), private)

    def _check(self, path: Path, pem: bytes) -> PrivateKey:
        known = self._checked.get((path, pem))
        if known is not None:
            return known
        private = _private_key(path, pem)
        if len(self._checked) >= _MAX_CHECKED:
            self._checked.clear()
        self._checked[path, pem] = private
        return private


def load(certs_dir: Path, domain: str, selector: str) -> list[SigningKey]:
    """The domain's keys, for once, as `KeyRing.load` gives them."""
    return KeyRing(certs_dir, selector).load(domain)


def generate(certs_dir: Path, domain: str, selector: str = "mail") -> SigningKey:
    """A new RSA key, on disk when this returns; raises DkimKeyExists, or DkimKeyError if it cannot be written."""
    directory = _directory(certs_dir, domain)
    path = directory / RSA_FILE
    private = generate_private_key(public_exponent=65537, key_size=_NEW_RSA_BITS)
    with _explained(path, "written"):
        _make_directory(directory)
        _write_new(path, _pem(private))
    return SigningKey(directory.name, selector, "rsa-sha256", path, False, private)


def rotate(certs_dir: Path, domain: str, selector: str = "mail") -> SigningKey:
    """A new RSA key in the old one's place, which is kept beside it under a name with the time; raises DkimKeyError.

    The record in DNS is wrong from then on, until it is replaced.
    """
    directory = _directory(certs_dir, domain)
    path = directory / RSA_FILE
    private = generate_private_key(public_exponent=65537, key_size=_NEW_RSA_BITS)
    fresh = directory / f".{RSA_FILE}.{secrets.token_hex(8)}"
    with _explained(path, "replaced"):
        kept = directory / f"{RSA_FILE}.{time.time_ns()}"
        kept.hardlink_to(path)
        _write_new(fresh, _pem(private))
        fresh.replace(path)
        _sync_directory(directory)
    return SigningKey(directory.name, selector, "rsa-sha256", path, False, private)


def dns_value(key: SigningKey) -> str:
    """The text of the key's TXT record (RFC 6376 section 3.6.1)."""
    public = key.private.public_key()
    if isinstance(key.private, RSAPrivateKey):
        kind = "rsa"
        encoded = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    else:
        kind = "ed25519"
        encoded = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return f"v=DKIM1; k={kind}; p={base64.b64encode(encoded).decode('ascii')}"


def dns_record(key: SigningKey) -> DnsRecord:
    """The record that publishes the key."""
    name, value = f"{key.selector}._domainkey.{key.domain}", dns_value(key)
    strings = " ".join(f'"{value[start : start + _STRING]}"' for start in range(0, len(value), _STRING))
    return DnsRecord(name, value, f"{name}. IN TXT ( {strings} )")


def _directory(certs_dir: Path, domain: str) -> Path:
    try:
        checked = parse_domain(domain)
    except AddressError as error:
        raise DkimKeyError(f"not a domain: {error}") from None
    if checked.startswith("["):
        raise DkimKeyError("an address literal has no DKIM key")
    return certs_dir / checked


def _read(path: Path) -> tuple[bytes, int]:
    # O_NONBLOCK: a FIFO in the key's place must not hang us.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_FILE:
            raise DkimKeyError(f"DKIM key {path} is not a file of a key's size")
        return os.read(fd, _MAX_FILE), status.st_mode
    finally:
        os.close(fd)


def _private_key(path: Path, pem: bytes) -> PrivateKey:
    try:
        private = serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise DkimKeyError(f"DKIM key {path} is encrypted; store it without a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise DkimKeyError(f"DKIM key {path} is not a private key in PEM form") from None
    wanted = Ed25519PrivateKey if path.name == ED25519_FILE else RSAPrivateKey
    if not isinstance(private, wanted):
        kind = "Ed25519" if wanted is Ed25519PrivateKey else "RSA"
        raise DkimKeyError(f"DKIM key {path} is not an {kind} key")
    if isinstance(private, RSAPrivateKey) and private.key_size < MIN_RSA_BITS:
        raise DkimKeyError(f"DKIM key {path} has {private.key_size} bits; verifiers ask for {MIN_RSA_BITS} at least")
    return private


def _pem(private: RSAPrivateKey) -> bytes:
    # PKCS#1, as `openssl genrsa` used to write it and every reader of such files takes it.
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _make_directory(directory: Path) -> None:
    directory.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    try:
        directory.mkdir(mode=0o750)
    except FileExistsError:
        return
    _share_group(directory, directory.parent)


def _share_group(path: Path, model: Path) -> None:
    """Give a new file to the group that its directory is for: the programs may be of that group and nothing else."""
    with contextlib.suppress(PermissionError):
        os.chown(path, -1, model.stat().st_gid)


def _write_new(path: Path, content: bytes) -> None:
    """A whole new file or none; raises FileExistsError rather than overwrite."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    try:
        with os.fdopen(fd, "wb") as stream:
            os.fchmod(fd, 0o640)
            _share_group(temporary, path.parent)
            stream.write(content)
            stream.flush()
            os.fsync(fd)
        path.hardlink_to(temporary)  # unlike rename, a link refuses to replace
    finally:
        temporary.unlink()
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def _explained(path: Path, verb: str) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise DkimKeyExists(f"DKIM key {path} exists already; it is not overwritten") from None
    except OSError as error:
        raise DkimKeyError(f"DKIM key {path} cannot be {verb}: {error.strerror}") from None
