"""TLSA records (RFC 6698, RFC 7671), as far as mail uses them (RFC 7672): which are usable, and what they match."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from cryptography.utils import CryptographyDeprecationWarning

DANE_TA = 2
DANE_EE = 3

# More are made to cost time: each is compared with each certificate.
_MOST = 100

_SELECTORS = (0, 1)  # the whole certificate, its public key
_HASHES = {1: hashlib.sha256, 2: hashlib.sha512}


class Tlsa(NamedTuple):
    """One record (RFC 6698 section 2.1)."""

    usage: int
    selector: int
    matching_type: int
    data: bytes

    @property
    def is_usable(self) -> bool:
        """Whether mail can use it: the usages that lean on public authorities cannot (RFC 7672 section 3.1.3)."""
        return (
            self.usage in (DANE_TA, DANE_EE)
            and self.selector in _SELECTORS
            and (self._has_digest if self.matching_type else self._is_whole)
        )

    @property
    def _has_digest(self) -> bool:
        digest = _HASHES.get(self.matching_type)
        return digest is not None and len(self.data) == digest().digest_size

    @property
    def _is_whole(self) -> bool:
        """Whether the data is a certificate, or a key: what cannot be read is of no use (RFC 7672 section 2.2)."""
        try:
            with warnings.catch_warnings():
                # Of old certificates with odd serial numbers, which are others' to mend.
                warnings.simplefilter("ignore", CryptographyDeprecationWarning)
                load_der_public_key(self.data) if self.selector else x509.load_der_x509_certificate(self.data)
        except (UnsupportedAlgorithm, ValueError, x509.InvalidVersion):
            return False
        return True

    def matches(self, certificate: x509.Certificate) -> bool:
        """Whether the record names this certificate or its key."""
        try:
            chosen = _chosen(self.selector, certificate)
        except (UnsupportedAlgorithm, ValueError):
            return False  # a key of a kind that is not known here
        if self.matching_type == 0:
            return chosen == self.data
        return _HASHES[self.matching_type](chosen).digest() == self.data


MALFORMED = Tlsa(255, 255, 255, b"")
"""Stands for a record that is there and cannot be read."""


def usable(records: Iterable[Tlsa]) -> tuple[Tlsa, ...]:
    """Those that can be used, of the first hundred; of a usage and selector's digests the strongest (RFC 7671 9)."""
    kept = [record for record in records if record.is_usable][:_MOST]
    best: dict[tuple[int, int], int] = {}
    for record in kept:
        key = (record.usage, record.selector)
        best[key] = max(best.get(key, 0), record.matching_type)
    return tuple(record for record in kept if record.matching_type in (0, best[record.usage, record.selector]))


def _chosen(selector: int, certificate: x509.Certificate) -> bytes:
    if selector == 0:
        return certificate.public_bytes(Encoding.DER)
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
