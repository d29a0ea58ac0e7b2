"""Messages made fit for servers that cannot take them as they are: parts in base64 or quoted-printable instead.

Binary parts become lines (RFC 3030) for every server; 8-bit parts become 7-bit (RFC 6152) for one without 8BITMIME.
Whatever fits already stays octet for octet: parts that are signed are never touched.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

from onifast_shared.message.headers import (
    fields,
    has_bare_line_ends,
    normalise_newlines,
    remove_headers,
    split_head,
    unfold,
)
from onifast_shared.message.mime import MAX_DEPTH, delimiters, parse_parameters

MAX_LINE = 998  # octets without CRLF (RFC 5321 section 4.5.3.1.6)

_ENCODING = "content-transfer-encoding"
_NOT_ASCII = re.compile(rb"[\x80-\xff]+")

Fits = Callable[[bytes], bool]


class Unconvertible(Exception):
    """The message cannot be made fit; the text says why. `header` tells that its header is to blame (RFC 6532)."""

    def __init__(self, text: str, *, header: bool = False) -> None:
        super().__init__(text)
        self.header = header


def into_lines(message: bytes) -> bytes:
    """The same message with no part that is binary; raises Unconvertible. Takes a moment for large ones."""
    converted = _convert(message, are_lines, 0)
    if not are_lines(converted):
        raise Unconvertible("its header is binary")
    return converted


def into_seven_bits(message: bytes) -> bytes:
    """The same message in lines of ASCII alone; raises Unconvertible. Takes a moment for large ones."""
    converted = _convert(_as_mime(message), are_ascii_lines, 0)
    if not are_ascii_lines(converted):
        raise Unconvertible("its header is not ASCII", header=True)
    return converted


def are_lines(octets: bytes) -> bool:
    """Whether octets are lines as SMTP has them: CRLF ends each, none is too long, no NUL is inside."""
    if has_bare_line_ends(octets) or b"\0" in octets:
        return False
    position = 0
    while len(octets) - position > MAX_LINE:
        end = octets.rfind(b"\r\n", position, position + MAX_LINE + 2)
        if end < 0:
            return False
        position = end + 2
    return True


def are_ascii_lines(octets: bytes) -> bool:
    """Whether octets are such lines, and none of them has its highest bit set."""
    return octets.isascii() and are_lines(octets)


def _as_mime(message: bytes) -> bytes:
    """The message with the fields without which no encoding would be undone (RFC 2045 section 4)."""
    head, body = split_head(message)
    present = {name.lower() for name, _ in fields(head)}
    missing = b""
    if "content-type" not in present and not body.isascii():
        # What older programs send with no MIME at all (RFC 1428): mostly UTF-8 today, and else nobody knows.
        charset = "utf-8" if _is_utf8(body) else "unknown-8bit"
        missing += f"Content-Type: text/plain; charset={charset}\r\n".encode()
    if "mime-version" not in present and (missing or not body.isascii()):
        missing += b"MIME-Version: 1.0\r\n"
    return _joined(normalise_newlines(head) + missing, body, None) if missing else message


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


def _convert(entity: bytes, fits: Fits, depth: int) -> bytes:
    if depth > MAX_DEPTH:
        raise Unconvertible("its parts are nested too deeply")
    head, body = split_head(entity)
    head = normalise_newlines(head)
    content_type, parameters, encoding = _described(head)
    if fits(body) and (content_type == "multipart/signed" or not _says_binary(encoding, body, fits)):
        return _joined(head, body, None)
    if content_type == "multipart/signed":
        # A signature covers every octet (RFC 1847 section 2.1): it goes as it is, or not at all.
        raise Unconvertible("it is signed, so that its parts cannot be encoded")
    if content_type in ("message/partial", "message/external-body"):
        raise Unconvertible(f"it holds {content_type}, which must not be encoded")
    if content_type.startswith("multipart/") and parameters.get("boundary"):
        converted = _convert_parts(body, parameters["boundary"], fits, depth)
    elif content_type == "message/rfc822":
        converted = _convert(body, fits, depth + 1)
    else:
        return _leaf(head, body, content_type, encoding, fits)
    # What holds other parts must not be encoded itself (RFC 2045 section 6.4).
    return _joined(head, converted, _lines_encoding(converted) if encoding in ("binary", "8bit") else None)


def _says_binary(encoding: str, body: bytes, fits: Fits) -> bool:
    """Whether a part, or one in it, may be labelled binary: no server that takes lines should read that."""
    return encoding == "binary" or (fits is are_lines and b"binary" in body.lower())


def _leaf(head: bytes, body: bytes, content_type: str, encoding: str, fits: Fits) -> bytes:
    if fits(body):
        return _joined(head, body, _lines_encoding(body) if encoding == "binary" else None)
    if encoding in ("base64", "quoted-printable"):
        return _joined(head, _mended(normalise_newlines(body), encoding, fits), None)
    if content_type in ("", "text") or content_type.startswith("text/"):
        encoded = _quoted_printable(body) if are_lines(body) else None
        if encoded is not None:
            return _joined(head, encoded, "quoted-printable")
    return _joined(head, base64.encodebytes(body).replace(b"\n", b"\r\n"), "base64")


def _mended(body: bytes, encoding: str, fits: Fits) -> bytes:
    """An encoded body without the octets that no encoder writes."""
    if fits(body) or fits is are_lines:
        return body
    if encoding == "base64":
        return _NOT_ASCII.sub(b"", body)  # decoders pass over them (RFC 2045 section 6.8)
    return _NOT_ASCII.sub(lambda match: b"".join(b"=%02X" % octet for octet in match[0]), body)


def _quoted_printable(body: bytes) -> bytes | None:
    """Text in quoted-printable, its line ends kept; None where base64 is shorter, as for other scripts."""
    encoded = binascii.b2a_qp(body.replace(b"\r\n", b"\n"), istext=True).replace(b"\n", b"\r\n")
    return encoded if len(encoded) <= len(body) * 4 // 3 + 128 else None


def _convert_parts(body: bytes, boundary: str, fits: Fits, depth: int) -> bytes:
    delimiter = b"--" + boundary.encode("utf-8", "replace")
    pieces: list[bytes] = []
    position, closed = 0, False
    for before, after, closing in delimiters(body, delimiter):
        # What stands before the first part and after the last is for nobody (RFC 2046 section 5.1.1): left out.
        if position:
            pieces.append(_convert(body[position:before], fits, depth + 1) + b"\r\n")
        pieces.append(delimiter + (b"--" if closing else b"") + b"\r\n")
        position, closed = after, closing
        if closing:
            break
    if not pieces:
        raise Unconvertible("its parts cannot be told apart")
    if not closed:
        pieces.append(_convert(body[position:], fits, depth + 1) + b"\r\n" + delimiter + b"--\r\n")
    return b"".join(pieces)


def _described(head: bytes) -> tuple[str, dict[str, str], str]:
    """Content type, its parameters, and transfer encoding."""
    values: dict[str, bytes] = {}
    for name, value in fields(head):
        values.setdefault(name.lower(), value)
    content_type, parameters = parse_parameters(unfold(values.get("content-type", b"")))
    return content_type.lower(), parameters, unfold(values.get(_ENCODING, b"")).lower()


def _lines_encoding(body: bytes) -> str:
    return "7bit" if body.isascii() else "8bit"


def _joined(head: bytes, body: bytes, encoding: str | None) -> bytes:
    """Header and body, with the transfer encoding replaced if there is a new one."""
    if head and not head.endswith(b"\r\n"):
        head += b"\r\n"
    if encoding is not None:
        head = remove_headers(head, lambda name, _: name == _ENCODING)
        head += f"Content-Transfer-Encoding: {encoding}\r\n".encode()
    return head + b"\r\n" + body
