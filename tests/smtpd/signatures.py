"""Real signatures for tests: one key, its DNS record, and messages signed or sealed with it."""

from __future__ import annotations

import base64
from typing import Any

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

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


def sealed(message: bytes, domain: str, results: str) -> bytes:
    """The message with one more ARC set; `results` are what the sealer found, as in Authentication-Results."""
    noted = f"Authentication-Results: {domain}; {results}\r\n".encode() + message
    fields = dkim.arc_sign(noted, b"sel", domain.encode(), pem(), domain.encode())
    return b"".join(fields) + message
