"""DKIM signatures (RFC 6376) with the keys of the author's domain: dkimpy's headers, `cryptography`'s arithmetic."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, NamedTuple

import dkim
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from onifast_shared.config import Settings
from onifast_shared.dkim_keys import DkimKeyError, KeyRing, PrivateKey, SigningKey
from onifast_shared.message import Summary, split_head, summary

# Signed once more than they occur, so that nobody can add one unnoticed (RFC 6376 section 8.15).
OVERSIGNED = (
    "from", "to", "cc", "subject", "date", "message-id", "reply-to", "sender", "in-reply-to", "references",
    "mime-version", "content-type", "content-transfer-encoding",
)  # fmt: skip

# Signed as often as they occur; a mailing list may add its own.
SIGNED = (
    "content-disposition", "list-id", "list-help", "list-unsubscribe", "list-unsubscribe-post", "list-subscribe",
    "list-post", "list-owner", "list-archive", "auto-submitted", "resent-date", "resent-from", "resent-sender",
    "resent-to", "resent-cc", "resent-message-id",
)  # fmt: skip

# DKIM.sign parses the key that it is given, in Python, for each message. It gets one of zeros: see _DkimSigner.
_PLACEHOLDERS = {
    "rsa-sha256": b"--\n" + base64.b64encode(b"\x30\x1b" + b"\x02\x01\x00" * 9) + b"\n--",
    "ed25519-sha256": base64.b64encode(bytes(32)),
}


@dataclass(frozen=True)
class Signed:
    """Signature fields to put on top of the message; where they are missing though due, `problem` says why."""

    fields: bytes = b""
    domain: str = ""
    problem: str = ""


class Signer:
    """Signs messages as the settings say. A key whose file has changed counts at once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys = KeyRing(settings.certs_dir, settings.dkim_selector)

    def sign(self, message: bytes) -> Signed:
        """The signatures for a message with CRLF line ends; none where the domain has no key. Blocks for a moment.

        Raises DkimKeyError for a key that cannot be used, unless the setting `dkim_bad_key` lets mail go without.
        """
        head = summary(split_head(message)[0])
        author = head.sender
        if author is None or author.is_literal:
            return Signed()
        try:
            keys = self._keys.load(author.domain)
        except DkimKeyError as error:
            if self._settings.dkim_bad_key == "defer":
                raise
            return Signed(domain=author.domain, problem=str(error))
        if not keys:
            return Signed()
        try:
            return Signed(b"".join(sign_with(key, message, head) for key in keys), author.domain)
        except (dkim.DKIMException, IndexError) as error:
            # No key is at fault: the header is so broken that no signature can cover it.
            return Signed(domain=author.domain, problem=f"the message's header is malformed: {error}")


def sign_with(key: SigningKey, message: bytes, head: Summary) -> bytes:
    """One DKIM-Signature field with its line end. Raises dkim.DKIMException for a message that is malformed."""
    signer = _DkimSigner(message, key.private)
    field: bytes = signer.sign(
        key.selector.encode(),
        key.domain.encode(),
        _PLACEHOLDERS[key.algorithm],
        signature_algorithm=key.algorithm.encode(),
        canonicalize=(b"relaxed", b"relaxed"),
        include_headers=[name.encode() for name in signed_headers(head)],
    )
    return field


def signed_headers(head: Summary) -> list[str]:
    """The names for the signature's h= tag."""
    present = [name.lower() for name, _ in head.headers]
    names = []
    for name in OVERSIGNED:
        names += [name] * (present.count(name) + 1)
    for name in SIGNED:
        names += [name] * present.count(name)
    return names


class _Signature(NamedTuple):
    signature: bytes


class _DigestSigner:
    """A key in the shape that dkimpy knows from PyNaCl: it is handed the digest and gives the signature."""

    def __init__(self, private: PrivateKey) -> None:
        self._private = private

    def sign(self, digest: bytes) -> _Signature:
        if isinstance(self._private, RSAPrivateKey):
            return _Signature(self._private.sign(digest, PKCS1v15(), Prehashed(hashes.SHA256())))
        return _Signature(self._private.sign(digest))


class _DkimSigner(dkim.DKIM):  # type: ignore[misc]
    """dkimpy's signer, computing with `cryptography`: its own RSA in Python makes 176 signatures a second, this 2,300.

    dkimpy asks the key to sign the digest in its Ed25519 branch only; the `a=` tag has been written when gen_header
    runs, and both algorithms hash with SHA-256, so that branch serves RSA too. Nothing of dkimpy is replaced, and it
    never sees the real key.
    """

    def __init__(self, message: bytes, private: PrivateKey) -> None:
        super().__init__(message)
        self._digest_signer = _DigestSigner(private)

    def gen_header(self, fields: Any, include_headers: Any, canon_policy: Any, header_name: bytes, *_: Any) -> bytes:
        self.signature_algorithm = b"ed25519-sha256"
        field: bytes = super().gen_header(fields, include_headers, canon_policy, header_name, self._digest_signer)
        return field
