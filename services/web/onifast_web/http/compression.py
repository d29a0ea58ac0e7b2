"""Answers by gzip: pages and JSON shrink to a tenth of their size.

The length of a compressed answer tells something of what is in it. Who can have a browser ask many times, with words of
their own in the answer, would find out what else is there (BREACH): so only what a page of ours, the user themselves or
a program with a token asks for is compressed, and CSRF tokens look different each time (`csrf.masked`).
"""

from __future__ import annotations

import gzip
import zlib

from flask import Flask, Request, Response, request

SMALLEST, LARGEST = 1000, 1024 * 1024
"""Octets of an answer that is compressed: less gains nothing, and more keeps a processor busy for too long."""

_LEVEL = 4  # a page of 90 kB: 11 kB in 0.8 ms; at 6 it is 10 kB in 1.4 ms
_GZIP = 16 + zlib.MAX_WBITS
_KINDS = frozenset({"text/html", "application/json", "application/problem+json"})


def register(app: Flask) -> None:
    """Compresses every answer that may be."""
    app.after_request(_compress)


def takes_gzip(asked: Request) -> bool:
    """Whether the client wants it (RFC 9110 section 12.5.3)."""
    return asked.accept_encodings.quality("gzip") > 0


def compressed(content: bytes) -> bytes:
    """A file as small as it gets; the same octets each time."""
    return gzip.compress(content, 9, mtime=0)


def _compress(response: Response) -> Response:
    if not _is_fit(response):
        return response
    response.vary.add("Accept-Encoding")
    if not takes_gzip(request) or not _nobody_else_asked(request):
        return response
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    response.set_data(packer.compress(response.get_data()) + packer.flush())
    response.headers["Content-Encoding"] = "gzip"
    tag, is_weak = response.get_etag()
    if tag is not None and not is_weak:
        response.set_etag(tag, weak=True)  # other octets that mean the same (RFC 9110 section 8.8.1)
    return response


def _is_fit(response: Response) -> bool:
    if response.mimetype not in _KINDS or response.is_streamed or response.direct_passthrough:
        return False
    if response.status_code in (204, 206, 304) or "Content-Encoding" in response.headers:
        return False
    return SMALLEST <= (response.content_length or 0) <= LARGEST


def _nobody_else_asked(asked: Request) -> bool:
    """Whether no other site made the browser ask. A browser that does not say so is not trusted."""
    if asked.headers.get("Authorization", "")[:7].lower() == "bearer ":
        return True
    return asked.headers.get("Sec-Fetch-Site") in {"same-origin", "none"}
