"""What helps to find mail: a form's fields as a search, and how a half typed search may go on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import labels
from onifast_shared.search import query as search_query
from onifast_shared.search import saved
from onifast_shared.values.label_names import SEPARATOR

MOST = 8
"""Suggestions at once."""

_OPERATOR_FIELDS = ("from", "to", "subject", "filename", "in", "label", "after", "before", "larger")
_LAST = re.compile(r'(?:^|(?<=[\s(]))-?(?P<operator>[A-Za-z_]+:)?(?P<value>"[^"]*|[^\s()"]*)$')


@dataclass(frozen=True)
class SearchSuggestion:
    """What a search may become (`text`), and a few words about it."""

    text: str
    hint: str


def query_of(fields: Mapping[str, str]) -> str:
    """The search that a form's fields make: `words`, `without`, the operators by their names, and marks."""
    parts = [fields.get("words", "").strip()]
    parts += [f"-{_quoted(word)}" for word in fields.get("without", "").split()]
    parts += [f"{name}:{_quoted(value)}" for name in _OPERATOR_FIELDS if (value := fields.get(name, "").strip())]
    parts += [f"has:{name}" for name in ("attachment",) if fields.get(name)]
    parts += [f"is:{name}" for name in ("unread", "starred") if fields.get(name)]
    return " ".join(part for part in parts if part)


def suggestions(tx: Connection, owner: str, text: str) -> list[SearchSuggestion]:
    """How a search may go on behind what was typed; for nothing typed, those made lately and those kept."""
    if not text.strip():
        kept = [SearchSuggestion(each.query, each.name) for each in saved.list_all(tx, owner)]
        lately = [SearchSuggestion(each, "searched lately") for each in saved.recent(tx, owner)]
        named = {each.text for each in kept}
        return [*[each for each in lately if each.text not in named][: MOST // 2], *kept][:MOST]
    found = _LAST.search(text)
    if found is None:
        return []
    start = found.start("value") if found["operator"] is None else found.start("operator")
    operator, value = (found["operator"] or "").rstrip(":").lower(), found["value"].lstrip('"').casefold()
    made = list(_values(tx, owner, operator, value) if operator else _operators(value))
    return [SearchSuggestion(text[:start] + each.text, each.hint) for each in made[:MOST]]


def _operators(begun: str) -> Iterator[SearchSuggestion]:
    if begun:
        for name, meaning in search_query.MEANINGS.items():
            if name.startswith(begun):
                yield SearchSuggestion(f"{name}:", meaning)


def _values(tx: Connection, owner: str, operator: str, begun: str) -> Iterator[SearchSuggestion]:
    known = search_query.VALUES.get(operator, ())
    own = labels.list_all(tx, owner) if operator in ("in", "label") else []
    names = [*known, *(each.name for each in own if each.is_folder == (operator == "in"))]
    for name in names:
        if any(part.startswith(begun) for part in (name.casefold(), *name.casefold().split(SEPARATOR))):
            yield SearchSuggestion(f"{operator}:{_quoted(name)} ", "")


def _quoted(value: str) -> str:
    """A value as a search has it: in quotes where it would end early."""
    plain = value.replace('"', " ").strip()
    return f'"{plain}"' if re.search(r"[\s()]", plain) else plain
