"""What a signature's own tags say against it (RFC 6376 section 6.1.1), where dkimpy does not look or is too kind."""

from __future__ import annotations

from collections.abc import Mapping

from dkim.canonicalization import CanonicalizationPolicy, InvalidCanonicalizationPolicyError

from onifast_smtpd.authentication.key_record import ALGORITHMS

MAX_CLOCK_SKEW = 300
"""Seconds that a signer's clock and ours may differ by, for `x=` and `t=`. dkimpy lets ten hours pass."""

Tags = Mapping[bytes, bytes]
"""The tags of a signature, as dkimpy has taken them apart and found them well-formed."""


def objection(tags: Tags, now: float) -> str:
    """Why a DKIM signature says nothing about the author even if it is valid, "" where it may; `now` in Unix time."""
    if tags[b"a"] not in ALGORITHMS:
        return f"{tags[b'a'].decode('ascii', 'replace')} is no longer safe"  # RFC 8301 section 3.1
    if b"from" not in [name.strip() for name in tags[b"h"].lower().split(b":")]:
        return "From is not signed"
    identity = _identity(tags)
    if identity != _domain(tags) and not identity.endswith(b"." + _domain(tags)):
        return "signature is for an identity of another domain"
    return untimely(tags, now)


def untimely(tags: Tags, now: float) -> str:
    """Why a signature does not count at this time, in Unix time; "" where it does (section 3.5, `t=` and `x=`)."""
    if int(tags.get(b"t", b"0")) > now + MAX_CLOCK_SKEW:
        return "signature is from the future"
    if b"x" in tags and int(tags[b"x"]) < now - MAX_CLOCK_SKEW:
        return "signature has expired"
    return ""


def is_for_subdomain(tags: Tags) -> bool:
    """Whether a DKIM signature speaks for a domain below the one that made it."""
    return _identity(tags) != _domain(tags)


def uncovered(tags: Tags, body: bytes) -> int:
    """How many octets of the body, in canonical form, the signature leaves out; below 0 where there are too few."""
    if b"l" not in tags:
        return 0
    try:
        policy = CanonicalizationPolicy.from_c_value(tags.get(b"c", b"simple/simple"))
    except InvalidCanonicalizationPolicyError:
        return -1
    return len(policy.canonicalize_body(body)) - int(tags[b"l"])


def _identity(tags: Tags) -> bytes:
    """The domain that the signature speaks for: that of `i=`, which is the signer's own where it is not there."""
    if b"i" not in tags:
        return _domain(tags)
    return b"".join(tags[b"i"].lower().rpartition(b"@")[2].split()) if b"@" in tags[b"i"] else b""


def _domain(tags: Tags) -> bytes:
    return tags[b"d"].lower()
