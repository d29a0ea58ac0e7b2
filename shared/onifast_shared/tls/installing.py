"""Puts a certificate and its key where the programs look for them, so that no handshake meets half a pair for long."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from onifast_shared.tls.expiry import names_of


class CertificateError(Exception):
    """A pair cannot be used. The text is one line that says why."""


def install(certs_dir: Path, chain_file: Path, key_file: Path, domains: Sequence[str] = ()) -> list[str]:
    """Copies a pair to each of these domains, by default all that the certificate names; returns them.

    Both files are PEM, the chain with the server's own certificate first, the key without a
    password. Programs that run take them up by themselves. Raises CertificateError, and then nothing was changed, and
    OSError.
    """
    chain, key = _read(chain_file), _read(key_file)
    certificate = _certificate(chain, chain_file)
    _refuse_another_key(certificate, key, key_file)
    names = names_of(certificate)
    for domain in domains:
        if not any(_covers(name, domain) for name in names):
            raise CertificateError(f"{chain_file} is not for {domain}, but for {', '.join(names) or 'no name'}")
    chosen = [*domains] or [name for name in names if not name.startswith("*")]
    if not chosen:
        raise CertificateError(f"{chain_file} names no single host; say for which domains it is")
    for domain in chosen:
        _put(certs_dir, domain, chain, key)
    return chosen


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CertificateError(f"{file} cannot be read: {error.strerror}") from None


def _certificate(chain: bytes, file: Path) -> x509.Certificate:
    try:
        first, *_ = x509.load_pem_x509_certificates(chain)
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError(f"{file} holds no certificate in PEM") from None
    if first.not_valid_after_utc.timestamp() < time.time():
        raise CertificateError(f"{file} is not valid any more since {first.not_valid_after_utc:%Y-%m-%d}")
    return first


def _refuse_another_key(certificate: x509.Certificate, octets: bytes, file: Path) -> None:
    try:
        key = serialization.load_pem_private_key(octets, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise CertificateError(f"{file} holds no private key in PEM without a password") from None
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        raise CertificateError(f"{file} is not the key of that certificate")


def _covers(name: str, domain: str) -> bool:
    """Whether a certificate's name is that of a host; its wildcard stands for one label (RFC 9525 section 6.3)."""
    if name.startswith("*."):
        return domain.partition(".")[2].lower() == name[2:].lower()
    return name.lower() == domain.lower()


def _put(certs_dir: Path, domain: str, chain: bytes, key: bytes) -> None:
    directory = certs_dir / domain.lower()
    owner = certs_dir.stat()
    if not directory.is_dir():
        directory.mkdir(mode=0o700)
        _give(directory, owner)
    # The key first: what a program finds in between is the old pair's chain, which it knows already.
    for name, octets in (("privkey.pem", key), ("fullchain.pem", chain)):
        fresh = directory / f".{name}.new"
        fresh.unlink(missing_ok=True)
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        _give(fresh, owner)
        fresh.replace(directory / name)
    _sync(directory)


def _give(path: Path, owner: os.stat_result) -> None:
    """Makes a path its directory's owner's: root works for whoever the panel runs as."""
    if os.geteuid() == 0:
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
