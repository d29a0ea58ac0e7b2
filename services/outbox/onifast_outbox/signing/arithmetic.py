"""dkimpy's headers, `cryptography`'s arithmetic: what its sealer needs to compute with keys that it never sees."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

from onifast_shared.dkim.keys import PrivateKey

from onifast_outbox.signing.signature import sign_digest

# dkimpy parses the key that it is given, in Python, for each message. It gets one of zeros: see FastSigning.
PLACEHOLDER = b"--\n" + base64.b64encode(b"\x30\x1b" + b"\x02\x01\x00" * 9) + b"\n--"


class _Signature(NamedTuple):
    signature: bytes


class _DigestSigner:
    """A key in the shape that dkimpy knows from PyNaCl: it is handed the digest and gives the signature."""

    def __init__(self, private: PrivateKey) -> None:
        self._private = private

    def sign(self, digest: bytes) -> _Signature:
        return _Signature(sign_digest(self._private, digest))


class FastSigning:
    """Has dkimpy compute with `cryptography`: its own RSA in Python makes 176 signatures a second, this 2,300.

    dkimpy asks the key to sign the digest in its Ed25519 branch only; the `a=` tag has been written when gen_header
    runs, and both algorithms hash with SHA-256, so that branch serves RSA too. It never sees the real key. What it
    does to white space, which would let one message with a megabyte of it stop all deliveries for an hour, the program
    has replaced at its start (`white_space`). To be put before one of its signers.
    """

    signature_algorithm: bytes

    def __init__(self, message: bytes, private: PrivateKey) -> None:
        super().__init__(message)  # type: ignore[call-arg]
        self._digest_signer = _DigestSigner(private)

    def set_message(self, message: bytes) -> None:
        """dkimpy's function of that name, for CRLF line ends: it takes the lines of the body apart and joins them."""
        inherited: Any = super()
        if message.startswith(b"\r\n"):
            inherited.set_message(message)
            return
        head, _, body = message.partition(b"\r\n\r\n")
        inherited.set_message(head + b"\r\n\r\n")
        self.body = body

    def gen_header(self, fields: Any, include_headers: Any, canon_policy: Any, header_name: bytes, *_: Any) -> bytes:
        """dkimpy's function of that name."""
        algorithm, self.signature_algorithm = self.signature_algorithm, b"ed25519-sha256"
        inherited: Any = super()
        field: bytes = inherited.gen_header(fields, include_headers, canon_policy, header_name, self._digest_signer)
        self.signature_algorithm = algorithm
        return field
