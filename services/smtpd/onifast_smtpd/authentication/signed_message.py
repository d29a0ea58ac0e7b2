"""A message as dkimpy verifies it: each field under the name that signatures know it by, and as it was written."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any, TypeVar

from onifast_shared.dkim.white_space import close_names, shorten_blanks

MIN_RSA_BITS = 1024  # RFC 8301 section 3.2
# What dkimpy does takes quadratic time in these, on a stranger's word.
MAX_HEAD = 128 * 1024  # octets
MAX_HEAD_LINES = 2000

# A message has one of each (RFC 5322 section 3.6), and readers go by it.
_SINGLE = (
    b"subject",
    b"date",
    b"reply-to",
    b"sender",
    b"message-id",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
)
_NAME = re.compile(rb"(?<![^\n])([!-9;-~]++[ \t]*+):")

# dkimpy reports what it finds in its log too; the result says it all.
_silent = logging.Logger("dkim", logging.CRITICAL + 1)

T = TypeVar("T")


class _Name(bytes):
    """A field's name as it stands, with what white space there is before its colon.

    The simple form has it so (RFC 6376 section 3.4.1); `h=` and the relaxed form know it by its lower case.
    """

    def lower(self) -> bytes:
        """The name in lower case, without white space."""
        return bytes(self).rstrip(b" \t").lower()


def is_too_large(head: bytes) -> bool:
    """Whether verifying a message with that header section would take too long."""
    return len(head) > MAX_HEAD or head.count(b"\n") > MAX_HEAD_LINES


def load(kind: type[T], head: bytes, body: bytes) -> T:
    """A verifier, of dkimpy's `kind`, for a message. Raises what `UNREADABLE` has.

    dkimpy would take the body apart line by line, only to put it together again.
    """
    written = shorten_blanks(head)
    verifier: Any = kind(close_names(written) + b"\r\n\r\n", logger=_silent, minkey=MIN_RSA_BITS)  # type: ignore[call-arg]
    names = [match[1] for match in _NAME.finditer(written)]
    if len(names) == len(verifier.headers):
        verifier.headers = [(_Name(name), value) for name, (_, value) in zip(names, verifier.headers, strict=True)]
    verifier.body = body
    return verifier  # type: ignore[no-any-return]


def signed_once(names: Sequence[bytes]) -> list[bytes]:
    """The names in `h=`, with one more of each that has a single field: there must be none that is not signed.

    Whoever sends a signed message again could else put another subject above it (RFC 6376 section 8.15). dkimpy does so
    for From.
    """
    return [*names, *(name for name in _SINGLE if name in names)]
