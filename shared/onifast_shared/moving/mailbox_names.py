"""Mailboxes' names on the wire: the modified UTF-7 of IMAP (RFC 3501 section 5.1.3), which Maildir++ has too."""

from __future__ import annotations

import base64
import re

_SHIFTED = re.compile(r"&([A-Za-z0-9+,]*)-")
_ABOVE = re.compile(r"[^\x20-\x7e]+|&")


def decoded(name: str) -> str:
    """The name for people; what is no modified UTF-7 stays as it is."""
    return _SHIFTED.sub(lambda match: _shifted(match) if match[1] else "&", name)


def encoded(name: str) -> str:
    """The name as IMAP and Maildir++ have it."""
    return _ABOVE.sub(lambda match: "&-" if match[0] == "&" else _shift(match[0]), name)


def _shifted(match: re.Match[str]) -> str:
    try:
        return f"+{match[1].replace(',', '/')}-".encode("ascii").decode("utf-7")
    except UnicodeDecodeError:
        return match[0]


def _shift(text: str) -> str:
    packed = base64.b64encode(text.encode("utf-16-be")).rstrip(b"=").decode("ascii")
    return f"&{packed.replace('/', ',')}-"
