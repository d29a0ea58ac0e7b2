"""TOTP as authenticators do it (RFC 6238): six digits, thirty seconds, SHA-1; what fits, and what sets them up."""

from __future__ import annotations

import hmac
import re

import pyotp
from markupsafe import Markup
from onifast_shared.machine.log import Secret

_DIGITS = re.compile(r"[0-9]{6}")
_DRIFT = (-1, 0, 1)  # steps: clocks differ, and people type slowly (RFC 6238 section 5.2)


def step_of(secret: Secret, code: str, now: float) -> int | None:
    """The time step that a code is of, the present one or one beside it; None where it fits none.

    Each is compared, in the same time.
    """
    generator = pyotp.TOTP(secret.reveal())
    if not _DIGITS.fullmatch(code):
        return None
    present, found = int(now) // generator.interval, None
    for step in (present + drift for drift in _DRIFT):
        found = step if hmac.compare_digest(generator.generate_otp(step), code) else found
    return found


def uri(secret: Secret, username: str, hostname: str) -> str:
    """The `otpauth:` URI that an authenticator is set up by; it holds the secret."""
    return pyotp.TOTP(secret.reveal()).provisioning_uri(name=username, issuer_name=f"Onifast Mail {hostname}")


def qr_code(text: str) -> Markup:
    """A QR code as an inline SVG, dark on light on every page: many cameras read no other."""
    import segno  # noqa: PLC0415  (few need it, and it takes room in every process)

    code = segno.make(text, micro=False, error="m")
    svg = code.svg_inline(
        scale=4, border=4, dark="#000", light="#fff", omitsize=True, svgclass="qr-code", lineclass=None
    )
    return Markup(svg)  # noqa: S704 - our own drawing: no part of the text is in it


def spaced(secret: Secret) -> str:
    """A secret as people type it, in groups of four."""
    return " ".join(re.findall("....", secret.reveal()))
