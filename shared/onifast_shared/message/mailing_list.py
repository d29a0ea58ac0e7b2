"""What a mailing list says of itself in its messages (RFC 2369)."""

from __future__ import annotations

import re
from urllib.parse import unquote

from onifast_shared.values.address import Address, AddressError

_LOOKED_AT = 4096  # characters of the field
# Comments are passed over, whatever they hold. One that is never closed, or holds another one, is text between URLs.
_PIECE = re.compile(r"\((?:[^()\\]|\\.)*\)|<([^<>]*)>")
_LIST_ID = re.compile(r"<\s*([^<>\s@]{1,255})\s*>\s*$")
_NO = re.compile(r"NO(?![A-Za-z])", re.IGNORECASE)


def posting_address(list_post: str) -> Address | None:
    """Where messages to a list go, by its List-Post field (section 3.4); None where it takes none, or not by mail.

    The URLs stand in order of preference (section 2). One that names several addresses names none.
    """
    text = list_post[:_LOOKED_AT]
    if _NO.match(_PIECE.sub(" ", text).strip()):
        return None
    found = (_address("".join(match[1].split())) for match in _PIECE.finditer(text) if match[1])
    return next(filter(None, found), None)


def _address(url: str) -> Address | None:
    scheme, colon, rest = url.partition(":")
    if not colon or scheme.lower() != "mailto":
        return None
    try:
        return Address.parse(unquote(rest.partition("?")[0], errors="strict"))
    except (AddressError, UnicodeDecodeError):
        return None


def list_id(field: str) -> str:
    """The id in a List-Id field (RFC 2919), in lower case; "" where it has none."""
    found = _LIST_ID.search(field[:_LOOKED_AT])
    return found[1].lower() if found else ""
