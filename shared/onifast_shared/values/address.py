"""Mail addresses: parsed from RFC 5321 mailboxes and RFC 5322 address lists, kept in one canonical form.

Addresses exist that RFC 5321's grammar does not have: with dots at odd places (`a..b@`, `.a@`, as docomo.ne.jp gave
them to its customers), longer local parts, underscores in domains. They are read as what they mean, and written in the
grammar's own words: `"a..b"@`, which is the same mailbox (section 4.1.2), and what other mail servers write as well.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import idna

from onifast_shared.values.lazy import lazy
from onifast_shared.values.letters import imitates_latin

MAX_LOCAL = 64  # octets, RFC 5321 section 4.5.3.1.1; senders that hold a recipient (VERP) are often longer
MAX_DOMAIN = 255  # octets, RFC 5321 section 4.5.3.1.2
MAX_ADDRESS = 254  # octets: a path has 256 at most, with its angle brackets (RFC 5321 section 4.5.3.1.3)
MAX_LIST = 256 * 1024
"""Characters of an address list that are looked at: thousands of recipients."""

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff"
_DOT_STRING = re.compile(rf"[{_ATEXT}]+(?:\.[{_ATEXT}]+)*")
_DOTS_ANYWHERE = re.compile(rf"[{_ATEXT}.]+")
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_WORDS = re.compile(rf"(?:{_QUOTED}|[{_ATEXT}]+)(?:\.(?:{_QUOTED}|[{_ATEXT}]+))*")  # RFC 5322 section 4.4
_WORD = re.compile(rf"({_QUOTED})|[^\"]+")
_LABEL = re.compile(r"[a-z0-9_-]+")
_HOST_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_QUOTED_PAIR = re.compile(r"\\(.)")
# One token of an address list. An encoded word (RFC 2047) is one, though it may hold what section 5 forbids there. A
# quoted string that is never closed runs to the end; no other one follows it, so no text is read more than twice.
_LIST_TOKEN = re.compile(
    r'"(?:[^"\\]|\\.)*"?|\\.|=\?[^?\s"]{1,75}\?[bBqQ]\?[^?\r\n]*\?=|[(,:;<>\[\]]|[^"\\(,:;<>\[\]=]+|[\\=]', re.DOTALL
)
_UNCLOSED = re.compile(r'"(?:[^"\\<]|\\.)*', re.DOTALL)
_MAILTO = re.compile(r"\Amailto:", re.IGNORECASE)  # in angle brackets: a link that somebody copied
_COMMENT_TOKEN = re.compile(r"[^()\\]+|\\.|[()\\]", re.DOTALL)


class AddressError(ValueError):
    """A text is not a mail address; the message says what is wrong, in words fit for an SMTP reply."""


@dataclass(frozen=True)
class Address:
    """A mailbox (RFC 5321 section 4.1.2, RFC 6531 section 3.3).

    `local` is the local part's meaning, without quotes; `domain` is lower-case with A-labels, or a literal such as
    `[127.0.0.1]` or `[IPv6:::1]`. Make one with `parse`, which checks and canonicalises.
    """

    local: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address that `text` is; raises AddressError. Nothing may stand around it, not even spaces."""
        if len(text) > 1024:
            raise AddressError("address is too long")
        return _parse(text)

    @classmethod
    def parse_strictly(cls, text: str) -> Address:
        """`parse` for what obeys the grammar and limits of RFC 5321 to the letter; raises AddressError for the rest."""
        address = cls.parse(text)
        local, _, domain = text.rpartition("@")
        _judge_local(address, local)
        if not address.is_literal:
            _judge_domain(domain)
        return address

    def __str__(self) -> str:
        return self._text

    @lazy
    def _text(self) -> str:
        return f"{quote_local(self.local)}@{self.domain}"

    @lazy
    def key(self) -> str:
        """The form for look-ups: case does not matter in it, nor how an accent was typed."""
        return f"{unicodedata.normalize('NFC', self.local.lower())}@{self.domain}"

    @property
    def display(self) -> str:
        """The form for people: an internationalised domain in its own script."""
        return f"{quote_local(self.local)}@{display_domain(self.domain)}"

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a server with SMTPUTF8 (RFC 6531) can take it; a domain never needs it, thanks to A-labels."""
        return not self.local.isascii()

    @property
    def is_literal(self) -> bool:
        """Whether the domain is an IP address in brackets."""
        return self.domain.startswith("[")


@lru_cache(maxsize=2048)
def _parse(text: str) -> Address:
    """`Address.parse`, which remembers: one message names its sender in several places, and so does the next."""
    _refuse_controls(text)
    written_local, at, written_domain = text.rpartition("@")
    # An IPv6 literal holds no '@', and a domain cannot, so the last one always divides.
    if not at:
        raise AddressError("address has no @")
    address = Address(_parse_local(written_local), parse_domain(written_domain))
    _check_lengths(address)
    return address


def parse_domain(text: str) -> str:
    """The canonical form of a domain or address literal: lower-case, A-labels, no final dot; raises AddressError.

    What it gives is safe as the name of a file: it has letters, digits, hyphens, underscores, and dots between these.
    """
    if not text:
        raise AddressError("address has no domain")
    _refuse_controls(text)
    if text.startswith("["):
        return _parse_literal(text)
    domain = text.lower() if text.isascii() else _to_ascii(text)
    domain = domain.removesuffix(".")  # the root, as DNS writes it: the same domain
    if len(domain) > MAX_DOMAIN:
        raise AddressError(f"domain is longer than {MAX_DOMAIN} octets")
    for label in domain.split("."):
        if len(label) > 63:
            raise AddressError("domain has a label longer than 63 octets")
        if not _LABEL.fullmatch(label):
            raise AddressError("domain is not a valid host name")
    return domain


def display_domain(domain: str) -> str:
    """A canonical domain with U-labels for people, where they are valid and do not pass for Latin ones."""
    if "xn--" not in domain:
        return domain
    return ".".join(map(_display_label, domain.split(".")))


def _display_label(label: str) -> str:
    shown = in_letters(label)
    return label if imitates_latin(shown) else shown


def in_letters(domain: str) -> str:
    """A canonical domain with U-labels where they are valid, whatever they look like: as others may have written it."""
    try:
        return idna.decode(domain) if "xn--" in domain else domain
    except (idna.IDNAError, UnicodeError):
        return domain


def quote_local(local: str) -> str:
    """A local part as it stands on the wire: quoted only where it must be (RFC 5321 section 4.1.2)."""
    if _DOT_STRING.fullmatch(local):
        return local
    return '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'


def strip_source_route(path: str) -> str:
    """`@a,@b:user@c` without its route, which is accepted and ignored (RFC 5321 section 4.1.1.3).

    Raises AddressError.
    """
    if not path.startswith("@"):
        return path
    route, colon, mailbox = path.partition(":")
    if not colon:
        return path
    for hop in route.split(","):
        if not hop.startswith("@"):
            raise AddressError("source route is malformed")
        parse_domain(hop[1:])
    return mailbox


def split_list(text: str) -> list[tuple[str, str]]:
    """(display name, unchecked address) of each entry of an address list (RFC 5322 section 3.4); never raises.

    Comments and group names are dropped, but a comment stands in for a missing name (`a@b (Ann)`). A semicolon divides
    too, and a name whose closing quote is missing ends before the address in angle brackets. So do a second address in
    angle brackets, and a colon behind an address: of two, each reader takes another one. Encoded words (RFC 2047) in
    names are left for the caller: what they hold divides nothing. Takes time in proportion to the text; of more than
    MAX_LIST characters, the entries that are whole within these.
    """
    splitter = _ListSplitter(is_cut=len(text) > MAX_LIST)
    splitter.feed(text[:MAX_LIST])
    return splitter.entries


class _ListSplitter:
    """Takes an address list token by token."""

    def __init__(self, *, is_cut: bool) -> None:
        self.entries: list[tuple[str, str]] = []
        self._is_cut = is_cut
        self._begin_entry()

    def _begin_entry(self) -> None:
        self._raw: list[str] = []
        self._phrase: list[str] = []
        self._comments: list[str] = []
        self._angle: list[str] | None = None
        self._in_angle = False
        self._in_literal = False

    def feed(self, text: str) -> None:
        position = 0
        while match := self._next(text, position):
            position = match.end()
            if match[0] == "(" and not self._in_literal:
                position = self._take_comment(text, position)
            else:
                self._take(match[0])
        if not self._is_cut:  # else the last one may go on, as another address
            self._end_entry()

    def _next(self, text: str, position: int) -> re.Match[str] | None:
        match = _LIST_TOKEN.match(text, position)
        if match is None or not match[0].startswith('"') or self._is_cut or self._in_angle or _is_closed(match[0]):
            return match
        # The quote that is missing stood before the address, whatever else is in the name.
        return _UNCLOSED.match(text, position)

    def _take_comment(self, text: str, position: int) -> int:
        depth, words = 1, []
        while depth and (match := _COMMENT_TOKEN.match(text, position)):
            position = match.end()
            depth += {"(": 1, ")": -1}.get(match[0], 0)
            words.append(match[0])
        if depth == 0:
            words.pop()
        self._comments.append("".join(words).strip())
        return position

    def _take(self, piece: str) -> None:
        if piece in "[]":
            self._in_literal = piece == "["
            self._add(piece)
        elif self._in_literal:
            self._add(piece)
        elif piece == ">":
            self._in_angle = False
        elif self._in_angle and (piece != "<" or self._angle):
            self._add(piece)
        elif piece == "<":
            self._begin_angle()
        elif piece in ",;":
            self._end_entry()
        elif piece == ":":
            self._end_group_name()
        else:
            self._add(piece)

    def _begin_angle(self) -> None:
        if self._angle and "@" in "".join(self._angle):
            self._end_entry()
        self._in_angle, self._angle = True, []

    def _end_group_name(self) -> None:
        if self._angle or "@" in "".join(self._raw):
            self._end_entry()
        else:
            self._begin_entry()

    def _add(self, piece: str) -> None:
        if self._in_angle and self._angle is not None:
            self._angle.append(piece)
            return
        self._raw.append(piece)
        self._phrase.append(_unquote(piece) if piece.startswith('"') else piece)

    def _end_entry(self) -> None:
        comment = self._comments[0] if self._comments else ""
        if self._angle is not None:
            name = " ".join("".join(self._phrase).split()) or comment
            path = _MAILTO.sub("", "".join(self._angle).strip())
            self.entries.append((name, _without_route(path)))
        elif address := "".join(self._raw).strip():
            self.entries.append((comment, address))
        self._begin_entry()


def _without_route(path: str) -> str:
    try:
        return strip_source_route(path)
    except AddressError:
        return path


def _is_closed(token: str) -> bool:
    """Whether a token that begins with a quote ends with its own, which no backslash takes the meaning of."""
    return bool(re.fullmatch(_QUOTED, token, re.DOTALL))


def _unquote(token: str) -> str:
    closed = _is_closed(token)
    return _QUOTED_PAIR.sub(r"\1", token[1:-1] if closed else token[1:])


def _refuse_controls(text: str) -> None:
    if text.isascii() and text.isprintable():
        return  # nearly every address, with no look at each character
    for character in text:
        # Surrogates cannot be encoded; line separators would break a log line as a line feed would.
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
            raise AddressError("address contains a control character")


def _parse_local(text: str) -> str:
    if not text:
        raise AddressError("address has no local part")
    if _DOTS_ANYWHERE.fullmatch(text):
        return text
    if '"' not in text:
        raise AddressError("local part has a character that needs quotes")
    if not _WORDS.fullmatch(text):
        raise AddressError("quoted local part is malformed")
    return "".join(_unquoted(word[0]) for word in _WORD.finditer(text))


def _unquoted(word: str) -> str:
    return _QUOTED_PAIR.sub(r"\1", word[1:-1]) if word.startswith('"') else word


def _judge_local(address: Address, written: str) -> None:
    if not (_DOT_STRING.fullmatch(written) or re.fullmatch(_QUOTED, written)):
        raise AddressError("local part has a dot that needs quotes")
    # A rewritten sender (SRS) holds a whole address in its local part; no mail system holds it to the limit.
    rewritten = address.local[:5].upper() in ("SRS0=", "SRS0+", "SRS0-", "SRS1=", "SRS1+", "SRS1-")
    if len(quote_local(address.local).encode()) > MAX_LOCAL and not rewritten:
        raise AddressError(f"local part is longer than {MAX_LOCAL} octets")


def _judge_domain(written: str) -> None:
    domain = written.lower() if written.isascii() else _to_ascii(written)
    if not all(map(_HOST_LABEL.fullmatch, domain.split("."))):
        raise AddressError("domain is not a valid host name")


def _parse_literal(text: str) -> str:
    """An address literal (RFC 5321 section 4.1.3) in the one spelling that ipaddress gives it."""
    inner = text[1:-1]
    if not text.endswith("]") or "%" in inner:
        raise AddressError("address literal is malformed")
    try:
        if inner[:5].lower() == "ipv6:":
            return f"[IPv6:{ipaddress.IPv6Address(inner[5:])}]"
        return f"[{ipaddress.IPv4Address(inner)}]"
    except ipaddress.AddressValueError:
        raise AddressError("address literal is malformed") from None


def _to_ascii(domain: str) -> str:
    if len(domain) > MAX_DOMAIN:
        raise AddressError(f"domain is longer than {MAX_DOMAIN} octets")
    try:
        # Label by label: what is in ASCII need obey no more rules than where nothing else stands.
        labels = idna.uts46_remap(domain, std3_rules=False, transitional=False).split(".")
        return ".".join(each if each.isascii() else _a_label(each) for each in labels).lower()
    except (idna.IDNAError, UnicodeError, IndexError):
        raise AddressError("domain is not a valid internationalised domain name") from None


def _a_label(label: str) -> str:
    """A label in ASCII. Domains with symbols exist (`i❤.ws`), though IDNA 2008 has none since IDNA 2003 had them."""
    try:
        return idna.alabel(label).decode("ascii")
    except idna.InvalidCodepoint:
        words = "".join(each for each in label if unicodedata.category(each) != "So")
        if words == label:
            raise
        if not words.isascii():
            idna.alabel(words)
        return f"xn--{label.encode('punycode').decode('ascii')}"


def _check_lengths(address: Address) -> None:
    if len(str(address).encode()) > MAX_ADDRESS:
        raise AddressError(f"address is longer than {MAX_ADDRESS} octets")
