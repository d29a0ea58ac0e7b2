"""Header fields made fit to travel: ASCII by encoded words (RFC 2047) and RFC 2231, and no line too long.

Only an address may need more than ASCII (RFC 6532): its local part stays as it is, everything around it is encoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from onifast_shared.message.charsets import decode
from onifast_shared.message.headers import (
    decode_words,
    encode_words,
    fields,
    fold,
    has_long_line,
    replace_fields,
    unfold,
)
from onifast_shared.message.parameters import parse_parameters, unquote, write_parameter
from onifast_shared.values.address import AddressError, parse_domain

MOST_OF_A_LINE = 900
"""Characters of a word that still fits into a line of 998 octets with the name of its field."""

# Tried where a word begins alone: from each of its characters, it would be read anew.
_LONG_WORD = re.compile(rf"(?<![^ \t])[^ \t]{{{MOST_OF_A_LINE + 1},}}")
# A quoted string that is never closed runs to the end, so no text is read twice.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|<[^<>]*>?|[(,;]|[^"<(,;]+', re.DOTALL)
_COMMENT_PIECE = re.compile(r"[^()\\]+|\\.|[()\\]", re.DOTALL)
_NAME_AND_ADDRESS = re.compile(r'(.*\s)([^\s"]+@\S+)', re.DOTALL)
_CHARSET = re.compile(rb"charset\s*=\s*\"?([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)
_NO_SUPERSET_OF_ASCII = ("utf-16", "utf-32", "utf-7", "iso-2022", "hz")
_LOOKED_AT = 1 << 16  # octets of a body in which a charset is looked for

_ADDRESSES = frozenset((
    "from", "sender", "reply-to", "to", "cc", "bcc", "resent-from", "resent-sender", "resent-to", "resent-cc",
    "resent-bcc", "resent-reply-to", "return-path", "delivered-to", "x-original-to", "errors-to", "apparently-to",
    "disposition-notification-to", "return-receipt-to", "mail-followup-to", "mail-reply-to", "list-id", "keywords",
))  # fmt: skip
_IDS = frozenset(("message-id", "resent-message-id", "in-reply-to", "references", "content-id"))
_LINKS = frozenset(("list-unsubscribe", "list-help", "list-subscribe", "list-post", "list-owner", "list-archive"))
_PARAMETERS = frozenset(("content-type", "content-disposition"))
# What programs read word by word: an encoded word in the place of one would tell them nothing.
_TOKENS = frozenset((
    "received", "date", "resent-date", "mime-version", "content-transfer-encoding", "auto-submitted", "dkim-signature",
    "authentication-results", "received-spf", "arc-seal", "arc-message-signature", "arc-authentication-results",
    "list-unsubscribe-post",
))  # fmt: skip


class _Manner(NamedTuple):
    """How the parts of a structured value become ASCII: its words, and what stands in angle brackets."""

    phrase: Callable[[str], str]
    angle: Callable[[str], str]


def is_fit(head: bytes) -> bool:
    """Whether a header section has nothing that some server on the way may not take."""
    return head.isascii() and b"\0" not in head and not has_long_line(head)


def fit_head(head: bytes, charset: str = "") -> bytes:
    """The header section in lines of at most 998 octets, without NUL, and in ASCII but for addresses.

    Fields that are fit stay as they are. Octets that are no UTF-8 are taken for `charset`, else for Windows-1252.
    """
    if is_fit(head):
        return head
    return replace_fields(head, lambda name, value: _fit_field(name, value, charset))


def fold_head(head: bytes) -> bytes:
    """The header section with over-long lines broken at white space alone (RFC 5322 section 2.1.1), nothing else.

    No signature that is relaxed about headers minds that (RFC 6376 section 3.4.2).
    """

    def folded(name: str, value: bytes) -> bytes | None:
        if not has_long_line(b"%b:%b" % (name.encode(), value)) or not value.isascii() or b"\0" in value:
            return None
        text = unfold(value)
        return None if _LONG_WORD.search(text) else _folded(name, text)

    return replace_fields(head, folded) if has_long_line(head) else head


def charset_of(head: bytes, body: bytes) -> str:
    """The charset that a message names first, in its header or those of its parts; "" for none."""
    found = _CHARSET.search(head) or _CHARSET.search(body, 0, _LOOKED_AT)
    charset = found[1].decode("ascii").lower() if found else ""
    return "" if charset.startswith(_NO_SUPERSET_OF_ASCII) else charset


def _fit_field(name: str, value: bytes, charset: str) -> bytes | None:
    if is_fit(b"%b:%b" % (name.encode(), value)):
        return None
    text = _text(value, charset)
    return _folded(name, _fit_value(name.lower(), text) if _is_unfit(text) else text)


def _text(value: bytes, charset: str) -> str:
    """The value in one line. UTF-8 is seldom anything else by chance, so the charset counts only where it is none."""
    octets = value.replace(b"\0", b"").replace(b"\r", b"").replace(b"\n", b"").strip(b" \t")
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return decode(octets, charset)


def _fit_value(name: str, text: str) -> str:
    if name in _PARAMETERS:
        return _parameters(text)
    manner = _manner(name)
    return _words(text) if manner is None else _structured(text, manner)


def _manner(name: str) -> _Manner | None:
    """How a field's value is converted; None for unstructured text."""
    if name in _ADDRESSES:
        return _Manner(_words, _address)
    if name in _IDS:
        return _Manner(_words, _quoted_octets)
    if name in _LINKS:
        return _Manner(_words, _link)
    return _Manner(_quoted_octets, _quoted_octets) if name in _TOKENS else None


def _folded(name: str, text: str) -> bytes | None:
    """The field; None where nothing helps, since its name alone fills a line."""
    try:
        return fold(name, _LONG_WORD.sub(_broken, text))
    except ValueError:
        return None


def _broken(word: re.Match[str]) -> str:
    """A word that no line can hold, as many mail systems break it: what is between the pieces will be a blank."""
    step = MOST_OF_A_LINE if word[0].isascii() else MOST_OF_A_LINE // 4
    return " ".join(word[0][start : start + step] for start in range(0, len(word[0]), step))


def _is_unfit(text: str) -> bool:
    return not text.isascii() or _LONG_WORD.search(text) is not None


def _words(text: str) -> str:
    """Text as encoded words, which are decoded with those that are in it already."""
    return " ".join(encode_words(decode_words(text)))


def _quoted_octets(text: str) -> str:
    """Text whose octets beyond ASCII are written as in quoted-printable: the same for the same, in every message."""
    return "".join(each if each.isascii() else "".join(f"={octet:02X}" for octet in each.encode()) for each in text)


def _link(url: str) -> str:
    """A URL with such octets percent-encoded; blanks in it, where it is folded, mean nothing (RFC 2369 section 2)."""
    ascii_url = "".join(each if each.isascii() else "".join(f"%{octet:02X}" for octet in each.encode()) for each in url)
    return _LONG_WORD.sub(_broken, ascii_url)


def _address(text: str) -> str:
    """An address with its domain in A-labels, which every server understands (RFC 5890); its local part stays."""
    local, at, domain = text.rpartition("@")
    if domain.isascii():
        return text
    try:
        return f"{local}{at}{parse_domain(domain.strip())}"
    except AddressError:
        return text


def _structured(value: str, manner: _Manner) -> str:
    """A structured value in ASCII, as far as `manner` makes it so; comments become encoded words."""
    pieces: list[str] = []
    run: list[str] = []
    for token in _tokens(value):
        if token[0] not in "<(,;":
            run.append(token)
            continue
        pieces += (_run(run, manner, is_name=token[0] == "<"), _delimited(token, manner))
        run = []
    pieces.append(_run(run, manner, is_name=False))
    return "".join(_spaced([piece for piece in pieces if piece]))


def _spaced(pieces: list[str]) -> Iterator[str]:
    """The pieces with a blank, where a line can be folded, after each that ends an entry of a list."""
    for piece, following in zip(pieces, [*pieces[1:], " "], strict=True):
        yield piece
        if following[0] not in " \t" and (piece in (",", ";") or (piece[-1] == ">" and following[0] == "<")):
            yield " "


def _tokens(value: str) -> Iterator[str]:
    """Quoted strings, comments, what is in angle brackets, separators, and what lies between."""
    position = 0
    while match := _TOKEN.match(value, position):
        end = _comment_end(value, match.end()) if match[0] == "(" else match.end()
        yield value[position:end]
        position = end


def _comment_end(value: str, position: int) -> int:
    depth = 1
    while depth and (match := _COMMENT_PIECE.match(value, position)):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        position = match.end()
    return position


def _delimited(token: str, manner: _Manner) -> str:
    if not _is_unfit(token):
        return token
    if token[0] == "<":
        return f"<{manner.angle(token[1:].removesuffix('>'))}>"
    return f"({_words(token[1:].removesuffix(')'))})"


def _run(tokens: list[str], manner: _Manner, *, is_name: bool) -> str:
    """Words and quoted strings up to the next separator: the name before an address, or something by itself."""
    text = "".join(tokens)
    if not _is_unfit(text):
        return text
    if manner.angle is not _address:
        return manner.phrase(text)
    for place, token in enumerate(tokens):
        group, colon, first = ("", "", "") if token[0] == '"' else token.partition(":")
        if colon and "@" not in group:
            members = [first, *tokens[place + 1 :]] if first else tokens[place + 1 :]
            return f"{_name([*tokens[:place], group])}:{_entry(members, is_name=is_name)}"
    return _entry(tokens, is_name=is_name)


def _entry(tokens: list[str], *, is_name: bool) -> str:
    """An entry of an address list up to its angle bracket, or the whole of one that has none."""
    if is_name or not any("@" in token for token in tokens if token[0] != '"'):
        return _name(tokens)
    return _bare_address("".join(tokens))


def _bare_address(text: str) -> str:
    """An address without brackets, whose writer may have put a name before it all the same."""
    named = _NAME_AND_ADDRESS.fullmatch(text.rstrip())
    if named is None or not _is_unfit(named[1]):
        return _address(text)
    return f"{_name([named[1]])}<{_address(named[2])}>"


def _name(tokens: list[str]) -> str:
    """A name's words and quoted strings, as encoded words where they need to be; blanks around them stay."""
    if not _is_unfit("".join(tokens)):
        return "".join(tokens)
    text = "".join(unquote(token) for token in tokens)
    before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    return f"{before}{_words(text.strip())}{after}"


def _parameters(text: str) -> str:
    """A value with parameters, each of which is by RFC 2231 where it needs to be."""
    value, parameters = parse_parameters(text)
    written = [write_parameter(name, decode_words(parameter)) for name, parameter in parameters.items()]
    return "; ".join((_quoted_octets(value), *written))


def names_of_signers(head: bytes) -> list[str]:
    """The domains whose DKIM signatures a header section has, as they stand there."""
    return [_tag(value, b"d") or "?" for name, value in fields(head) if name.lower() == "dkim-signature"]


def all_relaxed(head: bytes) -> bool:
    """Whether every DKIM signature there lets header fields be folded anew (RFC 6376 section 3.5: `c=`)."""
    found = [value for name, value in fields(head) if name.lower() == "dkim-signature"]
    return all(_tag(value, b"c").lower().startswith("relaxed") for value in found)


def _tag(value: bytes, name: bytes) -> str:
    found = re.search(rb"(?:^|;)\s*" + name + rb"\s*=\s*([^;\s]{1,255})", value)
    return found[1].decode("ascii", "replace") if found else ""
