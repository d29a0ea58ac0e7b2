"""Whether a tag may have so many attributes that HTML parsers, which compare each with all others, take seconds.

What a tag is depends on what stands before it (comments, raw text, foreign content), so nothing here decides it: a tag
is taken for as long as it could be in any of these, which is a little too long and never too short.
"""

from __future__ import annotations

import re

# So many of one tag cost html5ever some two seconds. Attributes have white space, a solidus or a quote between them
# (https://html.spec.whatwg.org/multipage/parsing.html#before-attribute-name-state); so do an image's data and words.
MAX_SEPARATORS = 100_000
_SEPARATORS = " \t\n\r\f/\"'"
_TAG = re.compile("<[A-Za-z]")
_SPACES = 256


def has_huge_tag(html: str) -> bool:
    """Whether a tag of this HTML may have more than `MAX_SEPARATORS` attributes."""
    if _count(html) <= MAX_SEPARATORS:
        return False
    opened, count, is_in_tag = {'"': False, "'": False}, 0, False
    for run in html.split(">"):
        if not is_in_tag and (tag := _TAG.search(run)):
            is_in_tag, count = True, -_count(run[: tag.start()])
        if is_in_tag:
            count += _count(run)
            if count > MAX_SEPARATORS:
                return True
        for quote in opened:
            if (at := run.rfind(quote)) >= 0:
                opened[quote] = _opens(run, at)
        # Within a quoted value `>` ends nothing. It may be one while the last quote before it stands behind `=`.
        if is_in_tag and not any(opened.values()):
            is_in_tag = False
    return False


def _count(text: str) -> int:
    return sum(map(text.count, _SEPARATORS))


def _opens(run: str, at: int) -> bool:
    """Whether the quote at this place may begin a value."""
    before = run[max(0, at - _SPACES) : at].rstrip()
    return not before or before.endswith("=")
