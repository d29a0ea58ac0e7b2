"""Commands: how a client's line is taken apart (RFC 5321 section 4.1); no I/O, no judgement of who may do what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from onifast_shared.values.address import Address, AddressError, strip_source_route
from onifast_shared.values.reply import Reply

from onifast_smtpd.protocol.parameters import Parameters, parse_parameters
from onifast_smtpd.protocol.replies import Refused, refused

MAX_LINE = 2048  # octets; RFC 5321 section 4.5.3.1.4 asks for 512 and what the extensions add
MAX_AUTH_LINE = 12288  # octets, RFC 4954 section 4
GREETINGS = frozenset(("EHLO", "HELO"))
FUTILE_COMMANDS = GREETINGS | {"HELP", "NOOP", "RSET", "VRFY", "XCLIENT"}
"""Commands that bring no mail any further."""

_VERB = re.compile(rb"[A-Za-z0-9]{1,16}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Between the brackets: quoted strings, in which ">" may stand, or anything but quotes and ">".
_PATH = re.compile(r'<((?:"(?:[^"\\]|\\.)*"|[^">])*)>(?:[ ]+(.*))?')
# No path at all, and a parameter where it should be, is not a path without brackets.
_PARAMETER_ALONE = r"(?![A-Za-z0-9-]+=[^@\s]*(?:\s|$)|(?i:SMTPUTF8|REQUIRETLS)(?:\s|$))"
_BARE_PATH = re.compile(_PARAMETER_ALONE + r'((?:"(?:[^"\\]|\\.)*"|[^"<>\s])+)(?:[ ]+(.*))?')
_HELO = re.compile(r"[^\s\x00-\x1f\x7f<>()\"]{1,255}")


class Command(NamedTuple):
    """One command line: the verb in upper case, and what follows it."""

    verb: str
    argument: str


@dataclass(frozen=True)
class Bare:
    """A mailbox without a domain, such as `postmaster` or what a local script calls itself."""

    local: str

    def __str__(self) -> str:
        return self.local


_MAIL_SYNTAX = Reply(501, "5.5.4", "syntax: MAIL FROM:<address> [parameters]")
_RCPT_SYNTAX = Reply(501, "5.5.4", "syntax: RCPT TO:<address> [parameters]")
_WITHOUT_ARGUMENT = {verb.encode(): Command(verb, "") for verb in ("DATA", "QUIT", "RSET", "NOOP", "STARTTLS")}

Path = Address | Bare | None  # None is the null path `<>`


def parse_line(line: bytes) -> Command:
    """The command on a line that has lost its line end; raises Refused."""
    if line in _WITHOUT_ARGUMENT:
        return _WITHOUT_ARGUMENT[line]
    verb, _, argument = line.partition(b" ")
    if not _VERB.fullmatch(verb):
        raise refused(500, "5.5.2", "syntax error, command not recognized")
    try:
        text = argument.decode("utf-8").strip(" ")
    except UnicodeDecodeError:
        raise refused(500, "5.5.2", "syntax error, line is not UTF-8") from None
    if not text.isprintable() and _CONTROL.search(text):
        raise refused(500, "5.5.2", "syntax error, control character in a command")
    return Command(verb.decode("ascii").upper(), text)


def parse_helo(argument: str) -> str:
    """The name that a client gives itself; raises Refused only for what cannot be a name at all.

    A client must not be refused because its name is not what DNS says (RFC 5321 section 4.1.4).
    """
    if not _HELO.fullmatch(argument):
        raise refused(501, "5.5.4", "syntax: EHLO hostname")
    return argument


def parse_mail(argument: str, *, strict: bool = False) -> tuple[Path, Parameters]:
    """Reverse-path and parameters of MAIL; raises Refused; `strict` takes RFC 5321's grammar alone."""
    inner, rest = _split_path(argument, "FROM:", _MAIL_SYNTAX, strict=strict)
    try:
        return _parse_path(inner, strict=strict), parse_parameters(rest)
    except AddressError as error:
        raise refused(501, "5.1.7", f"bad sender address: {error}") from None


def parse_rcpt(argument: str, *, strict: bool = False) -> tuple[Address | Bare, Parameters]:
    """Forward-path and parameters of RCPT; raises Refused, as `parse_mail` does."""
    inner, rest = _split_path(argument, "TO:", _RCPT_SYNTAX, strict=strict)
    try:
        path = _parse_path(inner, strict=strict)
    except AddressError as error:
        raise refused(501, "5.1.3", f"bad recipient address: {error}") from None
    if path is None:
        raise refused(501, "5.1.3", "bad recipient address: it is empty")
    return path, parse_parameters(rest)


def needs_smtputf8(path: Path) -> bool:
    """Whether MAIL must have said SMTPUTF8 for this path to be used (RFC 6531 section 3.3)."""
    return path is not None and not path.local.isascii()


def _split_path(argument: str, keyword: str, syntax: Reply, *, strict: bool) -> tuple[str, str]:
    if argument[: len(keyword)].upper() != keyword:
        raise Refused(syntax)
    text = argument[len(keyword) :]
    # A space after the colon is wrong, and so is a path without brackets, but too many programs write them.
    match = _PATH.fullmatch(text) if strict else _PATH.fullmatch(text.lstrip(" ")) or _BARE_PATH.fullmatch(text.strip())
    if not match:
        raise Refused(syntax)
    return match[1], match[2] or ""


def _parse_path(inner: str, *, strict: bool) -> Path:
    if not inner:
        return None
    parse = Address.parse_strictly if strict else Address.parse
    mailbox = strip_source_route(inner if strict else inner.strip(" "))
    if "@" in mailbox:
        return parse(mailbox)
    # Borrow a domain, so that one parser judges local parts.
    return Bare(parse(f"{mailbox}@localhost").local)
