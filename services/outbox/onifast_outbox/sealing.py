"""ARC seals (RFC 8617): who gets forwarded mail can see what its signatures and SPF were worth when it came here."""

from __future__ import annotations

from collections.abc import Sequence

import dkim
from onifast_shared.dkim.keys import SigningKey

from onifast_outbox.computing import PLACEHOLDER, Computing


def seal_with(key: SigningKey, message: bytes, names: Sequence[str], hostname: str) -> bytes:
    """An ARC set that covers the fields of these names: three fields with their line ends.

    It says what our own Authentication-Results says, which smtpd put on top when the message came in. b"" where the
    chain before it has ended. Raises dkim.DKIMException for a message that is malformed.
    """
    sealer = _Sealer(message, key.private)
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


class _Sealer(Computing, dkim.ARC):  # type: ignore[misc]
    """dkimpy's sealer, computing with `cryptography`."""
