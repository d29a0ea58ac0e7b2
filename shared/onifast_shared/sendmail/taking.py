"""A message as a program writes it to sendmail's input, made ready for SMTP."""

from __future__ import annotations

import email.utils
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from onifast_shared.sendmail.command_line import SendmailWish

MOST_OCTETS = 100 * 1024 * 1024
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
_TO = (b"to", b"cc", b"bcc")


class Unusable(ValueError):
    """The message cannot be sent. The text is a sentence."""


@dataclass(frozen=True)
class SendmailEnvelope:
    """Who it is from ("" for the null reverse-path), and who gets it."""

    sender: str
    recipients: tuple[str, ...]

    def line(self) -> bytes:
        """As the first line of a file that waits."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def of_line(cls, line: bytes) -> SendmailEnvelope:
        """From such a line; raises ValueError."""
        found = json.loads(line)
        if not isinstance(found, dict):
            raise ValueError("no envelope")
        return cls(str(found["sender"]), tuple(map(str, found["recipients"])))


def read(lines: Iterable[bytes], *, dot_ends: bool) -> bytes:
    """The message up to its end, with CRLF at each line's (RFC 5321 section 2.3.8). Raises Unusable."""
    octets, message = 0, []
    for line in lines:
        text = line.rstrip(b"\r\n")
        if dot_ends and text == b".":
            break
        octets += len(text) + 2
        if octets > MOST_OCTETS:
            raise Unusable("the message is too large")
        message.append(text + b"\r\n")
    return b"".join(message)


def ready(raw: bytes, wish: SendmailWish, login: str, full_name: str) -> tuple[SendmailEnvelope, bytes]:
    """SendmailEnvelope and message: recipients of the header with -t, no Bcc, and a From. Raises Unusable."""
    head, body = _taken_apart(raw)
    fields = _fields(head)
    recipients = [_bare(each) for each in wish.recipients]
    if wish.from_header:
        recipients += [each for name, value in fields if name in _TO for each in _addresses(value)]
    recipients = list(dict.fromkeys(filter(None, recipients)))
    if not recipients:
        raise Unusable("nobody is named who is to get it")
    sender = "" if wish.sender == "<>" else _bare(wish.sender) or f"{login}@localhost"
    kept = b"".join(whole for whole, name in _split(head) if name != b"bcc")
    if not any(name == b"from" for name, _ in fields):
        author = email.utils.formataddr((wish.full_name or full_name, sender or f"{login}@localhost"), "utf-8")
        kept += f"From: {author}\r\n".encode()
    return SendmailEnvelope(sender, tuple(recipients)), kept + b"\r\n" + body


def _taken_apart(raw: bytes) -> tuple[bytes, bytes]:
    """Header and body; a message that does not begin with a field has a body alone."""
    if raw.startswith(b"From ") and b"\r\n" in raw:
        raw = raw.partition(b"\r\n")[2]  # the first line of a mailbox file
    if raw.startswith(b"\r\n"):
        return b"", raw[2:]
    if not _FIELD.match(raw):
        return b"", raw
    head, _, body = raw.partition(b"\r\n\r\n")
    return head.removesuffix(b"\r\n") + b"\r\n", body


def _split(head: bytes) -> list[tuple[bytes, bytes]]:
    """Each field whole, with its name in lower case."""
    found = re.split(rb"(?<=\r\n)(?![ \t])", head) if head else []
    return [(each, match[1].lower() if (match := _FIELD.match(each)) else b"") for each in found if each]


def _fields(head: bytes) -> list[tuple[bytes, str]]:
    return [(name, each.partition(b":")[2].decode("utf-8", "replace")) for each, name in _split(head)]


def _addresses(value: str) -> list[str]:
    unfolded = re.sub(r"\r\n[ \t]", " ", value)
    return [address for _, address in email.utils.getaddresses([unfolded]) if address]


def _bare(text: str) -> str:
    """An address without what stands around it; a name alone is a user of this host."""
    address = email.utils.parseaddr(text)[1] or text.strip()
    if any(ord(letter) < 33 or letter in "<>" for letter in address):
        raise Unusable(f"{text[:80]!r} is no address")
    return address if "@" in address or not address else f"{address}@localhost"
