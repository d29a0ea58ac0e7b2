"""DKIM keys (RFC 6376, RFC 8463): read from certs/<domain>/, made, and shown as DNS records."""

from __future__ import annotations

import base64
import contextlib
import hashlib
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

from onifast_shared.values.address import AddressError, parse_domain

RSA_FILE = "dkim_private.pem"
ED25519_FILE = "dkim_private.ed25519.pem"
ED25519_SUFFIX = "-ed25519"  # of the selectors of Ed25519 keys
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
    """A domain's key. `exposed` says that others than its owner and group can read the file: worth a warning.

    `fingerprint` is the SHA-256 of its public half, in hexadecimal: what the key is known by, wherever its file lies.
    """

    domain: str
    selector: str
    algorithm: Algorithm
    path: Path
    exposed: bool
    fingerprint: str
    private: PrivateKey = field(repr=False)


class DnsRecord(NamedTuple):
    """What to publish: `name` and `value` as a web form wants them, `zone_line` as a zone file does."""

    name: str
    value: str
    zone_line: str


class _Checked(NamedTuple):
    """A key that can be used, and its fingerprint."""

    private: PrivateKey
    fingerprint: str


class KeyRing:
    """The keys of all domains. Their files are read at each call, so that a changed key counts at once, but a key is
    checked only when it is new: checking takes 65 ms of RSA-2048, signing half of one. Safe to use from any thread.
    """

    def __init__(self, certs_dir: Path, selector: str) -> None:
        self._certs_dir = certs_dir
        self._selector = selector
        self._checked: dict[tuple[Path, bytes], _Checked] = {}

    def load(self, domain: str) -> list[SigningKey]:
        """The domain's keys, RSA first, [] if it has none; raises DkimKeyError if one is there that cannot be used.

        An Ed25519 key stands under a selector of its own, `<selector>-ed25519`: two keys may not share one DNS name
        (RFC 6376 section 3.6.2.2).
        """
        if domain.startswith("["):
            return []  # an address literal: nothing that DNS could publish a key for
        directory = _directory(self._certs_dir, domain)
        keys = (
            self.read(directory / RSA_FILE, self._selector),
            self.read(directory / ED25519_FILE, f"{self._selector}{ED25519_SUFFIX}"),
        )
        return [key for key in keys if key is not None]

    def read(self, path: Path, selector: str) -> SigningKey | None:
        """The key in one file, None where there is no file; raises DkimKeyError."""
        with _explained(path, "read"):
            try:
                pem, mode = _read(path)
            except FileNotFoundError:
                return None
        private, fingerprint = self._check(path, pem)
        return SigningKey(
            path.parent.name, selector, _algorithm(private), path, bool(mode & 0o007), fingerprint, private
        )

    def _check(self, path: Path, pem: bytes) -> _Checked:
        known = self._checked.get((path, pem))
        if known is not None:
            return known
        private = _private_key(path, pem)
        if len(self._checked) >= _MAX_CHECKED:
            self._checked.clear()
        self._checked[path, pem] = checked = _Checked(private, _fingerprint(private))
        return checked


def load(certs_dir: Path, domain: str, selector: str) -> list[SigningKey]:
    """The domain's keys, for once, as `KeyRing.load` gives them."""
    return KeyRing(certs_dir, selector).load(domain)


def generate(certs_dir: Path, domain: str, selector: str = "mail") -> SigningKey:
    """A new RSA key, on disk when this returns; raises DkimKeyExists, or DkimKeyError if it cannot be written."""
    return write_new(signing_path(certs_dir, domain, "rsa-sha256"), selector, "rsa-sha256")


def write_new(path: Path, selector: str, algorithm: Algorithm) -> SigningKey:
    """A new key in a file that was not there, on disk when this returns; raises DkimKeyExists, DkimKeyError."""
    private = _new_private(algorithm)
    with _explained(path, "written"):
        _make_directory(path.parent)
        _write_new(path, _pem(private))
    return SigningKey(path.parent.name, selector, algorithm, path, False, _fingerprint(private), private)


def signing_path(certs_dir: Path, domain: str, algorithm: Algorithm) -> Path:
    """The file of the key that signs; raises DkimKeyError for what is no domain."""
    return _directory(certs_dir, domain) / (RSA_FILE if algorithm == "rsa-sha256" else ED25519_FILE)


def aside_path(certs_dir: Path, domain: str, algorithm: Algorithm, selector: str) -> Path:
    """The file of a key that does not sign yet, or no more; raises DkimKeyError for what is no domain."""
    return _directory(certs_dir, domain) / f"dkim_private.{selector}.{algorithm.partition('-')[0]}.pem"


def exchange(new: SigningKey, current: SigningKey | None, kept: Path) -> None:
    """Puts a key into the place of the one that signs, whose file is kept as `kept`; raises DkimKeyError.

    At every instant the place holds one of the two, whole. Done twice, or again after a crash, it comes to the same.
    """
    place = new.path.with_name(RSA_FILE if new.algorithm == "rsa-sha256" else ED25519_FILE)
    with _explained(place, "replaced"):
        if current is not None:
            _keep(current.path, kept)
        new.path.replace(place)
        _sync_directory(place.parent)


def remove(path: Path) -> None:
    """Deletes a key's file, if it is there; raises DkimKeyError."""
    with _explained(path, "deleted"):
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            _sync_directory(path.parent)


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
    return record_of(key.domain, key.selector, dns_value(key))


def record_of(domain: str, selector: str, value: str) -> DnsRecord:
    """The record with this value: strings hold 255 octets, so a zone file needs several."""
    name = f"{selector}._domainkey.{domain}"
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
    wanted = Ed25519PrivateKey if path.name.endswith("ed25519.pem") else RSAPrivateKey
    if not isinstance(private, wanted):
        kind = "Ed25519" if wanted is Ed25519PrivateKey else "RSA"
        raise DkimKeyError(f"DKIM key {path} is not an {kind} key")
    if isinstance(private, RSAPrivateKey) and private.key_size < MIN_RSA_BITS:
        raise DkimKeyError(f"DKIM key {path} has {private.key_size} bits; verifiers ask for {MIN_RSA_BITS} at least")
    return private


def _algorithm(private: PrivateKey) -> Algorithm:
    return "rsa-sha256" if isinstance(private, RSAPrivateKey) else "ed25519-sha256"


def _fingerprint(private: PrivateKey) -> str:
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(public).hexdigest()


def _new_private(algorithm: Algorithm) -> PrivateKey:
    if algorithm == "ed25519-sha256":
        return Ed25519PrivateKey.generate()
    return generate_private_key(public_exponent=65537, key_size=_NEW_RSA_BITS)


def _pem(private: PrivateKey) -> bytes:
    # RSA as PKCS#1, as `openssl genrsa` used to write it and every reader of such files takes it.
    rsa = isinstance(private, RSAPrivateKey)
    form = serialization.PrivateFormat.TraditionalOpenSSL if rsa else serialization.PrivateFormat.PKCS8
    return private.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _keep(path: Path, kept: Path) -> None:
    """A second name for a file; what had that name, and is another, is moved out of the way."""
    try:
        kept.hardlink_to(path)
    except PermissionError:
        # Linux lets nobody link a file of somebody else (fs.protected_hardlinks): a key of root's or the panel's.
        _write_new(kept, _read(path)[0])
    except FileExistsError:
        if kept.read_bytes() != path.read_bytes():
            kept.rename(kept.with_name(f"{kept.name}.{time.time_ns()}"))
            _keep(path, kept)


def _make_directory(directory: Path) -> None:
    directory.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    try:
        directory.mkdir(mode=0o750)
    except FileExistsError:
        return
    _share_group(directory, directory.parent)


def _share_group(path: Path, model: Path) -> None:
    """Gives a new file to the group that its directory is for: the programs may be of that group and nothing else."""
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
