"""Declarations of CSS from strangers: the properties and values that are kept, written anew from their tokens.

What is written holds no `<`, no quote and no escape but our own, so that it can stand in a style element and in an
attribute. A declaration that has anything else in it than what is listed here goes; of a shorthand with an image that
is not to be loaded only the image goes (CSS Backgrounds 3: `none` stands in its place).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tinycss2.ast import (
    Declaration,
    DimensionToken,
    FunctionBlock,
    HashToken,
    IdentToken,
    LiteralToken,
    Node,
    NumberToken,
    ParenthesesBlock,
    PercentageToken,
    StringToken,
    URLToken,
    WhitespaceToken,
)

ImageOf = Callable[[str], str]
"""The URL that a style may load for one that stands in it, "" for none."""

_DEEPEST = 8  # blocks within each other
_LONGEST = 4000  # characters of a value


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# No position, z-index, cursor, transform, animation or filter: a message draws inside its own frame, and costs little.
PROPERTIES = _words(
    "align-content align-items align-self aspect-ratio background background-attachment background-clip"
    " background-color background-image background-origin background-position background-position-x"
    " background-position-y"
    " background-repeat background-size border border-bottom border-bottom-color border-bottom-left-radius"
    " border-bottom-right-radius border-bottom-style border-bottom-width border-collapse border-color border-image"
    " border-left border-left-color border-left-style border-left-width border-radius border-right border-right-color"
    " border-right-style border-right-width border-spacing border-style border-top border-top-color"
    " border-top-left-radius border-top-right-radius border-top-style border-top-width border-width box-shadow"
    " box-sizing caption-side clear color color-scheme column-count column-gap column-rule column-width columns content"
    " direction display empty-cells flex flex-basis flex-direction flex-flow flex-grow flex-shrink flex-wrap float font"
    " font-family font-feature-settings font-kerning font-size font-stretch font-style font-variant font-weight gap"
    " grid-column grid-gap grid-row grid-template-columns grid-template-rows height hyphens image-rendering"
    " justify-content justify-items justify-self letter-spacing line-height list-style list-style-image"
    " list-style-position list-style-type margin margin-bottom margin-left margin-right margin-top max-height max-width"
    " min-height min-width object-fit object-position opacity order orphans outline outline-color outline-offset"
    " outline-style outline-width overflow overflow-wrap overflow-x overflow-y padding padding-bottom padding-left"
    " padding-right padding-top page-break-after page-break-before page-break-inside place-items quotes row-gap"
    " tab-size table-layout text-align text-align-last text-decoration text-decoration-color text-decoration-line"
    " text-decoration-style text-decoration-thickness text-indent text-overflow text-rendering text-shadow"
    " text-size-adjust text-transform text-underline-offset unicode-bidi vertical-align visibility white-space widows"
    " width word-break word-spacing word-wrap writing-mode"
    " -webkit-border-radius -moz-border-radius -webkit-box-shadow -webkit-box-sizing -moz-box-sizing"
    " -webkit-font-smoothing -webkit-hyphens -ms-text-size-adjust -webkit-text-size-adjust -webkit-text-fill-color"
    " -webkit-line-clamp -webkit-box-orient"
)
_WITH_IMAGES = _words("background background-image list-style list-style-image border-image")
_WITH_STRINGS = _words(
    "content font font-family font-feature-settings quotes text-overflow list-style list-style-type hyphens"
)
_FUNCTIONS = _words(
    "rgb rgba hsl hsla hwb lab lch oklab oklch color-mix calc min max clamp fit-content minmax repeat linear-gradient"
    " radial-gradient conic-gradient repeating-linear-gradient repeating-radial-gradient repeating-conic-gradient"
    " -webkit-linear-gradient -moz-linear-gradient -webkit-radial-gradient counter light-dark"
)
# What shows images in other ways than by url(): their place is taken by none, as a blocked image's is.
_IMAGE_FUNCTIONS = _words(
    "url src image image-set -webkit-image-set cross-fade -webkit-cross-fade element -moz-element paint"
)
_PLAIN = re.compile(r"-?-?[A-Za-z_\u00a1-\uffff][A-Za-z0-9_\u00a1-\uffff-]{0,79}|-")
_UNIT = re.compile(r"[A-Za-z]{1,5}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_HASH = re.compile(r"[0-9A-Za-z_-]{1,40}")
_NO_COLOURS = _words("none transparent inherit initial unset revert currentcolor")
_LITERALS = frozenset(",/+-*")


@dataclass(frozen=True)
class SafeDeclaration:
    """A property and its value, as text that can stand anywhere; `colours` where it sets a colour or background."""

    name: str
    value: str
    important: bool = False
    colours: bool = False

    def __str__(self) -> str:
        return f"{self.name}:{self.value}{' !important' if self.important else ''}"


class _ValueRefused(Exception):
    """There is something in the value that is not kept."""


def declaration(node: Declaration, image_of: ImageOf) -> SafeDeclaration | None:
    """The declaration, made safe; None where it does not stay."""
    name = node.lower_name
    if name not in PROPERTIES:
        return None
    try:
        value = _Value(name, image_of).written(node.value).strip()
    except _ValueRefused:
        return None
    if not value or len(value) > 2 * _LONGEST:
        return None
    coloured = (
        name in ("color", "background", "background-color", "background-image") and value.lower() not in _NO_COLOURS
    )
    return SafeDeclaration(name, value, bool(node.important), coloured)


def quoted(text: str) -> str:
    """A string of CSS."""
    return "".join(('"', *map(_escaped, text), '"'))


def identifier(text: str) -> str:
    """An identifier of CSS (CSSOM section 2.1), whatever is in it."""
    if text == "-":
        return "\\2d "
    out = list(map(_escaped, text))
    start = 1 if text.startswith("-") else 0
    if text[start : start + 1] in tuple("0123456789"):
        out[start] = f"\\{ord(text[start]):x} "
    return "".join(out)


def _escaped(char: str) -> str:
    if char.isascii() and (char.isalnum() or char in "-_"):
        return char
    code = ord(char)
    return char if 0xA1 <= code <= 0xFFFF and not 0xD800 <= code <= 0xDFFF and code < 0xFFF0 else f"\\{code:x} "


class _Value:
    """Writes a property's value; raises _ValueRefused."""

    def __init__(self, name: str, image_of: ImageOf) -> None:
        self._name = name
        self._image_of = image_of
        self._room = _LONGEST

    def written(self, tokens: Sequence[Node], depth: int = 0) -> str:
        """The tokens as text."""
        if depth > _DEEPEST:
            raise _ValueRefused
        return "".join(self._token(token, depth) for token in tokens)

    def _token(self, token: Node, depth: int) -> str:
        text = self._text(token, depth)
        self._room -= len(text) if not isinstance(token, FunctionBlock | ParenthesesBlock | URLToken) else 0
        if self._room < 0:
            raise _ValueRefused
        return text

    def _text(self, token: Node, depth: int) -> str:
        if isinstance(token, WhitespaceToken):
            return " "
        if isinstance(token, IdentToken) and _PLAIN.fullmatch(token.value):
            return str(token.value)
        if isinstance(token, DimensionToken) and _UNIT.fullmatch(token.unit):
            return _number(token.representation) + str(token.unit)
        if isinstance(token, PercentageToken):
            return f"{_number(token.representation)}%"
        if isinstance(token, NumberToken):
            return _number(token.representation)
        if isinstance(token, HashToken) and _HASH.fullmatch(token.value):
            return f"#{token.value}"
        if isinstance(token, LiteralToken) and token.value in _LITERALS:
            return str(token.value)
        if isinstance(token, StringToken) and self._name in _WITH_STRINGS:
            return quoted(token.value)
        if isinstance(token, URLToken):
            return self._image(token.value)
        if isinstance(token, FunctionBlock):
            return self._function(token, depth)
        if isinstance(token, ParenthesesBlock):
            return f"({self.written(token.content, depth + 1)})"
        raise _ValueRefused

    def _function(self, token: FunctionBlock, depth: int) -> str:
        name = token.lower_name
        if name in _IMAGE_FUNCTIONS:
            first = [each for each in token.arguments if not isinstance(each, WhitespaceToken)]
            only = first[0].value if name == "url" and len(first) == 1 and isinstance(first[0], StringToken) else ""
            return self._image(only)
        if name not in _FUNCTIONS:
            raise _ValueRefused
        return f"{name}({self.written(token.arguments, depth + 1)})"

    def _image(self, url: str) -> str:
        if self._name not in _WITH_IMAGES:
            raise _ValueRefused
        shown = self._image_of(url)
        return f"url({quoted(shown)})" if shown else "none"


def _number(representation: str) -> str:
    if not _NUMBER.fullmatch(representation):
        raise _ValueRefused
    return representation
