"""What tests of the composer are written with: its form, sent, and what its fields hold."""

from __future__ import annotations

import html
import re
from typing import Any

from onifast_shared.db.database import Database
from onifast_shared.mailboxes import mailbox
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.message import parsing
from onifast_shared.message.parsing import Parsed
from werkzeug.test import TestResponse

from web.support import Browser

LETTER = {"from": "demo@example.test", "to": "ann@remote.example", "subject": "Hi", "text": "Hello\r\nAnn"}


def rows(database: Database, folder: str) -> list[EmailRow]:
    return database.read(lambda tx: mailbox.list_page(tx, "demo", folder)).rows


def only(database: Database, folder: str) -> tuple[int, Parsed]:
    """The one message in a folder."""
    (row,) = rows(database, folder)
    return row.id, parsing.parse(database.read(lambda tx: mailbox.raw(tx, row.id)))


def field(page: str, name: str) -> str:
    """What a field of the composer holds."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, name
    return html.unescape(found[1])


def body(page: str) -> str:
    found = re.search(r"<textarea[^>]*>\n?(.*?)</textarea>", page, re.DOTALL)
    assert found
    return html.unescape(found[1])


def send(browser: Browser, do: str = "send", **fields: Any) -> TestResponse:
    return browser.post("/compose", LETTER | {"do": do} | fields, content_type="multipart/form-data")
