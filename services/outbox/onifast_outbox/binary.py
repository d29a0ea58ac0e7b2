"""Binary messages made fit for servers that take only lines: parts that are none are sent in base64 (RFC 3030)."""

from __future__ import annotations

import base64

from onifast_shared.headers import fields, normalise_newlines, remove_headers, split_head, unfold
from onifast_shared.mime import MAX_DEPTH, delimiters, parse_parameters

MAX_LINE = 998  # octets without CRLF (RFC 5321 section 4.5.3.1.6)

_ENCODING = "content-transfer-encoding"


class Unconvertible(Exception):
    """The message cannot be put into lines; the text says why."""


def into_lines(message: bytes) -> bytes:
    """The same message with no part that is binary; raises Unconvertible. Takes a moment for large ones."""
    converted = _convert(message, 0)
    if not are_lines(converted):
        raise Unconvertible("its header is binary")
    return converted


def are_lines(octets: bytes) -> bool:
    """Whether octets are lines as SMTP has them: CRLF ends each, none is too long, no NUL is inside."""
    pairs = octets.count(b"\r\n")
    if octets.count(b"\r") != pairs or octets.count(b"\n") != pairs or b"\0" in octets:
        return False
    position = 0
    while len(octets) - position > MAX_LINE:
        end = octets.rfind(b"\r\n", position, position + MAX_LINE + 2)
        if end < 0:
            return False
        position = end + 2
    return True


def _convert(entity: bytes, depth: int) -> bytes:
    if depth > MAX_DEPTH:
        raise Unconvertible("its parts are nested too deeply")
    head, body = split_head(entity)
    head = normalise_newlines(head)
    content_type, parameters, encoding = _described(head)
    if content_type == "multipart/signed":
        return _signed(head, body)
    if content_type.startswith("multipart/") and parameters.get("boundary"):
        converted = _convert_parts(body, parameters["boundary"], depth)
    elif content_type in ("message/rfc822", "message/global"):
        converted = _convert(body, depth + 1)
    else:
        return _leaf(head, body, encoding)
    # What holds other parts must not be encoded itself (RFC 2045 section 6.4).
    return _joined(head, converted, _lines_encoding(converted) if encoding == "binary" else None)


def _leaf(head: bytes, body: bytes, encoding: str) -> bytes:
    if are_lines(body):
        return _joined(head, body, _lines_encoding(body) if encoding == "binary" else None)
    if encoding in ("base64", "quoted-printable"):
        return _joined(head, normalise_newlines(body), None)
    return _joined(head, base64.encodebytes(body).replace(b"\n", b"\r\n"), "base64")


def _signed(head: bytes, body: bytes) -> bytes:
    """A signature covers every octet (RFC 1847 section 2.1): it goes as it is, or not at all."""
    if not are_lines(body):
        raise Unconvertible("it is signed, so that its binary parts cannot be encoded")
    return _joined(head, body, None)


def _convert_parts(body: bytes, boundary: str, depth: int) -> bytes:
    delimiter = b"--" + boundary.encode("utf-8", "replace")
    pieces: list[bytes] = []
    position, closed = 0, False
    for before, after, closing in delimiters(body, delimiter):
        # What stands before the first part and after the last is for nobody (RFC 2046 section 5.1.1): left out.
        if position:
            pieces.append(_convert(body[position:before], depth + 1) + b"\r\n")
        pieces.append(delimiter + (b"--" if closing else b"") + b"\r\n")
        position, closed = after, closing
        if closing:
            break
    if not pieces:
        raise Unconvertible("its parts cannot be told apart")
    if not closed:
        pieces.append(_convert(body[position:], depth + 1) + b"\r\n" + delimiter + b"--\r\n")
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
        head = remove_headers(head, lambda name, _: name.lower() == _ENCODING)
        head += f"Content-Transfer-Encoding: {encoding}\r\n".encode()
    return head + b"\r\n" + body
