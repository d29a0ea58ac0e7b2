"""A search as SQL: what the index is asked, and what is asked of each row.

In the SQL, `e` is a row of `emails` and `d` its row of `search_documents`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from onifast_shared.search import index
from onifast_shared.search.query import And, Bound, Mark, Node, Not, Or, Phrase, Place

Bind = Sequence[Any]
Condition = tuple[str, Bind]
"""SQL, and what is bound in it."""


_ANY_PREFIX = "\0"  # no word has it


@dataclass(frozen=True)
class Plan:
    """A search in two parts: `lead` goes to the index, None where it has no words to begin with; `rest` to the rows.

    `places` knows the condition of a folder or a label.
    """

    lead: Node | None
    rest: Node | None
    places: Callable[[Place], Condition]

    @property
    def needs_index(self) -> bool:
        """Whether any word is looked for."""
        return self.lead is not None or (self.rest is not None and _has_words(self.rest))

    def match(self, volume: int) -> str | None:
        """The expression that finds the lead in one volume (https://sqlite.org/fts5.html, section 3)."""
        return None if self._written is None else self._written.replace(_ANY_PREFIX, index.prefix(volume))

    def where(self, volume: int) -> Condition:
        """The condition that holds for a row of a volume that the lead has found."""
        return self._of_any_row or self._sql(cast(Node, self.rest), index.prefix(volume))

    @cached_property
    def _written(self) -> str | None:
        """`match`, which is asked for each of dozens of volumes, with a mark for what words begin with."""
        return None if self.lead is None else _match(self.lead, _ANY_PREFIX)

    @cached_property
    def _of_any_row(self) -> Condition | None:
        """`where`, if it is the same in each volume."""
        if self.rest is None:
            return "1", ()
        return None if _has_words(self.rest) else self._sql(self.rest, "")

    def _sql(self, node: Node, prefix: str) -> Condition:
        if _is_expressible(node):
            return "d.id IN (SELECT rowid FROM mail_words WHERE mail_words MATCH ?)", (_match(node, prefix),)
        if isinstance(node, And | Or):
            return _joined(node, [self._sql(part, prefix) for part in node.parts])
        if isinstance(node, Not):
            sql, bind = self._sql(node.part, prefix)
            return f"NOT ({sql})", bind
        if isinstance(node, Place):
            return self.places(node)
        return _of_row(node)


def plan(node: Node, places: Callable[[Place], Condition]) -> Plan:
    """Parts a search: whatever the index can tell by itself leads."""
    parts = node.parts if isinstance(node, And) else (node,)
    lead = [part for part in parts if _is_expressible(part)]
    unwanted = [part.part for part in parts if lead and isinstance(part, Not) and _is_expressible(part.part)]
    rest = [part for part in parts if part not in lead and not (isinstance(part, Not) and part.part in unwanted)]
    leading = _one(lead, And)
    if leading is not None and unwanted:
        leading = And((leading, *(Not(part) for part in unwanted)))
    return Plan(leading, _one(rest, And), places)


def _one(parts: Sequence[Node], of: type[And]) -> Node | None:
    return (parts[0] if len(parts) == 1 else of(tuple(parts))) if parts else None


def _is_expressible(node: Node) -> bool:
    """Whether FTS5 can find it alone: words that have to be there."""
    if isinstance(node, And):
        positive = [part for part in node.parts if not isinstance(part, Not)]
        negative = [part.part for part in node.parts if isinstance(part, Not)]
        return bool(positive) and all(map(_is_expressible, (*positive, *negative)))
    return isinstance(node, Phrase) or (isinstance(node, Or) and all(map(_is_expressible, node.parts)))


def _has_words(node: Node) -> bool:
    if isinstance(node, And | Or):
        return any(map(_has_words, node.parts))
    return _has_words(node.part) if isinstance(node, Not) else isinstance(node, Phrase)


def _match(node: Node, prefix: str) -> str:
    if isinstance(node, And):
        wanted = " AND ".join(_match(part, prefix) for part in node.parts if not isinstance(part, Not))
        unwanted = [_match(part.part, prefix) for part in node.parts if isinstance(part, Not)]
        return f"(({wanted}) NOT ({' OR '.join(unwanted)}))" if unwanted else f"({wanted})"
    if isinstance(node, Or):
        return f"({' OR '.join(_match(part, prefix) for part in node.parts)})"
    if isinstance(node, Phrase):
        column = f"{node.column} : " if node.column else ""
        quoted = " ".join(prefix + word for word in node.words)
        return f'{column}"{quoted}"{" *" if node.is_prefix else ""}'
    raise TypeError(node)


def _joined(node: And | Or, parts: Sequence[Condition]) -> Condition:
    word = " AND " if isinstance(node, And) else " OR "
    return f"({word.join(f'({sql})' for sql, _ in parts)})", [value for _, bind in parts for value in bind]


_MARKS = {"read": "coalesce(e.is_read, 0) <> 0", "starred": "e.is_starred <> 0", "attachment": "e.has_attachments <> 0"}
_BOUNDS = {
    "before": "e.received_ts < ?",
    "after": "e.received_ts >= ?",
    "larger": "coalesce(e.size, 0) > ?",
    "smaller": "coalesce(e.size, 0) < ?",
}


def _of_row(node: Node) -> Condition:
    if isinstance(node, Mark):
        return f"({_MARKS[node.name]}) = {int(node.wanted)}", ()
    if isinstance(node, Bound):
        return _BOUNDS[node.name], (node.value,)
    raise TypeError(node)
