"""Templates: texts that a user writes with again and again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from onifast_shared.db.database import Connection

MOST = 200
LONGEST_NAME = 100
LONGEST_SUBJECT = 900
LONGEST_TEXT = 200_000


class TemplateError(ValueError):
    """A template cannot be kept: `field` is what is wrong in it."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True)
class TextTemplate:
    """A text with a name, and a subject, or "". `html` is the text with its looks, "" for plain text."""

    id: int
    name: str
    subject: str
    html: str
    text: str
    changed_ts: int = 0


def list_all(tx: Connection, owner: str) -> list[TextTemplate]:
    """A user's templates by name."""
    rows = tx.execute(f"SELECT {_COLUMNS} FROM templates WHERE owner = ? ORDER BY lower(name), id", (owner,))
    return [TextTemplate(*row) for row in rows]


def get(tx: Connection, owner: str, template_id: int) -> TextTemplate | None:
    """One template of this user's."""
    if not 0 < template_id < 2**63:
        return None
    row = tx.execute(f"SELECT {_COLUMNS} FROM templates WHERE owner = ? AND id = ?", (owner, template_id)).fetchone()
    return None if row is None else TextTemplate(*row)


def put(tx: Connection, owner: str, template: TextTemplate, now: float) -> TextTemplate | None:
    """Keeps a template: a new one for the id 0; None for one that is not there. Raises TemplateError."""
    _check(template)
    sql = "SELECT id FROM templates WHERE owner = ? AND name = ? AND id <> ?"
    if tx.execute(sql, (owner, template.name, template.id)).get is not None:
        raise TemplateError("name", "another template has this name")
    values = (template.name, template.subject, template.html, template.text, int(now))
    if template.id:
        sql = (
            "UPDATE templates SET name = ?, subject = ?, html = ?, text = ?, changed_ts = ? WHERE owner = ? AND id = ?"
        )
        tx.execute(sql, (*values, owner, template.id))
        return get(tx, owner, template.id)
    if int(tx.execute("SELECT count(*) FROM templates WHERE owner = ?", (owner,)).get) >= MOST:
        raise TemplateError("name", f"there are {MOST} templates already, which is the most")
    sql = "INSERT INTO templates (name, subject, html, text, changed_ts, owner) VALUES (?, ?, ?, ?, ?, ?)"
    tx.execute(sql, (*values, owner))
    return get(tx, owner, tx.last_insert_rowid())


def remove(tx: Connection, owner: str, ids: Iterable[int]) -> int:
    """Takes templates away; how many there were."""
    sql = "DELETE FROM templates WHERE owner = ? AND id = ? RETURNING 1"
    return sum(tx.execute(sql, (owner, each)).get or 0 for each in set(ids) if 0 < each < 2**63)


_COLUMNS = "id, name, subject, html, text, changed_ts"


def _check(template: TextTemplate) -> None:
    if not template.name.strip():
        raise TemplateError("name", "a name is needed")
    for field, text, most in (
        ("name", template.name, LONGEST_NAME),
        ("subject", template.subject, LONGEST_SUBJECT),
        ("text", template.text, LONGEST_TEXT),
        ("text", template.html, LONGEST_TEXT),
    ):
        if len(text) > most:
            raise TemplateError(field, f"at most {most:,} characters")
