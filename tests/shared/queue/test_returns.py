"""The names that notifications from elsewhere give our messages."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from onifast_shared.queue import returns


@pytest.mark.parametrize("number", range(20))
def test_an_envelope_id_ends_in_base32_of_what_only_we_can_make(number: int) -> None:
    key, queue_id = bytes([number]) * 32, f"0123456789{number:02}"
    proof = hmac.new(key, f"{queue_id}\0site{number}.test".encode(), hashlib.sha256).digest()[:10]
    expected = base64.b32encode(proof).decode().lower()
    assert returns.envelope_id(key, queue_id, f"Site{number}.TEST") == f"{queue_id}.{expected}"


def test_envelope_ids_that_were_given_out_stay_good() -> None:
    assert returns.envelope_id(b"k" * 32, "0123456789AB", "example.test") == "0123456789AB.235hicn4jn7xbgld"
