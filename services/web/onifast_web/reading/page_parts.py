"""What an HTML page says outside of what it shows: style sheets, its body's attributes, its kind and its schemes."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import nh3

from onifast_web.reading.markup import unescape

_MARK = re.compile(r"<!--|<(?:body|html|meta|style|script|title|textarea|noscript)\b", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([^\s=/>"'<]+)(?:\s*+=\s*+(?:"([^"]*)"|'([^']*)'|([^\s>"']++)))?""")
_LONGEST_TAG = 8192
_DOCTYPE = re.compile(r"\s*+(?:<!--.{0,500}?-->\s*+)?<!doctype([^>]{0,300})>", re.IGNORECASE | re.DOTALL)
_STYLE = re.compile(r'<style(?: media="([^"]*)")?>(.*?)</style>', re.DOTALL)


@dataclass(frozen=True)
class StyleSheet:
    """A style element's text and the media that it is for."""

    css: str
    media: str


@dataclass
class HtmlParts:
    """`root` and `body` are attributes of those elements; `is_strict` tells the doctype of today's standards.

    `schemes` are the colour schemes that its meta element says it is made for, "" where it says none.
    """

    root: dict[str, str] = field(default_factory=dict)
    body: dict[str, str] = field(default_factory=dict)
    schemes: str = ""
    is_strict: bool = False
    sheets: list[StyleSheet] = field(default_factory=list)


def read(source: str, dropped: Collection[str]) -> HtmlParts:
    """The parts of an HTML page, unfiltered. Elements in `dropped` are no place for style sheets."""
    found = HtmlParts()
    doctype = _DOCTYPE.match(source)
    found.is_strict = doctype is not None and not re.search("transitional|frameset", doctype[1], re.IGNORECASE)
    _read_tags(source, found)
    if "<style" in source.lower():
        found.sheets = _sheets(source, dropped)
    return found


def _sheets(source: str, dropped: Collection[str]) -> list[StyleSheet]:
    """As a browser's parser finds them: in what nh3 writes, no `<` begins anything but a style element."""
    only = nh3.clean(
        source,
        tags={"style"},
        clean_content_tags=set(dropped) - {"style"},
        attributes={"style": {"media"}},
        link_rel=None,
    )
    return [StyleSheet(css, unescape(media)) for media, css in _STYLE.findall(only)]


def _read_tags(source: str, found: HtmlParts) -> None:
    """Looks for the tags from the beginning on, past comments and what is no markup, up to the body's."""
    position = 0
    while mark := _MARK.search(source, position):
        name = mark[0][1:].lower()
        position = mark.end()
        if name == "!--":
            # `<!-->` is a whole comment (HTML section 13.2.5.43).
            position = source.find("-->", mark.start() + 2) + 3
        elif name in ("style", "script", "title", "textarea", "noscript"):
            closing = re.compile(f"</{name}", re.IGNORECASE).search(source, position)
            position = closing.end() if closing else 0
        else:
            attributes, position = _attributes(source, position)
            _note(name, attributes, found)
        if position < mark.end() or name == "body":
            return


def _note(name: str, attributes: Mapping[str, str], found: HtmlParts) -> None:
    if name == "body":
        found.body = dict(attributes)
    elif name == "html":
        found.root = {**attributes, **found.root}
    elif attributes.get("name", "").lower() in ("color-scheme", "supported-color-schemes"):
        words = attributes.get("content", "").lower().split()
        found.schemes = " ".join(word for word in words[:4] if word in ("light", "dark", "only")) or found.schemes


def _attributes(source: str, position: int) -> tuple[dict[str, str], int]:
    """The attributes of a tag whose name ends at `position`, of two of one name the first; and where it ends.

    What is in a tag begins no other one, so that no part of the source is read twice.
    """
    found: dict[str, str] = {}
    end = min(position + _LONGEST_TAG, len(source))
    while position < end and source[position] != ">":
        match = _ATTRIBUTE.match(source, position, end)
        if match is None:
            position += 1
            continue
        value = next((part for part in match.groups()[1:] if part is not None), "")
        found.setdefault(match[1].lower(), unescape(value))
        position = match.end()
    return found, position
