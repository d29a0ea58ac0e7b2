"""Names of labels and own folders: in any language, nested by `/`, told apart without regard to case."""

from __future__ import annotations

import re
import unicodedata

from onifast_shared.values import letters

SEPARATOR = "/"

MOST_DEPTH = 8
"""How many names may stand in one another."""

MOST_CHARACTERS = 200
"""Of a name with all those above it."""

RESERVED = frozenset({"inbox", "drafts", "sent", "junk", "archive", "trash", "outbox", "scheduled", "starred", "spam"})
"""What the webmail calls its own folders and views: no label at the top is called so."""

COLOURS = (
    "grey", "red", "orange", "amber", "green", "teal", "cyan", "blue", "indigo", "violet", "pink", "brown",
)  # fmt: skip
"""The colours of labels; what they look like in light and in dark is the webmail's affair."""


class LabelNameError(ValueError):
    """A name that no label can have; the text is a phrase that says what is allowed."""


def parse(text: str) -> str:
    """A name as it is stored: NFC, without spaces at the ends of its parts; raises LabelNameError."""
    if letters.turns_text(text) or letters.conceals(text):
        raise LabelNameError("characters that nobody can see are not allowed")
    parts = [re.sub(r"\s+", " ", part).strip() for part in unicodedata.normalize("NFC", text).split(SEPARATOR)]
    if not all(parts):
        raise LabelNameError("a name is needed" if not text.strip() else "there must be a name on each side of a /")
    if any(unicodedata.category(each) in ("Cc", "Cs", "Co", "Cn") for part in parts for each in part):
        raise LabelNameError("control characters are not allowed")
    name = SEPARATOR.join(parts)
    if len(name) > MOST_CHARACTERS:
        raise LabelNameError(f"a name has {MOST_CHARACTERS} characters at the most, with those above it")
    if len(parts) > MOST_DEPTH:
        raise LabelNameError(f"names are nested {MOST_DEPTH} deep at the most")
    if key(parts[0]) in RESERVED:
        raise LabelNameError(f"{parts[0]!r} is a folder of its own already")
    return name


def key(name: str) -> str:
    """What two names have in common that are the same (Unicode's canonical caseless matching)."""
    folded = unicodedata.normalize("NFD", name).casefold()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", folded))


def parent(name: str) -> str:
    """The name of the label that this one lies in, "" for none."""
    return name.rpartition(SEPARATOR)[0]


def ancestors(name: str) -> list[str]:
    """The names of all that this one lies in, from the top."""
    parts = name.split(SEPARATOR)
    return [SEPARATOR.join(parts[:depth]) for depth in range(1, len(parts))]


def leaf(name: str) -> str:
    """The last part of a name: what it is called where one sees what it lies in."""
    return name.rpartition(SEPARATOR)[2]
