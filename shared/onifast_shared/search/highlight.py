"""What is shown of a message that was found: the place in its text where the words stand, and which words these are."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.search.query import And, Node, Or, Phrase

LENGTH = 200
"""Characters of an excerpt, more or less."""

_LEAD = 60  # characters before the first word that was found
_MOST_TEXT = 64 * 1024
_MOST_WORDS = 20
_BLANKS = re.compile(r"\s+")


class Piece(NamedTuple):
    """A piece of an excerpt; `is_match` where it is what was looked for."""

    text: str
    is_match: bool = False


@dataclass(frozen=True)
class Excerpt:
    """A subject, and the part of the text around the words; both in pieces."""

    subject: list[Piece]
    snippet: list[Piece]


def pattern(node: Node) -> re.Pattern[str] | None:
    """What finds the words of a search in a text as people see it, in its only group; None where it has none."""
    found = dict.fromkeys(_phrases(node))
    return _compiled(tuple(found)[:_MOST_WORDS]) if found else None


def excerpt(tx: Connection, row: EmailRow, found_by: re.Pattern[str] | None) -> Excerpt:
    """What is shown of a row: its beginning, where the words do not stand in its text."""
    if found_by is None:
        return Excerpt(pieces(row.subject, None), pieces(row.snippet, None))
    snippet = row.snippet
    if not found_by.search(snippet):
        text = tx.execute("SELECT substr(body, 1, ?) FROM emails WHERE id = ?", (_MOST_TEXT, row.id)).get
        snippet = _around(snippet, text, found_by)
    return Excerpt(pieces(row.subject, found_by), pieces(snippet, found_by))


def pieces(text: str, found_by: re.Pattern[str] | None) -> list[Piece]:
    """A text, with what was looked for apart."""
    if found_by is None:
        return [Piece(text)]
    # What the expression's one group matched stands at odd places.
    found = [Piece(part, bool(place & 1)) for place, part in enumerate(found_by.split(text)) if part]
    return found or [Piece(text)]


def _around(snippet: str, text: object, found_by: re.Pattern[str]) -> str:
    match = found_by.search(text) if isinstance(text, str) else None
    if match is None or not isinstance(text, str):
        return snippet
    start = max(0, match.start() - _LEAD)
    if start:
        # At the beginning of a word, where there is one.
        blank = _BLANKS.search(text, start, match.start())
        start = blank.end() if blank else start
    part = " ".join(text[start : start + 2 * LENGTH].split())[:LENGTH]
    return f"… {part}" if start else part


def _phrases(node: Node) -> list[tuple[tuple[str, ...], bool]]:
    """The phrases that have to be there, or may be."""
    if isinstance(node, And | Or):
        return [each for part in node.parts for each in _phrases(part)]
    return [(node.words, node.is_prefix)] if isinstance(node, Phrase) else []


@lru_cache(256)
def _compiled(phrases: tuple[tuple[tuple[str, ...], bool], ...]) -> re.Pattern[str]:
    written = [_written(*phrase) for phrase in sorted(phrases, key=lambda each: -len("".join(each[0])))]
    return re.compile(f"({'|'.join(written)})", re.IGNORECASE)


def _written(words: tuple[str, ...], is_prefix: bool) -> str:
    """An expression for a phrase: any letter may have an accent, and signs may stand between its words."""
    text = r"[\W_]*".join("".join(map(_letter, word)) for word in words)
    begins = r"(?<![^\W_])" if words[0][0].isascii() else ""
    ends = "" if is_prefix or not words[-1][-1].isascii() else r"(?![^\W_])"
    return f"{begins}{text}{ends}"


def _letter(letter: str) -> str:
    if not letter.isalpha():
        return re.escape(letter)
    return f"[{re.escape(letter)}{_accented().get(letter, '')}]" + "[\u0300-\u036f]*+"


@cache
def _accented() -> dict[str, str]:
    """The letters that are another one with accents, by that one."""
    found: dict[str, str] = {}
    for code in (*range(0xC0, 0x250), *range(0x386, 0x3CF), *range(0x400, 0x460), *range(0x1E00, 0x2000)):
        letter = chr(code)
        plain = unicodedata.normalize("NFD", letter)
        if len(plain) > 1 and all("\u0300" <= each <= "\u036f" for each in plain[1:]):
            found[plain[0].casefold()] = found.get(plain[0].casefold(), "") + letter
    return found
