"""Public keys in DNS (RFC 6376 section 3.6): which records are keys, and what each lets be signed.

dkimpy reads the key itself; it obeys few of the other tags, and takes the first record that comes for the key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dkim
from dkim.util import InvalidTagValueList, parse_tag_value

from onifast_smtpd.authentication.lookup import Lookups

ALGORITHMS = {b"rsa-sha256", b"ed25519-sha256"}
"""What may sign (RFC 8301 section 3.1, RFC 8463 section 3): rsa-sha1 has failed for good."""

UNREADABLE = (dkim.DKIMException, ValueError, LookupError, AssertionError)
"""What dkimpy raises over a signature or a key that it cannot read: what a stranger writes is no bug of ours."""

MAX_RECORD = 1024  # octets; a 4096-bit key needs 750, and dkimpy takes quadratic time
MAX_KEYS = 3  # that are tried where a name has several: each costs what a signature costs


_NAME = re.compile(r"[A-Za-z0-9_.\u0080-\U0010ffff-]+")


@dataclass(frozen=True)
class KeyRecord:
    """A record that is a public key. `hashes` is None where it does not say; unknown words and tags are passed over."""

    kind: bytes
    key: bytes
    hashes: frozenset[bytes] | None
    services: frozenset[bytes]
    flags: frozenset[bytes]

    @property
    def is_for_testing(self) -> bool:
        """Whether the domain is only trying DKIM (`t=y`)."""
        return b"y" in self.flags

    @property
    def text(self) -> bytes:
        """The key alone, as dkimpy shall see it."""
        return b"v=DKIM1; k=%b; p=%b" % (self.kind, self.key)

    def objection(self, algorithm: bytes, *, is_subdomain: bool = False) -> str:
        """Why this key makes no signature by `algorithm` good, "" where it can (RFC 6376 section 6.1.2).

        `is_subdomain` says that the signature speaks for a domain below the one that it was made by (`i=`, `d=`).
        """
        kind, _, digest = algorithm.partition(b"-")
        if not self.key:
            return "public key has been revoked"
        if self.kind != kind:
            return "public key is of another kind than the signature"
        if self.hashes is not None and digest not in self.hashes:
            return "public key is not for signatures with this hash"
        if not self.services & {b"*", b"email"}:
            return "public key is not for mail"
        if is_subdomain and b"s" in self.flags:
            return "public key is not for subdomains"
        return ""


@dataclass(frozen=True)
class Keys:
    """What a name in DNS has for a signature: keys to be tried, or why there is none."""

    usable: tuple[KeyRecord, ...] = ()
    problem: str = ""


def parse(text: bytes) -> KeyRecord | None:
    """The key in a TXT record, None where it is not a key: `v` is DKIM1 and comes first, or is left out."""
    if len(text) > MAX_RECORD:
        return None
    try:
        tags: dict[bytes, bytes] = parse_tag_value(text)
    except InvalidTagValueList:
        return None
    if b"p" not in tags or (b"v" in tags and next(iter(tags.items())) != (b"v", b"DKIM1")):
        return None
    return KeyRecord(
        kind=tags.get(b"k", b"rsa"),
        key=b"".join(tags[b"p"].split()),
        hashes=_words(tags[b"h"]) if b"h" in tags else None,
        services=_words(tags.get(b"s", b"*")),
        flags=_words(tags.get(b"t", b"")),
    )


def choose(records: Sequence[bytes], algorithm: bytes, *, is_subdomain: bool = False) -> Keys:
    """The keys among a name's TXT records that may have made a signature (RFC 6376 section 6.1.2 step 4)."""
    keys = [key for key in map(parse, records) if key]
    if not keys:
        return Keys(problem=_nothing(records))
    objections = [key.objection(algorithm, is_subdomain=is_subdomain) for key in keys]
    usable = [key for key, objection in zip(keys, objections, strict=True) if not objection]
    return Keys(tuple(usable[:MAX_KEYS]), "" if usable else objections[0])


def look_up(lookups: Lookups, name: bytes) -> list[bytes]:
    """The TXT records at a name, each one's strings joined; none where it can be no key's. Raises DnsTrouble."""
    try:
        written = name.decode("utf-8")
    except UnicodeDecodeError:
        return []
    # RFC 6376 section 3.1 makes of selector and domain what a host name is made of, RFC 8616 section 5 with U-labels.
    return list(_texts(lookups(written, "TXT"))) if _NAME.fullmatch(written) else []


def _texts(answers: Sequence[Any]) -> Iterator[bytes]:
    for answer in answers:
        yield b"".join(answer.strings)


def _nothing(records: Sequence[bytes]) -> str:
    if not records:
        return "no public key in DNS"
    if any(len(record) > MAX_RECORD for record in records):
        return "public key is too long"
    return "what is in DNS is no public key"


def _words(value: bytes) -> frozenset[bytes]:
    return frozenset(word.strip() for word in value.split(b":"))
