"""Selectors and media queries of CSS from strangers, written anew from their tokens.

Names of classes and ids get a prefix, here as in the HTML, so that they meet none of the page that the message may be
put into. What is not listed here makes the selector, or the query, one that matches nothing, and it goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tinycss2.ast import (
    DimensionToken,
    FunctionBlock,
    HashToken,
    IdentToken,
    LiteralToken,
    Node,
    NumberToken,
    ParenthesesBlock,
    SquareBracketsBlock,
    StringToken,
    WhitespaceToken,
)

from onifast_web.reading.css_values import identifier, quoted

PREFIX = "m-"
"""What the names of a message's classes and ids begin with once they are shown."""

_DEEPEST = 4
_MOST_TOKENS = 200  # of one selector


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PSEUDO_CLASSES = _words(
    "active any-link checked empty first-child first-of-type focus focus-within hover last-child last-of-type link"
    " only-child only-of-type root target visited"
)
_PSEUDO_ELEMENTS = _words("after before first-letter first-line marker")
_OF_SELECTORS = _words("is not where -webkit-any -moz-any")
_OF_NUMBERS = _words("nth-child nth-last-child nth-last-of-type nth-of-type")
# A rule that begins to match by what the reader does, or has done, must load nothing.
_OF_THE_READER = _words("active checked focus focus-within hover target visited")
_MATCHES = frozenset(("=", "~=", "^=", "$=", "*=", "|="))
_WHOLE_WORDS = frozenset(("=", "~=", "^=", "|="))
_MEDIA_WORDS = _words("all and not only or print screen")
_MEDIA_FEATURES = _words(
    "width min-width max-width height min-height max-height device-width min-device-width max-device-width"
    " device-height min-device-height max-device-height orientation portrait landscape aspect-ratio min-aspect-ratio"
    " max-aspect-ratio resolution min-resolution max-resolution -webkit-device-pixel-ratio"
    " -webkit-min-device-pixel-ratio -webkit-max-device-pixel-ratio min--moz-device-pixel-ratio prefers-color-scheme"
    " dark light no-preference hover any-hover pointer none fine coarse color monochrome prefers-reduced-motion reduce"
)

_IN_PARENTHESES = _MEDIA_WORDS | _MEDIA_FEATURES


@dataclass(frozen=True)
class SafeSelector:
    """A selector as text; `reacts` where it depends on what the reader does or has done."""

    text: str
    reacts: bool


@dataclass(frozen=True)
class SafeMedia:
    """A list of media queries as text; `scheme` where it asks for one: "dark", "light" or ""."""

    text: str
    scheme: str


class _SelectorRefused(Exception):
    """There is something in it that is not kept."""


def prefixed(name: str, kept: str = "") -> str:
    """A class or id as it is shown; one that has the prefix, or is `kept`, stays."""
    return name if name.startswith(PREFIX) or name == kept else PREFIX + name


def selectors(prelude: Sequence[Node], scope: str = "") -> Iterator[SafeSelector]:
    """Those of a list of selectors that stay. With a `scope`, a class, they match within elements of that class."""
    for part in _split(prelude):
        if len(part) <= _MOST_TOKENS:
            writer = _Selector(scope)
            try:
                yield SafeSelector(writer.scoped(part), writer.reacts)
            except _SelectorRefused:
                continue


def media(prelude: Sequence[Node]) -> SafeMedia | None:
    """A list of media queries (Media Queries 4), None where nothing of it stays."""
    if len(prelude) > _MOST_TOKENS:
        return None
    kept: list[str] = []
    schemes: set[str] = set()
    for part in _split(prelude):
        try:
            kept.append(_query(part, schemes))
        except _SelectorRefused:
            continue
    if not kept:
        return None
    return SafeMedia(",".join(kept), "dark" if "dark" in schemes else "light" if schemes else "")


def _split(tokens: Sequence[Node]) -> Iterator[list[Node]]:
    """The parts between commas, without the white space around them."""
    part: list[Node] = []
    for token in (*tokens, None):
        if token is None or (isinstance(token, LiteralToken) and token.value == ","):
            while part and isinstance(part[-1], WhitespaceToken):
                part.pop()
            if part:
                yield part
            part = []
        elif part or not isinstance(token, WhitespaceToken):
            part.append(token)


class _Selector:
    """Writes one selector; raises _SelectorRefused."""

    def __init__(self, scope: str) -> None:
        self._scope = scope
        self.reacts = False

    def scoped(self, tokens: Sequence[Node]) -> str:
        """The selector, matching within the scope alone if there is one; the scope is its root and body then."""
        if not self._scope:
            return self._written(tokens, 0)
        named = _names_class(tokens, self._scope)
        rest = list(tokens if named else _below_root(tokens))
        if (named or len(rest) < len(tokens)) and _leads_beside(rest):
            raise _SelectorRefused
        text = self._written(rest, 0)
        if named:
            return text
        within = f".{identifier(self._scope)}"
        return within + text if len(rest) < len(tokens) else f"{within} {text}"

    def _written(self, tokens: Sequence[Node], depth: int) -> str:
        if depth > _DEEPEST:
            raise _SelectorRefused
        out: list[str] = []
        rest = iter(tokens)
        for token in rest:
            if isinstance(token, LiteralToken) and token.value in (".", ":"):
                out.append(self._class(next(rest, None)) if token.value == "." else self._pseudo(rest, depth))
            elif isinstance(token, LiteralToken) and token.value in (">", "+", "~", "*", ","):
                out.append(str(token.value))
            elif isinstance(token, WhitespaceToken):
                out.append(" ")
            elif isinstance(token, IdentToken):
                out.append(identifier(token.value))
            elif isinstance(token, HashToken):
                out.append(f"#{identifier(prefixed(token.value))}")
            elif isinstance(token, SquareBracketsBlock):
                out.append(self._attribute(token))
            else:
                raise _SelectorRefused
        return "".join(out)

    def _class(self, token: Node | None) -> str:
        if not isinstance(token, IdentToken):
            raise _SelectorRefused
        return f".{identifier(prefixed(token.value, self._scope))}"

    def _pseudo(self, rest: Iterator[Node], depth: int) -> str:
        token, colons = next(rest, None), ":"
        if isinstance(token, LiteralToken) and token.value == ":":
            token, colons = next(rest, None), "::"
        if isinstance(token, IdentToken):
            name = token.lower_value
            if name not in _PSEUDO_ELEMENTS and (colons == "::" or name not in _PSEUDO_CLASSES):
                raise _SelectorRefused
            self.reacts |= name in _OF_THE_READER
            return f"{colons}{name}"
        if isinstance(token, FunctionBlock) and colons == ":":
            return f":{token.lower_name}({self._arguments(token, depth)})"
        raise _SelectorRefused

    def _arguments(self, token: FunctionBlock, depth: int) -> str:
        if token.lower_name in _OF_SELECTORS:
            return self._written(token.arguments, depth + 1)
        if token.lower_name not in _OF_NUMBERS:
            raise _SelectorRefused
        return "".join(map(_of_nth, token.arguments))

    def _attribute(self, block: SquareBracketsBlock) -> str:
        parts = [token for token in block.content if not isinstance(token, WhitespaceToken)]
        if not parts or not isinstance(parts[0], IdentToken):
            raise _SelectorRefused
        name = parts[0].lower_value
        if len(parts) == 1:
            return f"[{identifier(name)}]"
        match = "".join(str(token.value) for token in parts[1:-1] if isinstance(token, LiteralToken))
        value = parts[-1]
        if len(parts) > 4 or match not in _MATCHES or not isinstance(value, IdentToken | StringToken):
            raise _SelectorRefused
        text = str(value.value)
        if name in ("class", "id") and match in _WHOLE_WORDS:
            text = " ".join(prefixed(word, self._scope) for word in text.split())
        return f"[{identifier(name)}{match}{quoted(text)}]"


def _below_root(tokens: Sequence[Node]) -> Iterator[Node]:
    """A selector without what it says of the page's root and body at its beginning."""
    position = 0
    while position < len(tokens):
        token, after = tokens[position], tokens[position + 1 : position + 3]
        if isinstance(token, IdentToken) and token.lower_value in ("html", "body"):
            position += 1
        elif _is_root(token, after):
            position += 2
        else:
            break
        further = position
        while further < len(tokens) and _is_combinator(tokens[further]):
            further += 1
        following = tokens[further : further + 1]
        if not (following and isinstance(following[0], IdentToken) and following[0].lower_value == "body"):
            break
        position = further
    yield from tokens[position:]


def _leads_beside(tokens: Sequence[Node]) -> bool:
    """Whether what follows the first compound is beside it, rather than in it: outside of the scope, if that is it."""
    has_ended = False
    for token in tokens:
        if isinstance(token, LiteralToken) and token.value in (">", "+", "~"):
            return bool(token.value != ">")
        if isinstance(token, WhitespaceToken):
            has_ended = True
        elif has_ended:
            return False
    return False


def _is_root(token: Node, after: Sequence[Node]) -> bool:
    is_colon = isinstance(token, LiteralToken) and token.value == ":"
    return is_colon and bool(after) and isinstance(after[0], IdentToken) and after[0].lower_value == "root"


def _is_combinator(token: Node) -> bool:
    return isinstance(token, WhitespaceToken) or (isinstance(token, LiteralToken) and token.value == ">")


def _names_class(tokens: Sequence[Node], name: str) -> bool:
    """Whether a selector begins with this class: then it has been given its scope before."""
    first = tokens[:2]
    return (
        len(first) == 2 and isinstance(first[0], LiteralToken) and first[0].value == "." and _is_ident(first[1], name)
    )


def _is_ident(token: Node, name: str) -> bool:
    return isinstance(token, IdentToken) and bool(token.value == name)


def _of_nth(token: Node) -> str:
    if isinstance(token, WhitespaceToken):
        return " "
    if isinstance(token, NumberToken) and token.is_integer:
        return str(token.representation)
    if isinstance(token, DimensionToken) and token.is_integer and token.lower_unit in ("n", "n-"):
        return f"{token.representation}{token.lower_unit}"
    if isinstance(token, IdentToken) and token.lower_value in ("even", "odd", "n", "-n"):
        return str(token.lower_value)
    if isinstance(token, LiteralToken) and token.value in ("+", "-"):
        return str(token.value)
    raise _SelectorRefused


def _query(tokens: Sequence[Node], schemes: set[str], depth: int = 0) -> str:
    if depth > _DEEPEST:
        raise _SelectorRefused
    return "".join(_of_query(token, schemes, depth) for token in tokens)


def _of_query(token: Node, schemes: set[str], depth: int) -> str:
    """A token of a media query; features and what they are compared with stand in parentheses."""
    if isinstance(token, WhitespaceToken):
        return " "
    if isinstance(token, IdentToken) and token.lower_value in (_IN_PARENTHESES if depth else _MEDIA_WORDS):
        return str(token.lower_value)
    if isinstance(token, ParenthesesBlock):
        _note_scheme(token, schemes)
        return f"({_query(token.content, schemes, depth + 1)})"
    if not depth:
        raise _SelectorRefused
    if isinstance(token, LiteralToken) and token.value in (":", "/", "<", ">", "="):
        return " / " if token.value == "/" else str(token.value)
    if isinstance(token, DimensionToken) and token.lower_unit.isalpha() and token.unit.isascii():
        return f"{token.value:.6g}{token.lower_unit[:8]}"
    if isinstance(token, NumberToken):
        return f"{token.value:.6g}"
    raise _SelectorRefused


def _note_scheme(block: ParenthesesBlock, schemes: set[str]) -> None:
    words = [token.lower_value for token in block.content if isinstance(token, IdentToken)]
    if words[:1] == ["prefers-color-scheme"]:
        schemes.add(words[-1])
