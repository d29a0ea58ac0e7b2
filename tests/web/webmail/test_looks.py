"""Looks of a text whose form was sent before its script came, or without any."""

from __future__ import annotations

import html
import re

import pytest
from onifast_shared.db.database import Database
from onifast_shared.filters import vacations
from onifast_shared.mailboxes import identities, mailbox, templates
from onifast_shared.mailboxes.identities import Identity
from onifast_shared.mailboxes.templates import TextTemplate
from web.composing import LETTER, only, rows
from web.support import Browser

LOOKS = "<div><b>Demo</b> Person</div><div>ACME &amp; Co</div>"
TEXT = "Demo Person\nACME & Co"


def areas(page: str) -> dict[str, str]:
    """What a browser without scripts sends of the page's text areas: those that have a name and are not disabled."""
    found = re.findall(r'<textarea(?=[^>]* name="([^"]+)")(?![^>]* disabled)[^>]*>\n?(.*?)</textarea>', page, re.DOTALL)
    return {name: html.unescape(text).replace("\n", "\r\n") for name, text in reversed(found)}


@pytest.mark.parametrize("is_written_anew", [False, True])
def test_a_signature_keeps_its_looks_until_it_is_written_anew(
    browser: Browser, database: Database, is_written_anew: bool
) -> None:
    mine = Identity("demo@example.test", "Demo", LOOKS, TEXT)
    database.write(lambda tx: identities.put(tx, "demo", mine))
    sent = areas(browser.get("/identities").text) | ({"text": "Anew"} if is_written_anew else {})
    assert browser.post("/identities", sent | {"address": "demo@example.test", "name": "D"}).status_code == 303
    kept = database.read(lambda tx: identities.of(tx, "demo"))["demo@example.test"]
    assert (("<b>Demo</b>" in kept.signature_html), kept.name) == (not is_written_anew, "D")
    assert kept.signature_text.strip() == ("Anew" if is_written_anew else TEXT)


def test_a_template_keeps_its_looks(browser: Browser, database: Database) -> None:
    database.write(lambda tx: templates.put(tx, "demo", TextTemplate(0, "Thanks", "", LOOKS, TEXT), 1000))
    (made,) = database.read(lambda tx: templates.list_all(tx, "demo"))
    sent = areas(browser.get("/templates").text)
    assert browser.post("/templates", sent | {"id": str(made.id), "name": "Many thanks"}).status_code == 303
    kept = database.read(lambda tx: templates.get(tx, "demo", made.id))
    assert kept is not None and (kept.name, "<b>Demo</b>" in kept.html) == ("Many thanks", True)


def test_each_text_of_a_vacation_note_keeps_its_own_looks(browser: Browser, database: Database) -> None:
    note = vacations.VacationNote(
        "", is_on=True, subject="Away", text=TEXT, html=LOOKS, known_text=TEXT, known_html=LOOKS
    )
    database.write(lambda tx: vacations.put(tx, "demo", note))
    sent = areas(browser.get("/vacation").text) | {"known_text": "Anew", "is_on": "1", "do": "save"}
    assert browser.post("/vacation", sent | {"audience": "everybody", "days": "4", "zone": "UTC"}).status_code == 303
    kept = database.read(lambda tx: vacations.get(tx, "demo"))
    assert kept is not None and ("<b>Demo</b>" in kept.html, kept.known_text, kept.known_html) == (True, "Anew", "")


@pytest.mark.parametrize("is_written_anew", [False, True])
def test_a_draft_keeps_its_looks_until_it_is_written_anew(
    browser: Browser, database: Database, is_written_anew: bool
) -> None:
    browser.post("/compose", LETTER | {"do": "save", "html": LOOKS, "text": TEXT}, content_type="multipart/form-data")
    (draft,) = rows(database, "drafts")
    sent = LETTER | areas(browser.get(f"/compose?draft={draft.id}").text) | {"do": "send", "draft": str(draft.id)}
    browser.post("/compose", sent | ({"text": "Anew"} if is_written_anew else {}), content_type="multipart/form-data")
    _id, parsed = only(database, "sent")
    assert ("<b>Demo</b>" in (parsed.html or ""), (parsed.text or "").strip().replace("\r\n", "\n")) == (
        not is_written_anew,
        "Anew" if is_written_anew else TEXT,
    )
    assert not database.read(lambda tx: mailbox.list_page(tx, "demo", "drafts")).rows
