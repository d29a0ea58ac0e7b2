"""Sentences that come in English from where there is no request (the common package, the database), told anew.

A text is looked up as it is; else it is held against the texts with something put in (`%(name)s`), and what stands
there goes into the translation. What the catalogue does not know stays English.
"""

from __future__ import annotations

import re
from functools import lru_cache

from onifast_web.languages.catalogue import Catalogue
from onifast_web.languages.current import catalogue

_PLACE = re.compile(r"%\((\w+)\)s")
_LONGEST = 1000


def retold(text: str) -> str:
    """The text in the language of the request, if its catalogue has it."""
    found = catalogue()
    text = "".join(text)
    if found.is_source or found.has(text) or len(text) > _LONGEST:
        return found.text(text)
    for message, pattern in _patterns(found):
        if match := pattern.fullmatch(text):
            return found.text(message) % match.groupdict()
    return text


@lru_cache(maxsize=8)
def _patterns(found: Catalogue) -> list[tuple[str, re.Pattern[str]]]:
    """The texts with something put in, those first that say the most besides."""
    known = [each for each in found.messages() if _PLACE.search(each)]
    known.sort(key=lambda each: -len(_PLACE.sub("", each)))
    return [(each, re.compile(_as_pattern(each))) for each in known if len(_PLACE.sub("", each)) > 8]


def _as_pattern(message: str) -> str:
    pattern, position, seen = "", 0, set[str]()
    for place in _PLACE.finditer(message):
        pattern += re.escape(message[position : place.start()].replace("%%", "%"))
        pattern += f"(?P={place[1]})" if place[1] in seen else f"(?P<{place[1]}>.+?)"
        seen.add(place[1])
        position = place.end()
    return pattern + re.escape(message[position:].replace("%%", "%"))
