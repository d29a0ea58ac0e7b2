"""TLS for the server side: certificates from certs/<domain>/, chosen by SNI, picked up when they change."""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from onifast_shared.machine import log
from onifast_shared.values.address import AddressError, parse_domain

_Mark = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class _Pair:
    """A certificate and key as they were last seen; `context` is None if they never could be loaded."""

    mark: _Mark
    context: ssl.SSLContext | None


class CertificateContext(ssl.SSLContext):
    """A context that knows the channel binding of its certificate, None where it has none."""

    end_point: bytes | None = None


def end_point_of(context: ssl.SSLContext) -> bytes | None:
    """The `tls-server-end-point` of connections that a context of ours serves."""
    return context.end_point if isinstance(context, CertificateContext) else None


def end_point(certificate: bytes) -> bytes | None:
    """`tls-server-end-point` of the first certificate in a PEM file (RFC 5929 section 4.1).

    None where its signature uses no hash or one that we do not know, such as Ed25519's: it is not defined then.
    """
    try:
        found = x509.load_pem_x509_certificate(certificate)
        algorithm = found.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return None
    if algorithm is None:
        return None
    weak = isinstance(algorithm, hashes.MD5 | hashes.SHA1)
    return found.fingerprint(hashes.SHA256() if weak else algorithm)


class ServerContexts:
    """The TLS contexts of a server. Safe to use from any thread.

    Each handshake looks at the files' times anew: a new certificate counts from the next connection on. A broken new
    pair is logged once and the old one stays in use.
    """

    def __init__(self, certs_dir: Path, hostname: str) -> None:
        self._certs_dir = certs_dir
        self._hostname = hostname.lower()
        self._pairs: dict[str, _Pair] = {}
        self._lock = threading.Lock()
        self._logger = log.get("tls")
        self._entry = _new_context()
        self._entry.sni_callback = self._choose

    def context(self) -> ssl.SSLContext | None:
        """The context to serve with, or None while the hostname has no certificate: TLS is not to be offered then."""
        return self._entry if self._current(self._hostname) else None

    def listening_context(self) -> ssl.SSLContext:
        """The same one, for a listener with implicit TLS: handshakes fail while there is no certificate."""
        return self._entry

    def _choose(self, connection: ssl.SSLObject, server_name: str | None, _entry: ssl.SSLContext) -> int | None:
        """The SNI callback, called for clients without SNI (RFC 6066 section 3) too."""
        for domain in self._candidates(server_name):
            if context := self._current(domain):
                connection.context = context
                return None
        return ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE

    def _candidates(self, server_name: str | None) -> list[str]:
        try:
            # Checked before it becomes a path: the name is the client's.
            asked = parse_domain(server_name) if server_name else self._hostname
        except AddressError:
            asked = self._hostname
        return [asked, self._hostname] if not asked.startswith("[") else [self._hostname]

    def _current(self, domain: str) -> ssl.SSLContext | None:
        files = (self._certs_dir / domain / "fullchain.pem", self._certs_dir / domain / "privkey.pem")
        with self._lock:
            known = self._pairs.get(domain)
            try:
                mark = tuple(_mark(file) for file in files)
            except OSError as error:
                return self._absent(domain, known, error)
            if known is None or known.mark != mark:
                known = _Pair(mark, self._load(domain, files) or (known.context if known else None))
                self._pairs[domain] = known
            return known.context

    def _absent(self, domain: str, known: _Pair | None, error: OSError) -> ssl.SSLContext | None:
        directory = self._certs_dir / domain
        if known and isinstance(error, FileNotFoundError) and not (directory / "fullchain.pem").exists():
            del self._pairs[domain]  # taken away on purpose, not half-way through a renewal
            return None
        return known.context if known else None

    def _load(self, domain: str, files: tuple[Path, Path]) -> ssl.SSLContext | None:
        context = _new_context()
        try:
            certificate = files[0].read_bytes()
            # A password, though a wrong one: else OpenSSL would ask for an encrypted key's on the terminal.
            context.load_cert_chain(*files, password="")
            # Replaced while it was read: the next handshake sees that by the file's times.
            context.end_point = end_point(certificate) if files[0].read_bytes() == certificate else None
        except (OSError, ssl.SSLError) as error:
            reason = error.strerror or "not a matching pair of certificate and key"
            log.event(self._logger, "certificate-broken", 40, domain=domain, file=str(files[0]), reason=reason)
            return None
        return context


def _new_context() -> CertificateContext:
    context = CertificateContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    return context


def _mark(file: Path) -> tuple[int, int, int]:
    status = file.stat()
    return status.st_mtime_ns, status.st_ino, status.st_size
