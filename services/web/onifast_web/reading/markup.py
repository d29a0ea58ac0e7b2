"""Walks through HTML that the sanitiser has written, tag by tag, and writes it anew with other attributes.

In what it reads no text has a `<`, and no attribute has a `"`: nh3 writes both as references. So a tag ends where the
pattern says, and a `<` within an attribute begins none, since each tag is read with its attributes.
"""

from __future__ import annotations

import html
import re
from typing import Protocol

_TAG = re.compile(r'<(/?)([a-z][a-z0-9]*)((?: [^\s="<>/]+="[^"]*+")*) ?/?>')
_ATTRIBUTE = re.compile(r' ([^\s="<>/]+)="([^"]*+)"')


class ElementRewriter(Protocol):
    """Decides about each element."""

    def start(self, tag: str, attributes: dict[str, str]) -> dict[str, str] | str:
        """The attributes that it gets; or HTML that stands in its tag's place, "" for nothing."""

    def text(self, text: str) -> None:
        """Hears a piece of text."""

    def end(self, tag: str) -> str:
        """HTML that is put behind its end."""


def rewritten(clean: str, rewriter: ElementRewriter) -> str:
    """The same HTML with each start tag as the rewriter has it."""
    out: list[str] = []
    position = 0
    for match in _TAG.finditer(clean):
        if match.start() > position:
            piece = clean[position : match.start()]
            rewriter.text(unescape(piece))
            out.append(piece)
        position = match.end()
        closing, tag, written = match.groups()
        if closing:
            out += [f"</{tag}>", rewriter.end(tag)]
            continue
        found = {name: unescape(value) for name, value in _ATTRIBUTE.findall(written)}
        attributes = rewriter.start(tag, found)
        out.append(attributes if isinstance(attributes, str) else f"<{tag}{with_values(attributes)}>")
    out.append(clean[position:])
    return "".join(out)


def with_values(attributes: dict[str, str]) -> str:
    """Attributes as they stand in a tag."""
    return "".join(f' {name}="{html.escape(value)}"' for name, value in attributes.items())


def unescape(text: str) -> str:
    """Text without character references."""
    try:
        return html.unescape(text)
    except ValueError:  # a reference with thousands of digits
        return text
