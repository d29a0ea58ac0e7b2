"""What a scripted SMTP server can be told to do, and what it writes down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Say:
    """Answer *reply*, then go on, or hang up; bytes are sent as they are, garbage included."""

    reply: str | bytes
    hang_up: bool = False


@dataclass(frozen=True)
class Drop:
    """Hang up without an answer; with *reset* the client sees a reset (RST), not an end."""

    reset: bool = False


@dataclass(frozen=True)
class Stall:
    """Do nothing until ``release()`` is called, then go on as if the script had said nothing here."""


@dataclass(frozen=True)
class Pieces:
    """Answer *reply* octet by octet, each in a segment of its own."""

    reply: str


DROP = Drop()
RESET = Drop(reset=True)
STALL = Stall()

Action = str | bytes | Say | Drop | Stall | Pieces
Script = Mapping[str, Action | Sequence[Action]]


@dataclass(frozen=True)
class Message:
    """A message up to its final dot: envelope, the parameters after the paths, and the bytes with dots unstuffed."""

    mail_from: str
    rcpt_to: tuple[str, ...]
    mail_parameters: str
    rcpt_parameters: tuple[str, ...]
    data: bytes
    accepted: bool


@dataclass
class Session:
    """A connection: who came from where, what it said line by line, and whether TLS and a login were in force."""

    peer: tuple[str, int]
    commands: list[str] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    tls: bool = False
    login: tuple[str, str] | None = None
    ended: bool = False


def is_positive(action: Action | None, default: str | bytes) -> bool:
    """Returns whether the reply to which *action* (or else *default*) leads is 2xx or 3xx."""
    if isinstance(action, Drop):
        return False
    reply = default if action is None or isinstance(action, Stall) else action
    reply = reply.reply if isinstance(reply, Say | Pieces) else reply
    first = reply[:1].encode() if isinstance(reply, str) else reply[:1]
    return first in (b"2", b"3")
