"""Protection against requests that another site makes in a user's name.

A change made with a session cookie carries the session's token, in the header X-CSRF-Token or the form field
`csrf_token`. Where there is no session yet (login), the browser's own word decides: Sec-Fetch-Site, else Origin.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from urllib.parse import urlsplit

from flask import Request

from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _

HEADER = "X-CSRF-Token"
FIELD = "csrf_token"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def comes_from_here(request: Request) -> bool:
    """Whether a page of ours, the user themselves (a typed address, a bookmark) or a plain program made this request.

    `same-site` is not enough: the other customers' sites may lie below the same registered domain.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host


def is_prefetch(request: Request) -> bool:
    """Whether the browser only guesses that the user will want this page."""
    purpose = request.headers.get("Sec-Purpose") or request.headers.get("Purpose") or ""
    return "prefetch" in purpose


def masked(token: str) -> str:
    """A session's token as a page has it, another text each time, so that no two pages show that they have the same.

    Their lengths once they are compressed would give it away piece by piece.
    """
    content = token.encode()
    pad = secrets.token_bytes(len(content))
    return base64.urlsafe_b64encode(pad + _xor(pad, content)).decode().rstrip("=")


def check_origin(request: Request) -> None:
    """Raises Problem(403) for a change that another site asked for."""
    if request.method not in _SAFE_METHODS and not comes_from_here(request):
        raise Problem(403, _("This request came from another site and was refused."))


def check_token(request: Request, expected: str) -> None:
    """Raises Problem(403) for a change that does not carry the session's token."""
    if request.method in _SAFE_METHODS:
        return
    check_origin(request)
    given = (request.headers.get(HEADER) or _form_field(request)).encode()
    if not any(hmac.compare_digest(each, expected.encode()) for each in (given, _unmasked(given))):
        raise Problem(403, _("The page was out of date. Load it again and repeat what you did."))


def _unmasked(given: bytes) -> bytes:
    """The token behind a masked one; b"" where it is none."""
    try:
        content = base64.urlsafe_b64decode(given + b"=" * (-len(given) % 4))
    except binascii.Error:
        return b""
    half = len(content) // 2
    return _xor(content[:half], content[half:]) if len(content) == 2 * half else b""


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _form_field(request: Request) -> str:
    # JSON callers use the header; a body is parsed only where it is a form.
    if request.mimetype in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        return request.form.get(FIELD, "")
    return ""
