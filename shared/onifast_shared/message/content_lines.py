"""Content lines, which calendars (RFC 5545 section 3.1) and vCards (RFC 6350 section 3.3) are made of."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MOST_LINES = 5000
_FOLD_OCTETS = 75
_MOST_TEXT = 1 << 18  # characters that are looked at
_FOLD = re.compile(r"\n[ \t]")
_LINE = re.compile(r'([A-Za-z0-9.-]{1,60})((?:;[A-Za-z0-9-]{1,60}=[^";:\n]*+(?:"[^"\n]*+"[^";:\n]*+)*)*):(.*)')
_PARAMETER = re.compile(r';([A-Za-z0-9-]{1,60})=([^";:\n]*+(?:"[^"\n]*+"[^";:\n]*+)*)')
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True)
class ContentLine:
    """A line: its name in capitals, its parameters with names in capitals, and its value as it is written."""

    name: str
    parameters: dict[str, str]
    value: str

    @property
    def text(self) -> str:
        """The value as text (RFC 5545 section 3.3.11)."""
        return _ESCAPE.sub(lambda match: "\n" if match[1] in "nN" else match[1], self.value).strip()


def lines(text: str) -> list[ContentLine]:
    """The lines of a text, folds undone; what is none is left out."""
    unfolded = _FOLD.sub("", text[:_MOST_TEXT].replace("\r\n", "\n").replace("\r", "\n"))
    found = (_LINE.fullmatch(line) for line in unfolded.split("\n", _MOST_LINES)[:_MOST_LINES])
    return [ContentLine(match[1].upper(), _parameters(match[2]), match[3]) for match in found if match]


def write(head: str, value: str, *, is_text: bool = True) -> str:
    """A line with its end, in folds of 75 octets (RFC 5545 section 3.1); `head` is the name with its parameters.

    `is_text`: what means something in a text is escaped.
    """
    if is_text:
        value = re.sub(r"([\\\\,;])", r"\\\1", value)
    whole = f"{head}:{value}".replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\\n")
    pieces, room = [""], _FOLD_OCTETS
    for character in whole:
        octets = len(character.encode("utf-8", "replace"))
        if octets > room:
            pieces.append(" ")
            room = _FOLD_OCTETS - 1
        pieces[-1] += character
        room -= octets
    return "\r\n".join(pieces) + "\r\n"


def _parameters(text: str) -> dict[str, str]:
    return {match[1].upper(): match[2].replace('"', "").strip() for match in _PARAMETER.finditer(text)}
