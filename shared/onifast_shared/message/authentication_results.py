"""Authentication-Results (RFC 8601 section 2.2), taken apart token by token: what stands in quotes is text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

MAX_RESULTS = 64 * 1024  # characters; what no handler writes is not read

# A quoted string that is never closed is no token, and so the field is none. `=` is one of its own; a word is what
# stands between the others: RFC 2045's tokens, and what handlers write without quotes though they should not.
_TOKEN = re.compile(
    r'(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<mark>[;=()])|(?P<space>[ \t\r\n]+)|(?P<word>[^;=()"\s]+)', re.DOTALL
)
_COMMENT = re.compile(r"[^()\\]+|\\.|[()]", re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_KEYWORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[0-9]+")
_INSTANCE = re.compile(r"[0-9]{1,20}")


class MalformedResults(ValueError):
    """A field is not what RFC 8601 describes: nobody can say what its results are."""


@dataclass(frozen=True)
class MethodResult:
    """What one method found. `properties` are (ptype.property, value), their names in lower case."""

    method: str
    result: str
    reason: str = ""
    properties: tuple[tuple[str, str], ...] = ()

    def values(self, name: str) -> list[str]:
        """The values of a property such as `header.from`."""
        return [value for key, value in self.properties if key == name]


@dataclass(frozen=True)
class Results:
    """A field: whose results they are (in lower case), and in an ARC set its number, else 0."""

    authserv_id: str
    results: tuple[MethodResult, ...] = ()
    instance: int = 0


def parse(value: str) -> Results:
    """The results that the value of an Authentication-Results field holds. Raises MalformedResults.

    Of method, version, result, reason and properties the order is the RFC's; pairs without a property's dot, which some
    handlers add, are passed over. Comments and folds may stand anywhere between tokens.
    """
    parts = _parts(value)
    return Results(_authserv_id(parts[0]), _results(parts[1:]))


def parse_arc(value: str) -> Results:
    """The same of an ARC-Authentication-Results field, which begins with its set's number (RFC 8617 section 4.1.1)."""
    number = arc_instance(value)
    parts = _parts(value)
    return Results(_authserv_id(parts[1]), _results(parts[2:]), number)


def arc_instance(value: str) -> int:
    """The number of the set that an ARC-Authentication-Results field is of; what follows is not looked at.

    Raises MalformedResults.
    """
    match [token.text for token in islice(_tokens(value), 4)]:
        case [name, "=", number, ";"] if name.lower() == "i" and _INSTANCE.fullmatch(number):
            return int(number)
    raise MalformedResults("it does not begin with the number of its set")


@dataclass(frozen=True)
class _Token:
    """A word, a quoted string or a mark; `joined` where nothing stands between it and the one before."""

    text: str
    kind: str
    joined: bool

    @property
    def is_text(self) -> bool:
        return self.kind != "mark"


def _parts(value: str) -> list[list[_Token]]:
    """The tokens between semicolons."""
    parts: list[list[_Token]] = [[]]
    for token in _tokens(value):
        if token.kind == "mark" and token.text == ";":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _tokens(value: str) -> Iterator[_Token]:
    if len(value) > MAX_RESULTS:
        raise MalformedResults("it is too long")
    position, joined = 0, False
    while position < len(value):
        match = _TOKEN.match(value, position)
        if match is None or match[0] == ")":
            raise MalformedResults("a quoted string or comment has no end or no beginning")
        position = match.end()
        if match[0] == "(":
            position, joined = _after_comment(value, position), False
        elif match.lastgroup == "space":
            joined = False
        else:
            kind = str(match.lastgroup)
            text = _QUOTED_PAIR.sub(r"\1", match[0][1:-1]) if kind == "quoted" else match[0]
            yield _Token(text, kind, joined)
            joined = True


def _after_comment(value: str, position: int) -> int:
    depth = 1
    while depth:
        match = _COMMENT.match(value, position)
        if match is None:
            raise MalformedResults("a comment has no end")
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        position = match.end()
    return position


def _authserv_id(tokens: list[_Token]) -> str:
    texts = [token.text for token in tokens if token.is_text]
    if len(texts) != len(tokens) or not 1 <= len(tokens) <= 2 or any(token.joined for token in tokens[1:]):
        raise MalformedResults("it does not say whose results it holds")
    if len(texts) == 2 and not _VERSION.fullmatch(texts[1]):
        raise MalformedResults("its version is no number")
    return texts[0].lower()


def _results(parts: list[list[_Token]]) -> tuple[MethodResult, ...]:
    found = [_result(_pairs(part)) for part in parts if part and not _is_none(part)]
    return tuple(result for result in found if result)


def _is_none(part: list[_Token]) -> bool:
    return [token.text.lower() for token in part] == ["none"]


def _pairs(part: list[_Token]) -> list[tuple[str, str]]:
    """(name, value) of what is written `name=value`: names of words alone, values with all that adjoins."""
    pairs: list[tuple[str, str]] = []
    position = 0
    while position < len(part):
        name, position = _name(part, position)
        value, position = _value(part, position)
        pairs.append((name.lower(), value))
    return pairs


def _name(part: list[_Token], position: int) -> tuple[str, int]:
    words = []
    while position < len(part) and part[position].text != "=" and part[position].kind == "word":
        words.append(part[position].text)
        position += 1
    if not words or position >= len(part) or part[position].kind != "mark":
        raise MalformedResults("something in it is no pair of name and value")
    return "".join(words), position + 1


def _value(part: list[_Token], position: int) -> tuple[str, int]:
    if position >= len(part):
        return "", position
    texts, position = [part[position].text], position + 1
    while position < len(part) and part[position].joined:
        texts.append(part[position].text)
        position += 1
    return "".join(texts), position


def _result(pairs: list[tuple[str, str]]) -> MethodResult | None:
    (method, result), rest = pairs[0], pairs[1:]
    method, _, version = method.partition("/")
    if not (_KEYWORD.fullmatch(method) and _KEYWORD.fullmatch(result)) or version not in ("", "1"):
        return None
    reason = rest[0][1] if rest and rest[0][0] == "reason" else ""
    properties = tuple((name, value) for name, value in rest if "." in name)
    return MethodResult(method, result.lower(), reason, properties)
