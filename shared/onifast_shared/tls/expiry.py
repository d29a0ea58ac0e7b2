"""When the certificates of this host end."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm


class CertificateEnd(NamedTuple):
    """A domain's certificate: when it ends, in epoch seconds, or why that is not known."""

    domain: str
    ends_at: float
    names: tuple[str, ...] = ()
    problem: str = ""


def certificates(certs_dir: Path) -> list[CertificateEnd]:
    """Those of all domains that have one, by domain; none where the directory cannot be read."""
    try:
        files = sorted(certs_dir.glob("*/fullchain.pem"))
    except OSError:
        return []
    return [_end_of(file) for file in files]


def _end_of(file: Path) -> CertificateEnd:
    domain = file.parent.name
    try:
        chain = x509.load_pem_x509_certificates(file.read_bytes())
    except OSError as error:
        return CertificateEnd(domain, 0.0, problem=f"{file} cannot be read: {error.strerror}")
    except (ValueError, UnsupportedAlgorithm):
        return CertificateEnd(domain, 0.0, problem=f"{file} holds no certificate that can be read")
    ends_at = min(each.not_valid_after_utc.timestamp() for each in chain)
    return CertificateEnd(domain, ends_at, names_of(chain[0]))


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """The host names that a certificate is for, as it has them."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(found.value.get_values_for_type(x509.DNSName))
