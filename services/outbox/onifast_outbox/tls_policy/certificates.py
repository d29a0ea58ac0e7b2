"""Judges the certificates that a server showed, after a handshake that asked nothing of them.

Python's TLS either refuses a bad certificate or does not look at it: it has no "tell me and go on", which opportunistic
TLS needs, and it knows no TLSA records. So where a good certificate is no must, or DANE decides, the handshake accepts
any, and before a byte of SMTP is said over it the chain is judged here, by `cryptography`'s path validation (RFC 5280).
"""

from __future__ import annotations

import ipaddress
import re
import ssl
import warnings
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)
from onifast_shared.machine.config import ConfigError

from onifast_outbox.tls_policy.requirement import Assurance, Insist, Requirement, ResultType, TlsLevel, TlsTrouble
from onifast_outbox.tls_policy.tlsa import DANE_EE, DANE_TA, Tlsa

Chain = Sequence[x509.Certificate]

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

# What OpenSSL's verification says, in the words of reports; all else means that nobody trusted vouches for it.
_OPENSSL_RESULTS = {10: ResultType.EXPIRED, 62: ResultType.HOST_MISMATCH, 64: ResultType.HOST_MISMATCH}


class CertificateRefused(Exception):
    """The certificate is not what the requirement insists on."""

    def __init__(self, trouble: TlsTrouble) -> None:
        super().__init__(trouble.text)
        self.trouble = trouble


class CertificateVerifier:
    """Knows the authorities that are trusted: those of the file `authorities`, or the system's."""

    def __init__(self, authorities: Path | None = None) -> None:
        self._authorities = authorities
        self._store: Store | None = None

    def assure(self, requirement: Requirement, host: str, chain: Sequence[bytes]) -> Assurance:
        """What the server at `host` has proved with this chain (DER, its own certificate first).

        Raises CertificateRefused. Where a certificate from a trusted authority is insisted on, the handshake itself
        has verified it, so that nothing is left to do.
        """
        if requirement.insist is Insist.CERTIFICATE:
            return Assurance(requirement.level)
        names = requirement.names or (host,)
        certificates = parse_chain(chain[:_MOST_SHOWN])
        if requirement.insist is Insist.DANE:
            return _by_dane(requirement, names, certificates)
        trouble = path_trouble(_PUBLIC, self._trusted(), names, certificates)
        return Assurance(TlsLevel.ENCRYPTED, trouble) if trouble else Assurance(TlsLevel.VERIFIED)

    def prepare(self) -> None:
        """Reads the authorities now, not when the first certificate is to be judged. Raises ConfigError."""
        try:
            self._trusted()
        except (OSError, ValueError):
            raise bad_authorities(self._authorities) from None

    def _trusted(self) -> Store | None:
        """None on a machine that knows no authorities: there nobody's certificate is good."""
        if self._store is None and (found := load_authorities(self._authorities)):
            self._store = Store(found)
        return self._store


def _by_dane(requirement: Requirement, names: Sequence[str], chain: Chain) -> Assurance:
    """What the TLSA records make of a chain. Raises CertificateRefused.

    Anybody gets a certificate for their own domain from a public authority that the records may name. So one that is
    good for the recipient's domain alone lets nobody else's mail over the connection.
    """
    trouble = dane_trouble(requirement.tlsa, names, chain)
    if trouble is None:
        return Assurance(TlsLevel.DANE)
    if requirement.domain and dane_trouble(requirement.tlsa, (requirement.domain,), chain) is None:
        return Assurance(TlsLevel.DANE, is_shareable=False)
    raise CertificateRefused(trouble)


def bad_authorities(file: Path | None) -> ConfigError:
    """The error for a file that holds no certificates."""
    return ConfigError(f"setting outbound_tls_ca: {file} is not a file of certificates (PEM) that can be read")


def load_authorities(file: Path | None) -> list[x509.Certificate]:
    """The certificates of a PEM file, or the system's authorities. Raises OSError, and ValueError for a bad file."""
    if file is None:
        return [each for path in _system_files() for each in _readable(path.read_bytes())]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return x509.load_pem_x509_certificates(file.read_bytes())


def _system_files() -> list[Path]:
    """Where OpenSSL looks: a bundle, or (on Debian) a directory of links, one a certificate."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        return [Path(paths.cafile)]
    return sorted(Path(paths.capath).glob("*.[0-9]")) if paths.capath else []


def _readable(pem: bytes) -> Iterator[x509.Certificate]:
    """A system's bundle may hold certificates that are too odd for `cryptography`: it does without them."""
    for block in _PEM.findall(pem):
        yield from parse_chain([ssl.PEM_cert_to_DER_cert(block.decode("ascii"))])


def parse_chain(chain: Iterable[bytes]) -> list[x509.Certificate]:
    """Certificates in DER, up to the first that cannot be read."""
    certificates: list[x509.Certificate] = []
    with warnings.catch_warnings():
        # Of old certificates with odd serial numbers, which are others' to mend.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        for der in chain:
            try:
                certificates.append(x509.load_der_x509_certificate(der))
            except (ValueError, x509.InvalidVersion):
                break
    return certificates


def peer_chain(channel: ssl.SSLObject | ssl.SSLSocket) -> list[bytes]:
    """The certificates that the peer showed, in DER, its own first, verified or not.

    Python tells of the chain from 3.13 on; before that the same function is there, but not in the public interface.
    Should it be gone, the peer's own certificate has to do, which is all that most TLSA records are about.
    """
    for holder in (channel, getattr(channel, "_sslobj", None)):
        if ask := getattr(holder, "get_unverified_chain", None):
            return [each if isinstance(each, bytes) else each.public_bytes(_DER) for each in ask() or ()]
    own = channel.getpeercert(binary_form=True)
    return [own] if own else []


_DER = 2  # what `_ssl` calls ENCODING_DER


def openssl_trouble(error: ssl.SSLError) -> ResultType:
    """Why a handshake failed, in a report's word."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _OPENSSL_RESULTS.get(error.verify_code, ResultType.NOT_TRUSTED)
    return ResultType.VALIDATION_FAILURE


def dane_trouble(tlsa: Sequence[Tlsa], names: Sequence[str], chain: Chain) -> TlsTrouble | None:
    """Why no TLSA record accepts this chain; None where one does (RFC 7672 section 3.1)."""
    if not chain:
        return TlsTrouble(ResultType.VALIDATION_FAILURE, "the server showed no certificate that can be read")
    # The server's own certificate: its names and dates do not count (RFC 7672 section 3.1.1).
    if any(record.usage == DANE_EE and record.matches(chain[0]) for record in tlsa):
        return None
    anchors = _anchors([record for record in tlsa if record.usage == DANE_TA], chain)
    if not anchors:
        return TlsTrouble(ResultType.VALIDATION_FAILURE, "no TLSA record matches the server's certificates")
    return path_trouble(_PRIVATE, Store(anchors), names, chain)


def _anchors(tlsa: Sequence[Tlsa], chain: Chain) -> list[x509.Certificate]:
    """The authorities that the records name: those shown, and those that a record holds whole (RFC 7671 section 5)."""
    shown = [each for each in chain[1:] if any(record.matches(each) for record in tlsa)]
    held = [record.data for record in tlsa if (record.selector, record.matching_type) == (0, 0)]
    return [*shown, *(each for der in held for each in parse_chain([der]))]


Extensions = tuple[ExtensionPolicy, ExtensionPolicy]
"""What path validation asks of an authority's certificate, and of the server's."""


def path_trouble(extensions: Extensions, store: Store | None, names: Sequence[str], chain: Chain) -> TlsTrouble | None:
    """Why the chain does not lead from any of `names` to an authority in `store`; None where it does."""
    if not chain:
        return TlsTrouble(ResultType.NOT_TRUSTED, "the server showed no certificate that can be read")
    if store is None:
        return TlsTrouble(ResultType.NOT_TRUSTED, "this server trusts nobody to vouch for certificates")
    troubles = []
    for name in names:
        trouble = _path_trouble(extensions, store, name, chain)
        if trouble is None:
            return None
        troubles.append(trouble)
    return troubles[0]


def _path_trouble(extensions: Extensions, store: Store, name: str, chain: Chain) -> TlsTrouble | None:
    now = datetime.now(UTC)
    leaf = chain[0]
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        until = leaf.not_valid_after_utc.strftime("%d %B %Y").lstrip("0")
        return TlsTrouble(ResultType.EXPIRED, f"the certificate is not valid today (it ends on {until})")
    ca_policy, leaf_policy = extensions
    try:
        subject = _subject(name)
        builder = PolicyBuilder().store(store).time(now).max_chain_depth(_LONGEST_CHAIN)
        builder = builder.extension_policies(ca_policy=ca_policy, ee_policy=leaf_policy)
        builder.build_server_verifier(subject).verify(leaf, list(chain[1:]))
    except VerificationError as error:
        # The one thing that its words are asked for: everything else is a matter of trust.
        if "subjectAltName" in str(error):
            return TlsTrouble(ResultType.HOST_MISMATCH, f"the certificate is not good for the name {name}")
        return TlsTrouble(ResultType.NOT_TRUSTED, "nobody whom this server trusts vouches for the certificate")
    except (UnsupportedAlgorithm, ValueError):
        return TlsTrouble(ResultType.NOT_TRUSTED, f"the certificate cannot be checked for the name {name}")
    return None


_LONGEST_CHAIN = 8
# Of those that a server shows: what is beyond leads nowhere, and is made to cost time.
_MOST_SHOWN = 2 * _LONGEST_CHAIN


def _subject(name: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _is_authority(_policy: Policy, _certificate: x509.Certificate, extension: x509.BasicConstraints) -> None:
    if not extension.ca:
        raise ValueError("not an authority")


def _may_sign(_policy: Policy, _certificate: x509.Certificate, extension: x509.KeyUsage | None) -> None:
    if extension is not None and not extension.key_cert_sign:
        raise ValueError("an authority that may not sign certificates")


def _is_for_servers(_policy: Policy, _certificate: x509.Certificate, extension: x509.ExtendedKeyUsage | None) -> None:
    if extension is not None and ExtendedKeyUsageOID.SERVER_AUTH not in extension:
        raise ValueError("a certificate that is not for servers")


# What public authorities have agreed on among themselves (the CA/Browser Forum's rules).
_PUBLIC: Extensions = (ExtensionPolicy.webpki_defaults_ca(), ExtensionPolicy.webpki_defaults_ee())

# A domain's own authority, whom DANE names, owes nothing but RFC 5280 to anyone: `openssl req -x509` makes such.
_PRIVATE: Extensions = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_authority)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign),
    ExtensionPolicy.permit_all()
    .require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
    .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _is_for_servers),
)
