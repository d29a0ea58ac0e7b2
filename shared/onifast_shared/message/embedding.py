"""Images that a message brings along and its HTML shows: by Content-ID (RFC 2392) or Content-Location (RFC 2557)."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Protocol, TypeVar
from urllib.parse import unquote

MOST_EMBEDDED = 8 * 1024 * 1024
"""Octets of images that a page shows in place; what is more is an attachment like others."""

_MOST_LOCATIONS = 50  # that are looked for in the HTML
_REFERENCE = re.compile(r"cid:([^\"'<>\s)]{1,995})", re.IGNORECASE)
# What browsers show, by the octets that it begins with. No SVG, which is a document and can do more than be seen.
_SIGNATURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"BM.{4}\0\0\0\0", re.DOTALL), "image/bmp"),
    (re.compile(rb".{4}ftypavi[fs]", re.DOTALL), "image/avif"),
    (re.compile(rb"\0\0\x01\0[^\0]"), "image/x-icon"),
)
_SAID_TO_BE = re.compile(
    r"image/(?:x-)?(?:p?jpe?g|p?png|gif|webp|bmp|ms-bmp|windows-bmp|avif|icon|vnd\.microsoft\.icon)"
    r"|application/octet-stream"
)


class Item(Protocol):
    """A part that may be an image: its Content-ID and Content-Location (RFC 2392, RFC 2557), "" for none.

    `image_type` is what `image_type` makes of it; `size` is in octets.
    """

    @property
    def content_id(self) -> str: ...
    @property
    def content_location(self) -> str: ...
    @property
    def image_type(self) -> str: ...
    @property
    def size(self) -> int: ...


T = TypeVar("T", bound=Item)


def image_type(content_type: str, head: bytes) -> str:
    """As what image a browser shows octets that begin with `head`; "" for none, or where the sender says otherwise."""
    if not _SAID_TO_BE.fullmatch(content_type):
        return ""
    return next((name for signature, name in _SIGNATURES if signature.match(head)), "")


def reference(source: str) -> str:
    """What an image is looked up by, given the URL of its element: `cid:` and its Content-ID, or its location."""
    if source[:4].lower() != "cid:":
        return source
    return "cid:" + unquote(source[4:]).strip("<> ")


def embedded(source: str, items: Iterable[T]) -> dict[str, T]:
    """The images that HTML refers to and a browser can show, by `reference`, as many as there is room for."""
    wanted = {reference(html.unescape(match[0])) for match in _REFERENCE.finditer(source)}
    found: dict[str, T] = {}
    room, locations = MOST_EMBEDDED, 0
    for item in items:
        names = [f"cid:{item.content_id}"] if f"cid:{item.content_id}" in wanted else []
        if item.content_location and locations < _MOST_LOCATIONS:
            locations += 1
            names += [item.content_location] if html.escape(item.content_location) in source else []
        if names and item.image_type and item.size <= room and not all(name in found for name in names):
            room -= item.size
            found |= {name: item for name in names if name not in found}
    return found
