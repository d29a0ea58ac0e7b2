"""What people type to find mail, taken apart: words, phrases, operators, and what stands between them.

    invoice "of this month" -draft from:ann has:attachment after:2026-01-01 (urgent OR is:starred)

All parts have to hold; `OR` stands between those of which one has to. Whatever is not understood is said in a sentence,
and finds nothing by mistake.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from onifast_shared.search import values
from onifast_shared.search.words import words

MOST_PARTS = 40
"""Words, phrases and operators in one search."""

MOST_DEPTH = 10
"""Parentheses within parentheses."""

FOLDERS = ("inbox", "drafts", "sent", "junk", "archive", "trash")
ANYWHERE = "anywhere"


class QueryError(ValueError):
    """A search that is not understood. The text is a sentence or two for who typed it."""


@dataclass(frozen=True)
class Phrase:
    """Words that stand one after another, in one column or in any (""); the last may be a beginning (`is_prefix`)."""

    words: tuple[str, ...]
    column: str = ""
    is_prefix: bool = False


@dataclass(frozen=True)
class Mark:
    """A message that is `read`, `starred`, or has an `attachment`; or is not so."""

    name: str
    wanted: bool = True


@dataclass(frozen=True)
class Bound:
    """A message that came `before` or not before (`after`) an epoch second, or is `larger` or `smaller` than octets."""

    name: str
    value: int


@dataclass(frozen=True)
class Place:
    """A message in a `folder`, in an own one too, or with a `label`; a folder "anywhere" is any."""

    name: str
    value: str


@dataclass(frozen=True)
class Not:
    """What does not hold."""

    part: Node


@dataclass(frozen=True)
class And:
    """What all has to hold."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Or:
    """What has to hold in part."""

    parts: tuple[Node, ...]


Node = Phrase | Mark | Bound | Place | Not | And | Or

_COLUMNS = {
    "from": "sender",
    "to": "recipient",
    "cc": "cc",
    "subject": "subject",
    "filename": "filename",
    "list": "list",
}
_WANTED = {
    "from": "a name or an address",
    "to": "a name or an address",
    "cc": "a name or an address",
    "subject": "a word",
    "filename": "a part of a file's name",
    "list": "a part of a mailing list's name",
    "has": "attachment",
    "is": "unread, read or starred",
    "in": f"{', '.join(FOLDERS)}, {ANYWHERE}, or the name of an own folder",
    "label": "the name of a label",
    "before": "a date, such as 2026-03-31",
    "after": "a date, such as 2026-03-31",
    "older_than": "a number of days, weeks, months or years, such as 3d, 2w, 6m or 1y",
    "newer_than": "a number of days, weeks, months or years, such as 3d, 2w, 6m or 1y",
    "larger": "a size, such as 500K or 5M",
    "smaller": "a size, such as 500K or 5M",
}
OPERATORS = tuple(_WANTED)
"""The operators, without their colons."""

MEANINGS = _WANTED
"""What comes after each operator, in words."""

VALUES = {"has": ("attachment",), "is": ("unread", "read", "starred"), "in": (*FOLDERS, ANYWHERE)}
"""What may come after an operator, where that is known beforehand."""

_IS = {"unread": Mark("read", wanted=False), "read": Mark("read"), "starred": Mark("starred")}
_HAS = {"attachment": Mark("attachment"), "attachments": Mark("attachment")}

# An operator or a word may be followed by a quoted text; quotes within a word are letters.
_TOKEN = re.compile(
    r"""\s*(?:(?P<open>-?\()|(?P<close>\))
        |(?P<minus>-?)(?:(?P<operator>[A-Za-z_]+):(?!//))?(?:"(?P<quoted>[^"]*)(?:"|$)|(?P<plain>[^\s()"][^\s()]*)?))""",
    re.VERBOSE,
)
_LONE = re.compile(r"[\W_]*")


@dataclass(frozen=True)
class QueryToken:
    """A piece of what was typed; `kind` is open, close, or and part."""

    kind: str
    is_negative: bool = False
    operator: str = ""
    text: str = ""
    is_quoted: bool = False
    is_last: bool = False


def parse(text: str, now: float) -> Node:
    """What a search asks for; ages count from `now`. Raises QueryError."""
    tokens = _tokens(text)
    node, rest = _any_of(tokens, 0, now, 0)
    if rest < len(tokens):
        raise QueryError("There is a “)” without a “(”. To look for the text itself, put it in quotes.")
    return node


def about(address: str) -> Node:
    """What finds the messages that are to or from an address; raises QueryError."""
    found = tuple(words(address))
    if not found:
        raise QueryError(f"There is no word in “{address}”: type a letter or a digit.")
    return Or((Phrase(found, "sender"), Phrase(found, "recipient")))


def _tokens(text: str) -> list[QueryToken]:
    text, found, position = text.strip(), list[QueryToken](), 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.end() == position:
            position += 1
            continue
        position = match.end()
        token = _token(match, is_last=position == len(text))
        if token is not None:
            found.append(token)
    if sum(each.kind == "part" for each in found) > MOST_PARTS:
        raise QueryError(f"A search has {MOST_PARTS} words and operators at the most.")
    return found


def _token(match: re.Match[str], *, is_last: bool) -> QueryToken | None:
    """None for punctuation, which finds nothing and hinders nothing."""
    if match["open"]:
        return QueryToken("open", match["open"].startswith("-"))
    if match["close"]:
        return QueryToken("close")
    quoted, plain = match["quoted"], match["plain"] or ""
    if not match["operator"] and quoted is None:
        if plain in ("OR", "|"):
            return QueryToken("or")
        if _LONE.fullmatch(plain):
            return None
    text = plain if quoted is None else quoted
    is_negative, operator = bool(match["minus"]), (match["operator"] or "").lower()
    is_whole = quoted is not None and match[0].endswith('"')
    return QueryToken("part", is_negative, operator, text, is_whole, is_last)


def _any_of(tokens: Sequence[QueryToken], at: int, now: float, depth: int) -> tuple[Node, int]:
    """What stands between `OR`s, up to a closing parenthesis or the end."""
    if depth > MOST_DEPTH:
        raise QueryError("There are too many parentheses within each other.")
    sides = list[Node]()
    while True:
        side, at = _all_of(tokens, at, now, depth)
        sides.append(side)
        if at >= len(tokens) or tokens[at].kind != "or":
            return (sides[0] if len(sides) == 1 else Or(tuple(sides))), at
        at += 1


def _all_of(tokens: Sequence[QueryToken], at: int, now: float, depth: int) -> tuple[Node, int]:
    found = list[Node]()
    while at < len(tokens) and tokens[at].kind in ("part", "open"):
        token = tokens[at]
        if token.kind == "open":
            part, at = _any_of(tokens, at + 1, now, depth + 1)
            if at >= len(tokens):
                raise QueryError("There is a “(” without a “)”. To look for the text itself, put it in quotes.")
        else:
            part = _part(token, now)
        at += 1
        found.append(Not(part) if token.is_negative else part)
    if not found:
        raise QueryError(_nothing_there(tokens, at))
    return (found[0] if len(found) == 1 else And(tuple(found))), at


def _nothing_there(tokens: Sequence[QueryToken], at: int) -> str:
    if any(each.kind == "or" for each in tokens[max(0, at - 1) : at + 1]):
        return "OR stands between two words. To look for the word itself, write it in small letters."
    if tokens:
        return "There is nothing in the parentheses. To look for the text itself, put it in quotes."
    return "There is no word in this search: type a word, or an operator such as from:ann."


def _part(token: QueryToken, now: float) -> Node:
    if not token.operator:
        return _phrase("", token)
    if token.operator not in _WANTED:
        raise QueryError(
            f"“{token.operator}:” is no operator. There are {_list_of([f'{each}:' for each in OPERATORS])}. "
            "To look for the text itself, put it in quotes."
        )
    if not token.text.strip():
        raise QueryError(f"After {token.operator}: comes {_WANTED[token.operator]}, without a space between them.")
    if token.operator in _COLUMNS:
        return _phrase(_COLUMNS[token.operator], token)
    try:
        return _JUDGED[token.operator](token.text.strip(), now)
    except ValueError:
        raise _misunderstood(token) from None


def _phrase(column: str, token: QueryToken) -> Node:
    text = token.text
    found = words(text)
    if not found:
        raise QueryError(f"There is no word in “{text}”: type a letter or a digit.")
    # The last word may not be finished yet; but what is not wanted is only what was typed.
    is_unfinished = token.is_last and not token.is_negative
    is_prefix = not token.is_quoted and (is_unfinished or text.endswith("*"))
    return Phrase(tuple(found), column, is_prefix)


def _misunderstood(token: QueryToken) -> QueryError:
    wanted = _WANTED[token.operator]
    return QueryError(f"After {token.operator}: comes {wanted}; “{token.text}” is none of that.")


def _list_of(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


_JUDGED: dict[str, Callable[[str, float], Node]] = {
    "has": lambda text, _: _chosen(_HAS, text),
    "is": lambda text, _: _chosen(_IS, text),
    "in": lambda text, _: Place("folder", text),
    "label": lambda text, _: Place("label", text),
    "before": lambda text, _: Bound("before", values.day(text)),
    "after": lambda text, _: Bound("after", values.day(text)),
    "older_than": lambda text, now: Bound("before", values.ago(text, now)),
    "newer_than": lambda text, now: Bound("after", values.ago(text, now)),
    "larger": lambda text, _: Bound("larger", values.octets(text)),
    "smaller": lambda text, _: Bound("smaller", values.octets(text)),
}


def _chosen(of: dict[str, Mark], text: str) -> Mark:
    if text.lower() not in of:
        raise ValueError(text)
    return of[text.lower()]
