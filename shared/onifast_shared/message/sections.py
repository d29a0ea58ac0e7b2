"""A message in two, its header section and its body (RFC 5322 section 2.1): taken apart once, and handed on so.

Whoever takes a message in makes a `RawMessage` of it, and whatever decides by its header asks the `HeaderSection`,
which finds its fields when the first is asked for. Another header makes another value, which knows what the old one
knew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import NamedTuple

from onifast_shared.message.headers import FIELD, body_start, split_head

_OCTETS = itemgetter(2)


class HeaderField(NamedTuple):
    """A field: its name in lower case, its value with its folds but without the last line end, and all its octets."""

    key: str
    value: bytes
    octets: bytes

    @property
    def name(self) -> str:
        """The name as it is written."""
        return self.octets[: len(self.key)].decode("ascii")


class HeaderSection:
    """A header section, as `split_head` gives it. What may be in it that is no field has the key ""."""

    __slots__ = ("_fields", "_values", "octets")

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self._fields: Sequence[HeaderField] | None = None
        self._values: dict[str, list[bytes]] | None = None

    @property
    def fields(self) -> Sequence[HeaderField]:
        """The fields in order."""
        if self._fields is None:
            self._fields = self._taken_apart()
        return self._fields

    def _taken_apart(self) -> Sequence[HeaderField]:
        return _found(self.octets)

    def has(self, key: str) -> bool:
        """Whether there is a field of that name, in lower case."""
        return bool(self.values(key))

    def values(self, key: str) -> Sequence[bytes]:
        """The values of the fields of one name, in lower case."""
        if self._values is None:
            self._values = {}
            for name, value, _ in self.fields:
                self._values.setdefault(name, []).append(value)
        return self._values.get(key, ())

    def changed(self, change: Callable[[HeaderField], bytes | None]) -> HeaderSection:
        """This header section with the whole field that `change` makes of each; None leaves one as it is."""
        fields, is_new = list[HeaderField](), False
        for field in self.fields:
            new = change(field)
            if new is None:
                fields.append(field)
            else:
                fields += _found(new)
                is_new = True
        return _of_fields(fields) if is_new else self

    def with_below(self, octets: bytes) -> HeaderSection:
        """This header section with whole fields below its own, so that trace fields stay on top; it ends with CRLF."""
        fields = self.fields
        if fields and not fields[-1].octets.endswith(b"\r\n"):
            fields = [*fields[:-1], *_found(fields[-1].octets + b"\r\n")]
        return self if fields is self.fields and not octets else _of_fields([*fields, *_found(octets)])

    def renewed(self, octets: bytes) -> HeaderSection:
        """The header section of these octets: this one, where they are its own."""
        return self if octets == self.octets else HeaderSection(octets)


class RawMessage:
    """A message as octets, of which the first are its header section."""

    __slots__ = ("_is_ascii", "head", "octets")

    def __init__(self, octets: bytes, head: HeaderSection, *, is_ascii: bool | None = None) -> None:
        self.octets = octets
        self.head = head
        self._is_ascii = is_ascii

    @classmethod
    def of(cls, octets: bytes) -> RawMessage:
        """The message, its header section found."""
        return cls(octets, HeaderSection(split_head(octets)[0]))

    @property
    def is_ascii(self) -> bool:
        """Whether no octet has its highest bit set; looked at once, unless whoever made it knew."""
        if self._is_ascii is None:
            self._is_ascii = self.octets.isascii()
        return self._is_ascii

    @property
    def body(self) -> memoryview:
        """What follows the empty line, or the line that ended the header section without being empty."""
        return memoryview(self.octets)[body_start(self.octets, len(self.head.octets)) :]

    @property
    def is_divided(self) -> bool:
        """Whether an empty line, or the message's end, ends the header section: then all readers see the same one."""
        end = len(self.head.octets)
        return end == len(self.octets) or self.octets.startswith(b"\r\n", end)

    def with_head(self, head: HeaderSection) -> RawMessage:
        """The message with another header section, an empty line below it, and the same body, which is copied once."""
        if head is self.head and self.octets.startswith(b"\r\n", len(head.octets)):
            return self
        return RawMessage(b"".join((head.octets, b"\r\n", self.body)), head)

    def renewed(self, octets: bytes) -> RawMessage:
        """The message of these octets: this one, where they are its own."""
        return self if octets is self.octets else RawMessage.of(octets)


def _of_fields(fields: Sequence[HeaderField]) -> HeaderSection:
    section = HeaderSection(b"".join([field.octets for field in fields]))
    section._fields = fields
    return section


def _found(octets: bytes) -> list[HeaderField]:
    found = [_field(match) for match in FIELD.finditer(octets)]
    return found if sum(map(len, map(_OCTETS, found))) == len(octets) else _with_gaps(octets)


def _with_gaps(octets: bytes) -> list[HeaderField]:
    """The fields, and what stands between them that is none."""
    found, position = list[HeaderField](), 0
    for match in FIELD.finditer(octets):
        found += [HeaderField("", b"", octets[position : match.start()])] if match.start() > position else []
        found.append(_field(match))
        position = match.end()
    return [*found, HeaderField("", b"", octets[position:])] if position < len(octets) else found


def _field(match: re.Match[bytes]) -> HeaderField:
    return HeaderField(match[1].lower().decode("ascii"), match[2].rstrip(b"\r"), match[0])
