"""Files of large messages are sent from where they lie, without a turn to wait for and without reading the message."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from onifast_outbox.filing import indexer
from onifast_shared.db.database import Connection, Database
from onifast_shared.mailboxes import contents, mailbox, stored_attachments
from onifast_shared.message.compose import OutgoingAttachment
from onifast_web.access import context

from web.support import Browser, Panel, deliver

FILE = random.Random(5).randbytes(1_300_003)
TABLE = b"a;b\r\n" * 300_000
FILES = [
    OutgoingAttachment("böld.bin", "application/octet-stream", FILE),
    OutgoingAttachment("table.csv", "text/csv", TABLE),
    OutgoingAttachment("page.html", "text/html", b"<p>Hi</p>"),
]


@pytest.fixture
def large(database: Database) -> int:
    """A message with large files, as it came."""
    return deliver(database, attachments=FILES)


@pytest.fixture
def demo(panel: Panel) -> Panel:
    """Calls for the user whose message it is."""
    return panel.acting_for("demo")


async def indexed(database: Database) -> None:
    """What outbox does with it a moment later."""
    while await indexer.run_once(database):
        pass


def places(database: Database) -> list[tuple[Any, ...]]:
    """What is known of where files lie."""
    sql = "SELECT place, filename, size FROM stored_attachments ORDER BY place"
    return database.read(lambda tx: tx.execute(sql).fetchall())


def held_turn(app: Flask) -> Callable[[], None]:
    """Somebody works with a large message; call what is returned at the end."""
    with app.app_context():
        turn = context.current().turn
    assert turn.take(1)
    return turn.give


@pytest.mark.parametrize("path", ["/api/mail/attachment?id={}&index={}", "/messages/{}/attachments/{}"])
async def test_a_file_of_a_large_message_waits_for_nobody(
    path: str, large: int, database: Database, app: Flask, browser: Browser
) -> None:
    await indexed(database)
    give = held_turn(app)
    for place, item in enumerate(FILES):
        answer = browser.get(path.format(large, place))
        assert (answer.status_code, answer.data, answer.content_length) == (200, item.data, len(item.data))
    give()
    assert browser.get(path.format(large, 1)).mimetype == "text/csv"
    html = browser.get(path.format(large, 2))
    assert html.mimetype == "application/octet-stream" and "page.html" in html.headers["Content-Disposition"]
    assert "sandbox" in html.headers["Content-Security-Policy"]


async def test_parts_of_a_stored_file_fit_together(large: int, database: Database, demo: Panel) -> None:
    await indexed(database)
    path = f"/api/mail/attachment?id={large}&index=0"
    tag = demo.client.get(path, headers=demo.headers).headers["ETag"]
    for begin, end in ((0, 0), (3, 700_001), (1_300_000, 1_300_002)):
        part = demo.client.get(path, headers=demo.headers | {"Range": f"bytes={begin}-{end}", "If-Range": tag})
        assert (part.status_code, part.data) == (206, FILE[begin : end + 1])
        assert part.headers["Content-Range"] == f"bytes {begin}-{end}/{len(FILE)}"
    other = demo.client.get(path, headers=demo.headers | {"Range": "bytes=5-9", "If-Range": '"another"'})
    assert (other.status_code, other.data) == (200, FILE)
    assert demo.client.get(path, headers=demo.headers | {"Range": "bytes=9999999-"}).status_code == 416
    assert demo.client.get(path, headers=demo.headers | {"If-None-Match": tag}).status_code == 304


async def test_a_large_message_is_sent_as_it_lies_there(
    large: int, database: Database, app: Flask, browser: Browser
) -> None:
    database.write(lambda tx: tx.execute("UPDATE emails SET trace = ? WHERE id = ?", (b"X-Trace: 1\r\n", large)))
    raw = database.read(lambda tx: mailbox.raw(tx, large))
    give = held_turn(app)
    for path in (f"/api/mail/raw?id={large}", f"/messages/{large}/raw"):
        answer = browser.get(path)
        assert (answer.status_code, answer.data, answer.content_length) == (200, raw, len(raw))
    give()


def test_what_was_read_whole_once_is_known_from_then_on(
    large: int, database: Database, app: Flask, demo: Panel
) -> None:
    assert places(database) == []
    with demo.get("/api/mail/attachment", id=large, index=0) as answer:
        assert answer.data == FILE
    assert places(database) == [(0, "böld.bin", len(FILE)), (1, "table.csv", len(TABLE)), (2, "page.html", 9)]
    give = held_turn(app)
    assert demo.get("/api/mail/attachment", id=large, index=1).data == TABLE
    give()


async def test_others_have_no_part_in_it(large: int, database: Database, panel: Panel) -> None:
    await indexed(database)
    maria = panel.acting_for("maria")
    for index in (0, 7):
        assert maria.get("/api/mail/attachment", id=large, index=index).status_code == 404
    assert maria.get("/api/mail/raw", id=large).status_code == 404
    assert panel.get("/api/mail/attachment", id=large, index=0).data == FILE
    sql = "SELECT count(*) FROM audit_events WHERE action = 'mail.attachment'"
    assert database.read(lambda tx: tx.execute(sql).get) == 1


async def test_what_is_removed_takes_its_files_places_along(large: int, database: Database) -> None:
    await indexed(database)
    assert len(places(database)) == 3
    database.write(lambda tx: mailbox.erase(tx, [large]))
    assert places(database) == []


async def test_a_message_that_goes_while_it_is_sent_ends_the_answer(large: int, database: Database) -> None:
    await indexed(database)

    def find(tx: Connection) -> stored_attachments.StoredAttachment | None:
        row = mailbox.get(tx, "demo", large)
        return stored_attachments.find(tx, row.content_id, 0) if row else None

    found = database.read(find)
    assert found is not None
    chunks = found.chunks(database)
    next(chunks)
    database.write(lambda tx: mailbox.erase(tx, [large]))
    with pytest.raises(KeyError):
        list(chunks)


async def test_small_messages_are_left_alone(database: Database) -> None:
    deliver(database, attachments=[OutgoingAttachment("a.bin", "application/octet-stream", b"x" * 300_000)])
    await indexed(database)
    assert places(database) == []


def test_octets_are_read_across_pieces(database: Database) -> None:
    data = random.Random(7).randbytes(3 * contents.PIECE_SIZE + 11)
    content_id = contents.store(database, data).content_id or 0
    for start, end in ((0, len(data)), (5, 6), (contents.PIECE_SIZE - 1, 2 * contents.PIECE_SIZE + 1)):
        assert b"".join(contents.octets(database, content_id, start, end)) == data[start:end]
