"""Real signatures for tests: one key, its DNS record, and messages signed or sealed with it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import dkim
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from dkim.canonicalization import Relaxed
from onifast_shared.dkim.white_space import canonicalize_headers

KEY = rsa.generate_private_key(65537, 2048)


def pem(key: rsa.RSAPrivateKey = KEY) -> bytes:
    """The key as dkimpy takes it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def public_record(key: rsa.RSAPrivateKey = KEY) -> str:
    """The TXT record to publish."""
    der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode()


def signed(message: bytes, domain: str = "bank.test", **options: Any) -> bytes:
    """The message with a DKIM signature of the domain's, selector `sel`."""
    modes = (b"relaxed", b"relaxed")
    return bytes(dkim.sign(message, b"sel", domain.encode(), pem(), canonicalize=modes, **options)) + message


def handmade(message: bytes, **tags: str | None) -> bytes:
    """The message with a signature that no signer would make, but by the right key: any tags, None to leave one out."""
    head, _, body = message.partition(b"\r\n\r\n")
    digest = hashlib.sha1 if (tags.get("a") or "").endswith("sha1") else hashlib.sha256
    body_hash = base64.b64encode(digest(Relaxed.canonicalize_body(body)).digest()).decode()
    default = {
        "v": "1",
        "a": "rsa-sha256",
        "c": "relaxed/relaxed",
        "d": "bank.test",
        "s": "sel",
        "h": "from:to:subject",
    }
    written = default | {"bh": body_hash} | tags | {"b": ""}
    value = "; ".join(f"{tag}={text}" for tag, text in written.items() if text is not None).encode()
    signing = hashes.SHA1() if digest is hashlib.sha1 else hashes.SHA256()
    signature = KEY.sign(_covered(head, written["h"] or "", value), padding.PKCS1v15(), signing)
    return b"DKIM-Signature: " + value + base64.b64encode(signature) + b"\r\n" + message


def _covered(head: bytes, names: str, value: bytes) -> bytes:
    fields = [(line.partition(b":")[0], line.partition(b":")[2] + b"\r\n") for line in head.split(b"\r\n")]
    canonical = dict(canonicalize_headers(fields))
    chosen = [(name, canonical[name]) for name in names.lower().encode().split(b":") if name in canonical]
    [signature] = canonicalize_headers([(b"DKIM-Signature", value)])
    return b"".join(b"%b:%b" % field for field in [*chosen, signature]).removesuffix(b"\r\n")


def simply_signed(message: bytes, domain: str = "bank.test") -> bytes:
    """The message with a signature over every octet of its header and text (RFC 6376 section 3.4.1)."""
    head, _, body = message.partition(b"\r\n\r\n")
    names = b":".join(line.partition(b":")[0].strip() for line in reversed(head.split(b"\r\n")))
    body_hash = base64.b64encode(hashlib.sha256(body).digest())
    tags = b" v=1; a=rsa-sha256; c=simple/simple; d=%b; s=sel; h=%b; bh=%b; b=" % (domain.encode(), names, body_hash)
    covered = b"".join(line + b"\r\n" for line in reversed(head.split(b"\r\n"))) + b"DKIM-Signature:" + tags
    signature = base64.b64encode(KEY.sign(covered, padding.PKCS1v15(), hashes.SHA256()))
    return b"DKIM-Signature:" + tags + signature + b"\r\n" + message


def sealed(message: bytes, domain: str, results: str, algorithm: str = "rsa-sha256") -> bytes:
    """The message with one more ARC set; `results` are what the sealer found, as in Authentication-Results."""
    noted = f"Authentication-Results: {domain}; {results}\r\n".encode() + message
    sealer = dkim.ARC(noted, signature_algorithm=algorithm.encode())
    return b"".join(sealer.sign(b"sel", domain.encode(), pem(), domain.encode())) + message


@dataclass
class _Verbatim:
    text: str
    method: str
    result: str

    def __str__(self) -> str:
        return self.text


def sealed_as_it_is(message: bytes, domain: str, results: str, *, arc: str = "none") -> bytes:
    """The same by a handler that seals its results letter by letter; `arc` is what it found of the chain before."""
    found = SimpleNamespace(authserv_id=domain, results=[_Verbatim(results, "arc", arc)])
    with patch("dkim.authres.AuthenticationResultsHeader.parse", return_value=found):
        return sealed(message, domain, "none")
