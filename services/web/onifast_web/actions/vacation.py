"""Vacation notes, as users write them and turn them on."""

from __future__ import annotations

from dataclasses import replace

from onifast_shared.db.database import Connection
from onifast_shared.filters import vacations
from onifast_shared.filters.rules import FilterError
from onifast_shared.filters.vacations import VacationNote

from onifast_web.access.context import Web
from onifast_web.http.problems import not_found, unprocessable
from onifast_web.reading import written_html


def put(web: Web, owner: str, note: VacationNote) -> VacationNote:
    """Keeps a note, its HTML made safe, and its text made of that where there is none. Raises Problem(422)."""
    text, html = _both(note.text, note.html)
    known_text, known_html = _both(note.known_text, note.known_html)
    note = replace(note, text=text, html=html, known_text=known_text, known_html=known_html)
    try:
        return web.database.write(lambda tx: vacations.put(tx, owner, note))
    except FilterError as error:
        raise unprocessable(error.field, f"{error}.") from None


def remove(web: Web, owner: str, address: str) -> None:
    """Ends a note; raises Problem(404)."""
    if not web.database.write(lambda tx: vacations.remove(tx, owner, address)):
        raise not_found("vacation note")


def turn_off(web: Web, owner: str) -> None:
    """Turns all of a user's notes off; what they say is kept."""

    def write(tx: Connection) -> None:
        for each in vacations.list_all(tx, owner):
            if each.is_on:
                vacations.put(tx, owner, replace(each, is_on=False))

    web.database.write(write)


def _both(text: str, html: str) -> tuple[str, str]:
    """A text and the same with looks, which is made safe; the text is made of that where there is none."""
    if not html.strip():
        return text, ""
    written = written_html.clean(html)
    return text if text.strip() else written.text, written.html
