"""Signatures of webhooks in the form of Standard Webhooks: HMAC-SHA256 over id, time and body."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping

from onifast_shared.machine.log import Secret

PREFIX = "whsec_"
"""What a secret begins with, so that it is known for one wherever it turns up."""

_SECRET_OCTETS = 32


def new_secret() -> Secret:
    """A secret as both sides keep it: the key in base64 after PREFIX."""
    return Secret(PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_OCTETS)).decode("ascii"))


def headers(secret: Secret, message_id: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """The three header fields that prove who sent a body, and when."""
    key = base64.b64decode(secret.reveal().removeprefix(PREFIX))
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }
