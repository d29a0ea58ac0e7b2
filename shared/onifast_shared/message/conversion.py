"""Messages made fit for servers that cannot take them as they are: parts in base64 or quoted-printable instead.

No server is sent a NUL, a line of more than 998 octets, or a header that is not ASCII but for its addresses. Binary
parts become lines (RFC 3030) for every server, 8-bit parts 7-bit (RFC 6152) for one without 8BITMIME. Whatever fits
already stays octet for octet, and parts that are signed are never touched.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from onifast_shared.message.header_conversion import (
    all_relaxed,
    charset_of,
    fit_head,
    fold_head,
    names_of_signers,
)
from onifast_shared.message.headers import (
    LINE_LIMIT,
    body_start,
    fields,
    has_bare_line_ends,
    has_long_line,
    normalise_newlines,
    remove_headers,
    split_head,
    unfold,
)
from onifast_shared.message.mime import MAX_DEPTH, delimiters
from onifast_shared.message.parameters import parse_parameters
from onifast_shared.message.sections import RawMessage

_ENCODING = "content-transfer-encoding"
_WIDTH = 76  # octets of an encoded line (RFC 2045 sections 6.7 and 6.8)
_STRAY = re.compile(rb"[\x00\x80-\xff]+")
# Tried where a line begins alone: from each of its octets, it would be read anew.
_LONG_LINE = re.compile(rb"(?<![^\r\n])[^\r\n]{%d,}" % (LINE_LIMIT + 1))
_BASE64_LINE = re.compile(rb".{1,%d}" % _WIDTH)
_QUOTED_LINE = re.compile(rb"(?:=[0-9A-Fa-f]{2}|.){1,%d}" % (_WIDTH // 3))
_HOLDS_PARTS = re.compile(rb"multipart/|message/rfc822", re.IGNORECASE)
_HOLDS_MESSAGES = re.compile(rb"message/rfc822|multipart/digest", re.IGNORECASE)
_FIELDS = re.compile(rb"(?:[!-9;-~]++[ \t]*+:[^\n]*+\n(?:[ \t][^\n]*+\n)*){0,100}")
_MOST_PARTS = 100_000
_UNTOUCHABLE = {
    # A signature covers every octet (RFC 1847 section 2.1): it goes as it is, or not at all.
    "multipart/signed": "it is signed, so that its parts cannot be encoded",
    # RFC 2046 sections 5.2.2.1 and 5.2.3.
    "message/partial": "it holds message/partial, which must not be encoded",
    "message/external-body": "it holds message/external-body, which must not be encoded",
}

# Header fields in groups, which no reader looks for in an encoding (RFC 3464 section 2.1).
_FIELDS_ALONE = ("message/delivery-status", "message/disposition-notification", "message/feedback-report")

Fits = Callable[[bytes], bool]


class Unconvertible(Exception):
    """The message cannot be made fit; the text says why. `header` tells that its header is to blame (RFC 6532)."""

    def __init__(self, text: str, *, header: bool = False) -> None:
        super().__init__(text)
        self.header = header


class Fitted(NamedTuple):
    """A message as it is sent: `done` says what was changed in it, `left` what was not though it is against the rules,
    and why; both for people."""

    message: bytes
    done: str = ""
    left: str = ""


def fit(message: bytes, head: bytes | None = None) -> Fitted:
    """The message as any server with 8BITMIME takes it; its line ends are all CRLF. Raises Unconvertible.

    What somebody has signed, by DKIM (RFC 6376) or in a multipart/signed (RFC 1847), is left as it is where that is
    only against the rules: most servers take it, and a broken signature is worth less. A NUL goes to nobody. For nearly
    all messages it takes next to no time, for large ones that are changed a moment.
    """
    unfit = _unfit(message)
    if not unfit and message.isascii():
        return Fitted(message)
    if b"\0" in message:
        return _without_nul(message, unfit)
    head, body = split_head(message) if head is None else (head, message[body_start(message, len(head)) :])
    if not head.isascii():
        unfit.append("8-bit text in the header")
    if not unfit and not _may_have_raw_parts(head, body):
        return Fitted(message)
    if signed_by := names_of_signers(head):
        return _signed(message, head, unfit, _list(signed_by)) if unfit else Fitted(message)
    return _converted(message, unfit or ["8-bit text in the headers of parts"])


def is_plainly_fit(message: RawMessage) -> bool:
    """Whether a look, of half a millisecond for a megabyte, shows that `fit` leaves the message as it is."""
    return message.is_ascii and not _unfit(message.octets)


def into_lines(message: bytes) -> bytes:
    """The same message with no part that is binary; raises Unconvertible. Takes a moment for large ones."""
    converted = _Conversion(are_lines).whole(message)
    if not are_lines(converted):
        raise Unconvertible("its header is binary")
    return converted


def into_seven_bits(message: bytes) -> bytes:
    """The same message in lines of ASCII alone; raises Unconvertible. Takes a moment for large ones."""
    converted = _Conversion(are_ascii_lines).whole(message)
    if not are_ascii_lines(converted):
        raise Unconvertible("an address in its header is not ASCII", header=True)
    return converted


def signers(message: bytes) -> str:
    """The domains whose DKIM signatures a message has, for people: what is converted loses them."""
    return _list(names_of_signers(split_head(message)[0]))


def are_lines(octets: bytes) -> bool:
    """Whether octets are lines as SMTP has them: CRLF ends each, none is too long, no NUL is inside."""
    return _are_short(octets) and not has_bare_line_ends(octets)


def are_ascii_lines(octets: bytes) -> bool:
    """Whether octets are such lines, and none of them has its highest bit set."""
    return octets.isascii() and are_lines(octets)


def _are_short(octets: bytes) -> bool:
    return b"\0" not in octets and not has_long_line(octets)


def _unfit(octets: bytes) -> list[str]:
    """What of the rules for lines a message breaks."""
    found = ["NUL octets"] if b"\0" in octets else []
    return [*found, f"lines of more than {LINE_LIMIT} octets"] if has_long_line(octets) else found


def _may_have_raw_parts(head: bytes, body: bytes) -> bool:
    """Whether a part's header may hold 8-bit text: a quick look at what follows each line that may begin a part."""
    if body.isascii() or not _HOLDS_PARTS.search(head):
        return False
    if _HOLDS_MESSAGES.search(head):
        return True
    line = 0 if body.startswith(b"--") else body.find(b"\n--") + 1 or len(body)
    while line < len(body):
        # `line` is where a line begins, with two hyphens; the part's header begins with the next one.
        following = body.find(b"\n", line) + 1 or len(body)
        found = _FIELDS.match(body, following)
        if found and (not found[0].isascii() or _HOLDS_MESSAGES.search(found[0])):
            return True
        line = body.find(b"\n--", following - 1) + 1 or len(body)
    return False


def _without_nul(message: bytes, unfit: Sequence[str]) -> Fitted:
    # Up to the first empty line, which a NUL in a field's name may hide, none means anything.
    end = max(message.find(b"\r\n\r\n"), 0)
    cleared = message[:end].replace(b"\0", b"") + message[end:]
    message, _, left = _converted(cleared, unfit)
    if b"\0" in message:
        raise Unconvertible("it holds NUL octets where nothing can be encoded")
    signed_by = signers(message)
    done = " and ".join(unfit)
    return Fitted(message, f"{done}, which breaks the signature of {signed_by}" if signed_by else done, left)


def _converted(message: bytes, unfit: Sequence[str]) -> Fitted:
    conversion, why = _Conversion(_are_short, lenient=True), " and ".join(unfit)
    converted = conversion.whole(message)
    if not conversion.left and has_long_line(converted):
        conversion.left.add("a field's name cannot be folded")
    left = f"{why}: {', '.join(sorted(conversion.left))}" if conversion.left else ""
    return Fitted(converted, why if converted != message else "", left)


def _signed(message: bytes, head: bytes, unfit: Sequence[str], signed_by: str) -> Fitted:
    """The message with no more changed than its signatures bear."""
    folded = fold_head(head) if all_relaxed(head) else head
    if folded == head:
        return Fitted(message, left=f"{' and '.join(unfit)}: it is signed by {signed_by}")
    message = b"".join((folded, message[len(head) :]))
    done = f"long lines in the header, folded as the signature of {signed_by} bears it"
    left = _unfit(message) if message.isascii() else ["8-bit text or long lines"]
    return Fitted(message, done, f"{left[0]}: it is signed by {signed_by}" if left else "")


def _list(signers: Sequence[str]) -> str:
    return ", ".join(sorted(set(signers))[:5])


@dataclass(frozen=True)
class _EntityContext:
    """Where an entity stands: how deep, what it is unless it says so, and which charset its headers may be in."""

    depth: int = 0
    default_type: str = ""
    charset: str = ""


class _Described(NamedTuple):
    """What an entity's header says of its body."""

    content_type: str
    boundary: str
    encoding: str
    charset: str

    @property
    def has_parts(self) -> bool:
        return self.content_type.startswith("multipart/") and bool(self.boundary)

    @property
    def is_message(self) -> bool:
        # Some programs encode a message, though nobody may (RFC 2046 section 5.2.1): then it is a leaf.
        return self.content_type == "message/rfc822" and self.encoding not in ("base64", "quoted-printable")


@dataclass
class _Conversion:
    """Makes what does not fit fit.

    Where it is `lenient`, what must not be touched stays unless there is a NUL in it, and `left` says why.
    """

    fits: Fits
    lenient: bool = False
    left: set[str] = field(default_factory=set)

    def whole(self, message: bytes) -> bytes:
        """The message converted. Raises Unconvertible."""
        return self._entity(message, _EntityContext(charset=charset_of(*split_head(message))), is_message=True)

    def _entity(self, entity: bytes, context: _EntityContext, *, is_message: bool = False) -> bytes:
        if context.depth > MAX_DEPTH:
            return self._leave(entity, "its parts are nested too deeply")
        head, body = split_head(entity)
        what = _described(head, context.default_type)
        fit = fit_head(normalise_newlines(head), what.charset or context.charset)
        inside = _EntityContext(
            context.depth + 1,
            "message/rfc822" if what.content_type == "multipart/digest" else "",  # RFC 2046 section 5.1.5
            what.charset or context.charset,
        )
        new, label = self._body(body, what, inside)
        if label is not None and is_message:
            fit = _with_mime(fit, body)
        return entity if fit == head and new == body and label is None else _joined(fit, new, label)

    def _body(self, body: bytes, what: _Described, inside: _EntityContext) -> tuple[bytes, str | None]:
        """The body converted, and its transfer encoding where that is another one now."""
        if what.content_type in _UNTOUCHABLE:
            return (body if self.fits(body) else self._leave(body, _UNTOUCHABLE[what.content_type])), None
        if not (what.has_parts or what.is_message):
            return self._leaf(body, what)
        if self.fits(body) and body.isascii() and not self._says_binary(what, body):
            return body, None
        new = (
            self._parts(body, what.boundary, inside) if what.has_parts else self._entity(body, inside, is_message=True)
        )
        # What holds other parts must not be encoded itself (RFC 2045 section 6.4).
        is_new = new != body or self._says_binary(what, b"")
        return new, _lines_encoding(new) if is_new and what.encoding in ("binary", "8bit") else None

    def _says_binary(self, what: _Described, body: bytes) -> bool:
        """Whether a part, or one in it, may be labelled binary: no server that takes lines should read that."""
        if self.fits is _are_short:
            return False
        return what.encoding == "binary" or (self.fits is are_lines and b"binary" in body.lower())

    def _leaf(self, body: bytes, what: _Described) -> tuple[bytes, str | None]:
        if self.fits(body):
            return body, _lines_encoding(body) if self._says_binary(what, b"") else None
        if what.encoding in ("base64", "quoted-printable"):
            return _mended(normalise_newlines(body), what.encoding), None
        if what.encoding.startswith(("x-", "uu")):
            return self._leave(body, f"it has a part in {what.encoding[:40]}"), None
        if what.content_type in _FIELDS_ALONE and self.fits(converted := fit_head(normalise_newlines(body))):
            return converted, _lines_encoding(converted) if what.encoding in ("binary", "8bit") else None
        if what.content_type in ("", "text") or what.content_type.startswith("text/"):
            encoded = _quoted_printable(body) if b"\0" not in body and not has_bare_line_ends(body) else None
            if encoded is not None:
                return encoded, "quoted-printable"
        return base64.encodebytes(body).replace(b"\n", b"\r\n"), "base64"

    def _parts(self, body: bytes, boundary: str, inside: _EntityContext) -> bytes:
        delimiter = b"--" + boundary.encode("utf-8", "replace")
        pieces: list[bytes] = []
        position, closed, is_new = 0, False, not self.fits(body)
        for before, after, closing in delimiters(body, delimiter, _MOST_PARTS):
            part = body[position:before]
            # What stands before the first part and after the last is for nobody (RFC 2046 section 5.1.1).
            new = self._entity(part, inside) if pieces else part if self.fits(part) else b""
            is_new = is_new or new != part
            pieces.append(b"%b%b%b%b\r\n" % (new, b"\r\n" if pieces or new else b"", delimiter, b"--" * closing))
            position, closed = after, closing
            if closing:
                break
        if not pieces:
            return body if self.fits(body) else self._leave(body, "its parts cannot be told apart")
        rest = body[position:]
        if closed:
            pieces.append(rest if self.fits(rest) else b"")
        else:
            new = self._entity(rest, inside)
            is_new = is_new or new != rest
            pieces.append(b"%b\r\n%b--\r\n" % (new, delimiter))
        return b"".join(pieces) if is_new else body

    def _leave(self, octets: bytes, why: str) -> bytes:
        if not self.lenient or b"\0" in octets:
            raise Unconvertible(why)
        self.left.add(why)
        return octets


def _with_mime(head: bytes, body: bytes) -> bytes:
    """A message's header with the fields without which no encoding would be undone (RFC 2045 section 4)."""
    present = {name.lower() for name, _ in fields(head)}
    missing = "" if "content-type" in present else f"Content-Type: text/plain; charset={_charset(body)}\r\n"
    missing += "" if "mime-version" in present else "MIME-Version: 1.0\r\n"
    return (head if not head or head.endswith(b"\r\n") else head + b"\r\n") + missing.encode()


def _charset(body: bytes) -> str:
    """What older programs send with no MIME at all (RFC 1428): mostly UTF-8 today, and else nobody knows."""
    if body.isascii():
        return "us-ascii"
    try:
        body.decode()
    except UnicodeDecodeError:
        return "unknown-8bit"
    return "utf-8"


def _mended(body: bytes, encoding: str) -> bytes:
    """An encoded body without the octets and the lines that no encoder writes."""
    if encoding == "base64":
        # Decoders pass over such octets, and over line ends (RFC 2045 section 6.8).
        return _LONG_LINE.sub(lambda line: b"\r\n".join(_BASE64_LINE.findall(line[0])), _STRAY.sub(b"", body))
    quoted = _STRAY.sub(lambda match: b"".join(b"=%02X" % octet for octet in match[0]), body)
    return _LONG_LINE.sub(lambda line: b"=\r\n".join(_QUOTED_LINE.findall(line[0])), quoted)


def _quoted_printable(body: bytes) -> bytes | None:
    """Text in quoted-printable, its line ends kept; None where base64 is shorter, as for other scripts."""
    encoded = binascii.b2a_qp(body.replace(b"\r\n", b"\n"), istext=True).replace(b"\n", b"\r\n")
    return encoded if len(encoded) <= len(body) * 4 // 3 + 128 else None


def _described(head: bytes, default_type: str) -> _Described:
    values: dict[str, bytes] = {}
    for name, value in fields(head):
        values.setdefault(name.lower(), value)
    content_type, parameters = parse_parameters(unfold(values.get("content-type", b"")))
    encoding = unfold(values.get(_ENCODING, b"")).lower()
    return _Described(
        content_type.lower() or default_type, parameters.get("boundary", ""), encoding, parameters.get("charset", "")
    )


def _lines_encoding(body: bytes) -> str:
    return "7bit" if body.isascii() else "8bit"


def _joined(head: bytes, body: bytes, encoding: str | None) -> bytes:
    """Header and body, with the transfer encoding replaced if there is a new one."""
    if head and not head.endswith(b"\r\n"):
        head += b"\r\n"
    if encoding is not None:
        head = remove_headers(head, lambda name, _: name == _ENCODING)
        head += f"Content-Transfer-Encoding: {encoding}\r\n".encode()
    return b"%b\r\n%b" % (head, body)
