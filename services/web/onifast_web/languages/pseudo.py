"""Languages that nobody speaks, made from English as it is shown: what stays plain in them was not written for gettext.

`en-XA` is accented and longer, as most languages are; `ar-XB` runs from right to left. For tests and development.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ACCENTED = "åƀçðéƒĝĥîĵķļɱñöþɋŕšţûṽŵẋýžÅƁÇÐÉƑĜĤÎĴĶĻṀÑÖÞɊŔŠŢÛṼŴẊÝŽ"
_TABLE = str.maketrans(_PLAIN, _ACCENTED)
_KEPT = re.compile(r"(%\([^)]*\)[sd]|%%|\{\w+\}|<[^>]*>|&[#\w]+;)")
_LONGER = 0.3


def accented(text: str) -> str:
    """The text with accents on its letters, and a third longer; placeholders, tags and entities stay."""
    parts = _KEPT.split(text)
    letters = sum(len(part) for part in parts[::2])
    changed = "".join(part if index % 2 else part.translate(_TABLE) for index, part in enumerate(parts))
    return changed + " " + "~" * max(1, int(letters * _LONGER)) if letters > 2 else changed


def mirrored(text: str) -> str:
    """The text as one that runs from right to left: its letters are shown in that order, whatever they are."""
    parts = _KEPT.split(text)
    return "".join(
        part if index % 2 or not part.strip() else "\u202e" + part.translate(_TABLE) + "\u202c"
        for index, part in enumerate(parts)
    )


LANGUAGES: Mapping[str, Callable[[str], str]] = {"en-XA": accented, "ar-XB": mirrored}
