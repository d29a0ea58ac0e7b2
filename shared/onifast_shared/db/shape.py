"""The shape of a database: its tables, columns, indexes, triggers and views, compared with what migrations make.

What is compared is what was written in the `CREATE` statements, definition by definition, without comments and white
space. The order of the columns is no difference: it depends on when which migration was applied. What is there beside
that is the administrator's or the panel's, and no difference either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import apsw

from onifast_shared.db import adopt

_TOKEN = re.compile(
    r"""(?P<skipped>\s+|--[^\n]*|/\*.*?\*/)|'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|\w+|.""", re.DOTALL
)
_CONSTRAINTS = {"constraint", "primary", "unique", "check", "foreign"}
"""The words that begin what stands in a table beside its columns."""


class Table(NamedTuple):
    """What a table is made of: its columns by name, its constraints, and what stands behind the parenthesis."""

    columns: dict[str, str]
    constraints: set[str]
    options: str


def made_by(files: Iterable[str]) -> apsw.Connection:
    """A database in memory that these migrations have made. Raises apsw.SQLError where they do not fit together."""
    made = apsw.Connection(":memory:")
    for sql in files:
        made.execute(sql)
    return made


def differences(connection: apsw.Connection, wanted: apsw.Connection) -> list[str]:
    """What a database lacks of another one, or has in another form; a phrase for each."""
    present = _statements(connection)
    found: list[str] = []
    for name, (kind, sql) in _statements(wanted).items():
        if name not in present:
            found.append(f"{kind} {name} is missing")
        elif kind == "table" and present[name][0] == "table":
            found += _of_table(name, table(present[name][1]), table(sql))
        elif normal(present[name][1]) != normal(sql):
            found.append(f"{kind} {name} is another one")
    return found


def _statements(connection: apsw.Connection) -> dict[str, tuple[str, str]]:
    """All that was made with a statement, by name; the tables in which FTS keeps its index are its own affair."""
    rows = connection.execute(
        """
        SELECT lower(name), type, sql FROM sqlite_master
        WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
          AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow')
        """
    )
    return {str(name): (str(kind), str(sql)) for name, kind, sql in rows}


def _of_table(name: str, present: Table, wanted: Table) -> list[str]:
    """The differences of one table. Of the columns of the panel's contract, only the names are known to be so."""
    taken_over = adopt.COLUMNS.get(name, ())
    found = [f"table {name} has no column {column}" for column in wanted.columns if column not in present.columns]
    found += [
        f"column {name}.{column} is another one"
        for column, definition in wanted.columns.items()
        if column not in taken_over and present.columns.get(column, definition) != definition
    ]
    if taken_over:
        return found
    if (present.constraints, present.options) != (wanted.constraints, wanted.options):
        found.append(f"table {name} has other constraints")
    unknown = present.columns.keys() - wanted.columns.keys()
    found += [f"column {name}.{each} is not known" for each in sorted(unknown) if _is_required(present.columns[each])]
    return found


def _is_required(definition: str) -> bool:
    """Whether no row can be written by who does not know of the column."""
    return " not null" in definition and " default " not in definition


def table(sql: str) -> Table:
    """What a `CREATE TABLE` or `CREATE VIRTUAL TABLE` statement says."""
    head, parts, options = _parted(_words(sql))
    columns: dict[str, str] = {}
    constraints: set[str] = set()
    is_virtual = "virtual" in head
    for part in parts:
        if is_virtual or part[0] in _CONSTRAINTS:
            constraints.add(" ".join(part))
        else:
            columns[_unquoted(part[0])] = " ".join([_unquoted(part[0]), *part[1:]])
    return Table(columns, constraints, " ".join(options))


def normal(sql: str) -> str:
    """A statement without its comments, in one line, its words in lower case."""
    return " ".join(_words(sql))


def _words(sql: str) -> list[str]:
    return [
        match[0] if match[0][0] in "'\"" else match[0].lower() for match in _TOKEN.finditer(sql) if not match["skipped"]
    ]


def _parted(words: list[str]) -> tuple[list[str], list[list[str]], list[str]]:
    """What stands before the parenthesis, in it (cut at its commas), and behind it."""
    begin = words.index("(") if "(" in words else len(words)
    parts: list[list[str]] = [[]]
    depth = 1
    for position, word in enumerate(words[begin + 1 :], begin + 1):
        depth += (word == "(") - (word == ")")
        if depth == 0:
            return words[:begin], [part for part in parts if part], words[position + 1 :]
        if word == "," and depth == 1:
            parts.append([])
        else:
            parts[-1].append(word)
    return words[:begin], [part for part in parts if part], []


def _unquoted(name: str) -> str:
    return name[1:-1].lower() if name[0] in "\"`['" else name
