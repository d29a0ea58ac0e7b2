"""ARC seals (RFC 8617): who gets forwarded mail can see what its signatures and SPF were worth when it came here."""

from __future__ import annotations

import re
from collections.abc import Sequence

import dkim
from onifast_shared.dkim.keys import SigningKey
from onifast_shared.message.authentication_results import MalformedResults, MethodResult, Results, parse
from onifast_shared.message.headers import unfold

from onifast_outbox.signing.arithmetic import PLACEHOLDER, FastSigning

# What every reader takes for one value, however it takes fields apart. The library that dkimpy writes results with
# loses the quotes of others: what a sender wrote in them would become results.
_PLAIN = re.compile(r"[A-Za-z0-9._+-]*@?[A-Za-z0-9._+-]+")

ALGORITHM = "rsa-sha256"
"""What seals are made by. An instance has one set (RFC 8617 section 4.2.1): by Ed25519, which few can verify, it would
end the chain for the others."""


def seal_with(key: SigningKey, message: bytes, names: Sequence[str], hostname: str) -> bytes:
    """An ARC set that covers the fields of these names: three fields with their line ends.

    It says what our own Authentication-Results says, which smtpd put on top when the message came in. b"" where the
    chain before it has ended, or could not be checked then: it may be whole. Raises dkim.DKIMException for a message
    that is malformed.
    """
    sealer = _Sealer(message, key.private)
    ours = _own(sealer.headers, hostname)
    if ours is None or any(item.method == "arc" and item.result == "temperror" for item in ours.results):
        return b""
    others = [field for field in sealer.headers if field[0].lower() != b"authentication-results"]
    sealer.headers = [[b"Authentication-Results", b" " + written(ours).encode() + b"\r\n"], *others]
    # The next hop wants to know about the author's signature too (RFC 8617 section 4.1.2); for DKIM dkimpy forbids it.
    sealer.should_not_sign.discard(b"dkim-signature")
    fields: list[bytes] = sealer.sign(
        key.selector.encode(),
        key.domain.encode(),
        PLACEHOLDER,
        hostname.encode(),
        include_headers=[name.encode() for name in names],
    )
    return b"".join(fields)


def has_results(fields: Sequence[tuple[str, str]], hostname: str) -> bool:
    """Whether smtpd has checked the message as it came in: then it is not ours, and a seal may say what was found."""
    return any(
        name.lower() == "authentication-results" and value.partition(";")[0].strip().lower() == hostname.lower()
        for name, value in fields
    )


def written(results: Results) -> str:
    """Results for a seal: of what a sender wrote, only what needs no quotes; of an address else its domain."""
    return "; ".join((results.authserv_id, *(map(_result, results.results) if results.results else ("none",))))


def _result(item: MethodResult) -> str:
    shown = ((name, value if _PLAIN.fullmatch(value) else value.rpartition("@")[2]) for name, value in item.properties)
    pairs = [f"{name}={value}" for name, value in shown if _PLAIN.fullmatch(value)]
    return " ".join((f"{item.method}={item.result}", *pairs))


def _own(headers: Sequence[Sequence[bytes]], hostname: str) -> Results | None:
    """What smtpd found, None where that cannot be read."""
    for name, value in headers:
        if name.lower() == b"authentication-results":
            try:
                results = parse(unfold(value))
            except MalformedResults:
                continue
            if results.authserv_id == hostname.lower():
                return results
    return None


class _Sealer(FastSigning, dkim.ARC):  # type: ignore[misc]
    """dkimpy's sealer, computing with `cryptography`."""
