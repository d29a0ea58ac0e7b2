"""What a reader finds: messages with what their old place said of them, and what it passed over."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Marks:
    """What was noted of a message where it lay."""

    is_read: bool = False
    is_answered: bool = False
    is_starred: bool = False
    is_forwarded: bool = False
    is_draft: bool = False
    is_deleted: bool = False
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class SourceMessage:
    """A message. `place` is the folder that it lay in, its parts divided by `/`, "" where that is not known.

    `use` is the folder's special use (RFC 6154, without the backslash) where its server says that; `received_ts` when
    it came, if the place knows. `position` is where the reader goes on after it, `octets` how much it has read by then,
    and `name` how a report calls it. Where `is_labelled`, the place is one label of several that the message may have.
    """

    raw: bytes
    name: str
    place: str = ""
    use: str = ""
    marks: Marks = field(default_factory=Marks)
    received_ts: int | None = None
    position: str = ""
    octets: int = 0
    is_labelled: bool = False


@dataclass(frozen=True)
class PassedOver:
    """What is not taken, and why, as a phrase for its owner."""

    name: str
    why: str
    position: str = ""
    octets: int = 0


Found = SourceMessage | PassedOver
Finds = Generator[Found, None, None]


class SourceError(ValueError):
    """A source as a whole cannot be read (any further); the text is a sentence for its owner."""


class Interrupted(SourceError):
    """A source does not answer any more; it may be gone on with later."""


@dataclass(frozen=True)
class Bounds:
    """What a source may ask of us: octets of one message, of all of it unpacked, and files in an archive."""

    message: int
    unpacked: int = 64 * 1024**3
    entries: int = 1_000_000
