"""Words are found wherever they stand, in scripts with spaces and without, in old rows and new ones."""

from __future__ import annotations

import pytest
import sqlite_shell
from onifast_shared.db.database import Connection, Database
from onifast_shared.mailboxes import contents, indexing, mailbox, search
from onifast_shared.mailboxes.indexing import MessageIndex

SOLID = "会議の資料をお送りします。ﾃｽﾄ済み"


def add(database: Database, subject: str, body: str = "") -> int:
    """A message of ann's that is indexed."""
    ref = contents.store(database, b"Subject: x\r\n\r\nx")

    def write(tx: Connection) -> int:
        content_id = contents.attach(tx, ref)
        return mailbox.add(
            tx, owner="ann", recipient="ann@x.test", reverse_path="b@x.test", content_id=content_id, size=1, now=1.0
        )

    email_id = database.write(write)
    index = MessageIndex("b@x.test", "Bob", subject, body, "", "", has_attachments=False)
    for item in database.read(indexing.unindexed):
        database.write(lambda tx, item=item: indexing.set_index(tx, item, index))  # type: ignore[misc]
    return email_id


def found(database: Database, q: str) -> list[int]:
    return [row.id for row in database.read(lambda tx: mailbox.list_page(tx, "ann", "inbox", q=q)).rows]


def sweep(database: Database, limit: int = 2) -> None:
    while swept := database.read(lambda tx: search.look(tx, limit)):
        database.write(lambda tx, swept=swept: search.sweep(tx, swept))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SOLID, ["会議", "資料", "議の", "お送り", "テスト", "済み", "会議の資料"]),
        ("请查收会议资料和PDF文件", ["会议", "资料", "PDF", "pdf文件", "查收"]),
        ("회의자료를 보내드립니다", ["회의", "자료", "자료를", "보내"]),
        ("สวัสดีครับ", ["ครับ"]),
        ("Grüße aus Köln", ["gruße", "köln", "koln", "Kö"]),
        ("ＡＢＣ 株式会社", ["ABC", "株式会社", "会社"]),
    ],
)
def test_words_are_found_inside_runs(text: str, words: list[str], database: Database) -> None:
    email_id = add(database, "x", text)
    add(database, "another", "料資 議会 nothing")
    assert {word: found(database, word) for word in words} == {word: [email_id] for word in words}


@pytest.mark.parametrize("q", ["資会", "議 送料", '"', "a* OR", "NEAR(", "資料 nothing", "料資"])
def test_what_does_not_stand_there_is_not_found(q: str, database: Database) -> None:
    add(database, SOLID, SOLID)
    assert found(database, q) == []


def test_a_deleted_message_leaves_nothing_in_the_index(database: Database) -> None:
    email_id = add(database, SOLID, f"{SOLID} plain")
    database.write(lambda tx: mailbox.erase(tx, [email_id]))
    for word in ("資", "料", "plain"):
        assert sqlite_shell.run(database.path, f"SELECT count(*) FROM mail_search('{word}');") == ["0"]
    check = "INSERT INTO mail_search (mail_search, rank) VALUES ('integrity-check', 0); SELECT 1;"
    assert sqlite_shell.run(database.path, check) == ["1"]


def test_rows_from_before_are_indexed_anew(database: Database) -> None:
    database.write(lambda tx: tx.execute("UPDATE search_sweep SET position = 1000"))
    ids = [add(database, SOLID), add(database, "plain words"), add(database, SOLID), add(database, "会議")]
    assert found(database, "資料") == []
    database.write(lambda tx: mailbox.erase(tx, [ids[2]]))
    sweep(database)
    assert sorted(found(database, "資料")) == [ids[0]]
    assert sorted(found(database, "会議")) == [ids[0], ids[3]]
    assert found(database, "plain") == [ids[1]]
    assert sqlite_shell.run(database.path, "SELECT position FROM search_sweep;") == ["0"]
    database.write(lambda tx: mailbox.erase(tx, ids))
    assert sqlite_shell.run(database.path, "SELECT count(*) FROM mail_search('資');") == ["0"]


def test_a_row_that_comes_in_while_others_are_looked_at_is_indexed_anew_too(database: Database) -> None:
    database.write(lambda tx: tx.execute("UPDATE search_sweep SET position = 1000"))
    first = add(database, "plain")
    swept = database.read(search.look)
    assert swept is not None
    second = add(database, SOLID)
    database.write(lambda tx: search.sweep(tx, swept))
    assert (found(database, "資料"), found(database, "plain")) == ([second], [first])
    database.write(lambda tx: search.sweep(tx, swept))  # as another process would, which had looked as well
    assert found(database, "資料") == [second]
