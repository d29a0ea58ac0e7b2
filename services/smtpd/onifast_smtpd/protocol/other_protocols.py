"""Who does not speak SMTP: other protocols' words where a command is due, and commands that wait for no reply.

Whoever makes a web site fetch a URL chooses what is sent to whom: `POST http://127.0.0.1:25/` with a dialogue as its
body, or `gopher://…` with one as its path. To such a sender we hang up at the first line, and hear nothing after it.
Postfix does both (`smtpd_forbidden_commands`, `smtpd_forbid_unauth_pipelining`).
"""

from __future__ import annotations

import re

from onifast_shared.values.reply import Reply

from onifast_smtpd.protocol import replies

ENDS_GROUP = frozenset(("AUTH", "DATA", "EHLO", "HELO", "STARTTLS"))
"""Commands whose reply a client must see before it goes on (RFC 2920 section 3.1, RFC 4954 section 4, RFC 3207)."""

_METHOD = re.compile(rb"(CONNECT|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PRI|PUT|TRACE)(?:[ \t]|$)", re.IGNORECASE)
_VERSION = re.compile(rb"[ \t](HTTP|ICAP|RTSP|SIP)/[0-9.]{1,8}[ \t]*$", re.IGNORECASE)
_FIELD = re.compile(rb"([!-9;-~]+):")  # RFC 5322 section 2.2: a header field's name and its colon
_LONGEST_VERSION = 24  # octets of a line's end in which the version stands

_SMTP = frozenset((b"AUTH", b"BDAT", b"DATA", b"EHLO", b"HELO", b"MAIL", b"NOOP", b"QUIT", b"RCPT", b"RSET"))

_BINARY = frozenset(range(32)) - frozenset(b"\t\r\n")
_TLS_HANDSHAKE = 0x16  # the type of the record that a ClientHello comes in
_SSL2_HELLO = re.compile(rb"[\x80-\xff].\x01[\x00-\x03]", re.DOTALL)  # old clients begin with that of SSL 2


class HangUp(Exception):
    """The client gets this reply, and not a word more is heard; `reason` is for the log."""

    def __init__(self, reply: Reply, reason: str) -> None:
        super().__init__(reason)
        self.reply = reply
        self.reason = reason


def refuse_other_protocols(octets: bytes | bytearray) -> None:
    """Raises HangUp where what stands in a command's place, a line or the beginning of one, is of another protocol."""
    if octets[4:5] in (b" ", b"") and bytes(octets[:4]).upper() in _SMTP and b"/" not in octets:
        return  # as nearly all lines: it has no method, no colon behind its first word, and no version at its end
    if (protocol := protocol_of(octets)) is not None:
        raise HangUp(replies.NO_SMTP, f"spoke {protocol}")


def protocol_of(octets: bytes | bytearray) -> str | None:
    """What a line is, or the beginning of one, where it can be no command; no more of it than its method or name."""
    if not octets:
        return None
    if octets[0] in _BINARY or octets[0] > 127:
        return _binary(octets)
    if match := _METHOD.match(octets):
        return f"HTTP ({match[1].decode()})"
    if match := _VERSION.search(octets, max(0, len(octets) - _LONGEST_VERSION)):
        return match[1].decode()
    if match := _FIELD.match(octets):
        return f"a header field ({match[1][:40].decode()})"
    return None


def _binary(octets: bytes | bytearray) -> str | None:
    if octets[0] == _TLS_HANDSHAKE or _SSL2_HELLO.match(octets):
        return "TLS"
    return "a binary protocol" if octets[0] in _BINARY else None


def did_not_wait(verb: str) -> HangUp:
    """The exception for who sent more before the reply to a command that ends a group."""
    return HangUp(replies.DID_NOT_WAIT, f"did not wait for the reply to {verb}")
