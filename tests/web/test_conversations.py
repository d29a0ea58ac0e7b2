"""Conversations in the webmail, without scripts: one row, one page, and acts on all of it."""

from __future__ import annotations

import re

from flask import Flask
from onifast_shared.db.database import Connection, Database
from onifast_shared.mailboxes import mailbox

from web.support import Browser, deliver, index


def letter(name: str, parent: str = "", sender: str = "Ann Taylor <ann@remote.example>", text: str = "") -> bytes:
    """A message of a conversation about a plan."""
    head = f"From: {sender}\r\nTo: demo@example.test\r\nSubject: The plan\r\nMessage-ID: <{name}@m>\r\n"
    return f"{head}{f'In-Reply-To: <{parent}@m>{chr(13)}{chr(10)}' if parent else ''}\r\n{text or name}\r\n".encode()


def three(database: Database, now: float = 1_790_000_000.0) -> list[int]:
    """A question, an answer that was sent, and another message; then something else."""
    ids = [
        deliver(database, raw=letter("a", text="QUESTION"), received=now),
        deliver(
            database, raw=letter("b", "a", "demo@example.test", "ANSWERED"), folder="sent", received=now + 1,
            sender="demo@example.test",
        ),
        deliver(database, raw=letter("c", "b", "Bob <bob@remote.example>", "THANKS"), received=now + 2),
    ]  # fmt: skip
    deliver(database, subject="Alone", received=now + 3)
    index(database)
    return ids


def folders(database: Database, ids: list[int]) -> list[str]:
    return [row.folder for row in database.read(lambda tx: mailbox.get_some(tx, "demo", ids))]


def link(browser: Browser) -> str:
    found = re.search(r'href="(/conversations/[^"]+)"', browser.get("/folders/inbox").text)
    assert found
    return found[1].replace("&amp;", "&")


def test_a_list_shows_one_row_a_conversation(browser: Browser, database: Database) -> None:
    three(database)
    page = browser.get("/folders/inbox").text
    assert page.count('<li class="row') == 2
    assert "Ann Taylor, me, Bob 3 messages" in " ".join(re.sub(r"<[^>]+>", "", page).split())
    assert 'aria-label="Answered"' in page


def test_who_wants_single_lines_gets_them(browser: Browser, database: Database) -> None:
    three(database)
    form = {"rows": "messages", "density": "compact", "pane": "none", "swipe_left": "trash", "swipe_right": "archive"}
    assert browser.post("/lists", form).headers["Location"] == "/lists?did=lists-saved"
    assert 'class="density-compact' in browser.get("/folders/inbox").text
    assert browser.get("/folders/inbox").text.count('<li class="row') == 3


def test_what_is_no_choice_is_refused(browser: Browser) -> None:
    form = {"rows": "messages", "density": "tiny", "pane": "none", "swipe_left": "trash", "swipe_right": "archive"}
    assert browser.post("/lists", form).status_code == 400


def test_a_conversation_opens_what_is_unread_and_folds_the_rest(browser: Browser, database: Database) -> None:
    ids = three(database)
    database.write(lambda tx: mailbox.set_read(tx, "demo", ids[:2], True))
    page = browser.get(link(browser)).text
    assert page.count('<li class="folded') == 2 and page.count('class="unfolded"') == 1
    assert "THANKS" in page
    assert all(row.is_read for row in database.read(lambda tx: mailbox.get_some(tx, "demo", ids)))


def test_an_act_on_a_row_is_done_to_the_whole_conversation(browser: Browser, database: Database) -> None:
    ids = three(database)
    form = {"ids": ids[2], "back": "inbox", "whole": 1}
    browser.post("/messages", form | {"action": "move:archive"})
    assert folders(database, ids) == ["archive", "sent", "archive"]
    browser.post("/messages", form | {"action": "move:trash", "back": "archive"})
    assert folders(database, ids) == ["trash", "trash", "trash"]


def test_muting_archives_what_is_there(browser: Browser, database: Database) -> None:
    ids = three(database)
    page = link(browser).partition("?")[0]
    answer = browser.post(f"{page}/mute", {"muted": 1, "back": "inbox"})
    assert answer.headers["Location"].startswith("/folders/inbox?did=muted")
    assert folders(database, ids) == ["archive", "sent", "archive"]


def test_nobody_sees_a_conversation_of_somebody_elses(browser: Browser, app: Flask, database: Database) -> None:
    three(database)
    maria = Browser.logged_in(app.test_client(), "maria")
    page = link(browser).partition("?")[0]
    assert maria.get(page).status_code == 404
    assert maria.post(f"{page}/mute", {"muted": 1}).status_code == 404
    assert browser.get("/conversations/9223372036854775808").status_code == 404


def test_a_large_conversation_comes_in_pages(browser: Browser, database: Database) -> None:
    ids = three(database)

    def more(tx: Connection) -> None:
        number = tx.execute("SELECT conversation_id FROM emails WHERE id = ?", (ids[0],)).get
        tx.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)"
            " INSERT INTO emails (owner, sender, recipient, subject, body, folder, received_ts, received_at, is_read,"
            " size, indexed, conversation_id) SELECT 'demo', 'b@far.test', 'demo@example.test', 's', 'b', 'inbox',"
            " 1790000100 + i, '2026-01-01 00:00:00', 1, 1, 1, ? FROM n",
            (number,),
        )

    database.write(more)
    page = browser.get(link(browser)).text
    assert page.count('id="message-') == 100 and "Older messages" in page
    older = re.search(r'href="([^"]+)">Older', page)
    assert older and "Newest messages" in browser.get(older[1].replace("&amp;", "&")).text


def test_one_message_of_a_conversation_is_archived_alone(browser: Browser, database: Database) -> None:
    ids = three(database)
    page = browser.get(link(browser)).text
    assert "Move this one to trash" in page
    browser.post("/messages", {"ids": str(ids[2]), "back": "inbox", "action": "move:archive"})
    assert folders(database, ids) == ["inbox", "sent", "archive"]
