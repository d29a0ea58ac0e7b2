"""Mail is found by words, phrases and operators, in every script, and by nobody but its owner."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import pytest
import sqlite_shell
from mail_rows import put
from onifast_shared.db.database import Connection, Database
from onifast_shared.mailboxes import labelling, labels, mailbox
from onifast_shared.search import find, index
from onifast_shared.search.query import QueryError
from onifast_shared.values.paging import CursorError
from searchable import NOW, found, index_all, search

SOLID = "会議の資料をお送りします。ﾃｽﾄ済み"
DAY = 86400


def add(
    database: Database,
    subject: str,
    body: str = "",
    *,
    owner: str = "ann",
    head: str = "",
    now: float = NOW - DAY,
    folder: str = "inbox",
    sender: str = "Bob <b@x.test>",
    is_read: bool = False,
) -> int:
    """A message of somebody's that is not indexed yet."""
    raw = (
        f"From: {sender}\r\nSubject: {subject}\r\n{head}Content-Type: text/plain; charset=utf-8\r\n\r\n{body}".encode()
    )
    return put(database, raw, owner=owner, now=now, folder=folder, is_read=is_read)


def with_file(name: str) -> str:
    """A body with a file, for a message that is multipart/mixed."""
    return (
        "--b\r\nContent-Type: text/plain\r\n\r\nsee the file\r\n--b\r\n"
        f'Content-Disposition: attachment; filename="{name}"\r\n\r\nx\r\n--b--\r\n'
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SOLID, ["会議", "資料", "議の", "お送り", "テスト", "済み", "会議の資料", "ﾃｽﾄ"]),
        ("请查收会议资料和PDF文件", ["会议", "资料", "PDF", "pdf文件", "查收"]),
        ("회의자료를 보내드립니다", ["회의", "자료", "자료를", "보내"]),
        ("สวัสดีครับ คุณชอบกินอะไร", ["ครับ", "สวัสดี", "กิน"]),
        ("Grüße aus Köln", ["gruße", "GRÜSSE", "köln", "koln", "Kö"]),
        ("ＡＢＣ 株式会社", ["ABC", "株式会社", "会社"]),
        ("Ελληνικά Ёлка naïve don’t", ["ελληνικα", "елка", "naive", "don't", "don"]),
        ("हिन्दी में", ["हिन्दी"]),
    ],
)
def test_words_are_found_in_every_script(text: str, words: list[str], database: Database) -> None:
    email_id = add(database, "x", text)
    add(database, "another", "料資 議会 nothing")
    index_all(database)
    assert {word: found(database, word) for word in words} == {word: [email_id] for word in words}


@pytest.mark.parametrize("text", ["資会", "議 送料", "資料 nothing", "料資", '"資料 会議"', "กาน"])
def test_what_does_not_stand_there_is_not_found(text: str, database: Database) -> None:
    add(database, SOLID, f"{SOLID} กิน")
    index_all(database)
    assert found(database, text) == []


@pytest.fixture
def mail(database: Database) -> dict[str, int]:
    """Mail with all that operators ask for."""
    ids = {
        "plain": add(database, "The invoice of March", "Please pay the invoice of this month.", now=NOW - 40 * DAY),
        "file": add(
            database,
            "Report",
            with_file("Annual Report 2025.pdf"),
            head="To: Ann <ann@x.test>, Team <team@x.test>\r\nCc: Zoë <zoe@y.test>\r\n"
            "Content-Type: multipart/mixed; boundary=b\r\nX: ",
            now=NOW - 3 * DAY,
            sender="Carl <carl@shop.example>",
        ),
        "list": add(database, "Digest", "x" * 5000, head="List-Id: Friends <friends.lists.example>\r\n", is_read=True),
        "sent": add(database, "Re: invoice", "I have paid. This is the month.", folder="sent", is_read=True),
        "trash": add(database, "Buy an invoice printer", "now", folder="trash", now=NOW - 400 * DAY),
    }
    add(database, "The invoice of somebody else", "invoice", owner="ben")
    index_all(database)

    def sort(tx: Connection) -> None:
        labelling.assign(tx, labels.create(tx, "ann", "Clients/Acme", is_folder=True, now=NOW), [ids["plain"]])
        labelling.assign(tx, labels.create(tx, "ann", "To do", now=NOW), [ids["plain"], ids["sent"]])
        labelling.set_starred(tx, "ann", [ids["file"]], True)

    database.write(sort)
    return ids


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("invoice", "sent plain trash"),
        ("inv", "sent plain trash"),
        ("inv month", ""),
        ("inv* month", "sent plain"),
        ('"of this month"', "plain"),
        ('"this month"', "plain"),
        ("invoice -month", "trash"),
        ("-invoice", "list file"),
        ('invoice -"this month" -printer', "sent"),
        ("digest OR report", "list file"),
        ("invoice (month OR printer) -paid", "plain trash"),
        ("from:carl", "file"),
        ("from:carl@shop.example", "file"),
        ('from:"Bob" subject:invoice', "sent plain trash"),
        ("to:team", "file"),
        ("to:ann@x.test", "list sent file plain trash"),
        ("cc:zoe", "file"),
        ("subject:month", ""),
        ("filename:pdf", "file"),
        ("filename:annual", "file"),
        ("list:friends", "list"),
        ("list:friends.lists.example", "list"),
        ("has:attachment", "file"),
        ("-has:attachment -in:trash", "sent list plain"),
        ("is:unread", "file plain trash"),
        ("is:read", "sent list"),
        ("is:starred", "file"),
        ("is:starred OR digest", "list file"),
        ("in:sent", "sent"),
        ("in:anywhere invoice", "sent plain trash"),
        ("invoice in:trash", "trash"),
        ("invoice -in:trash", "sent plain"),
        ('in:"clients/acme"', "plain"),
        ('label:"to do"', "sent plain"),
        ('invoice -label:"to do"', "trash"),
        ("older_than:30d", "plain trash"),
        ("older_than:1y", "trash"),
        ("newer_than:1w report", "file"),
        ("before:2026-12-20", "plain trash"),
        ("after:2026-12-20 is:unread", "file"),
        ("larger:4K", "list"),
        ("smaller:4k invoice", "sent plain trash"),
        ("-(invoice OR digest)", "file"),
        ("invoice OR -is:read", "sent file plain trash"),
    ],
)
def test_operators_find_what_they_say(text: str, names: str, database: Database, mail: dict[str, int]) -> None:
    by_id = {email_id: name for name, email_id in mail.items()}
    order = {name: place for place, name in enumerate(("sent", "list", "file", "plain", "trash"))}
    result = [by_id[each] for each in found(database, text)]
    assert sorted(result, key=order.__getitem__) == sorted(names.split(), key=order.__getitem__)
    times = database.read(lambda tx: [mailbox.get(tx, "ann", mail[name]).received_ts for name in result])  # type: ignore[union-attr]
    assert times == sorted(times, reverse=True)


def test_one_folder_is_searched_unless_the_search_names_another(database: Database, mail: dict[str, int]) -> None:
    assert found(database, "invoice", folder="sent") == [mail["sent"]]
    assert found(database, "invoice in:trash", folder="sent") == [mail["trash"]]
    assert found(database, "is:starred", folder="sent") == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "There is no word"),
        ("!!", "There is no word"),
        ("foo:bar", "“foo:” is no operator"),
        ("re:", "“re:” is no operator"),
        ("from:", "After from: comes a name or an address"),
        ("invoice subject:", "After subject: comes a word"),
        ("is:un", "unread, read or starred"),
        ("has:star", "attachment"),
        ("before:soon", "a date, such as"),
        ("before:2026-02-30", "a date, such as"),
        ("older_than:3", "such as 3d"),
        ("larger:big", "a size, such as"),
        ("in:nowhere", "There is no folder “nowhere”. There are inbox, .*anywhere, Clients, Clients/Acme"),
        ("label:none", "There is no label “none”. There are Clients, Clients/Acme, To do"),
        ("invoice OR", "OR stands between"),
        ("OR invoice", "OR stands between"),
        ("(invoice", "without a “\\)”"),
        ("invoice)", "without a “\\(”"),
        ("()", "nothing in the parentheses"),
        ("from:!!", "There is no word in “!!”"),
        ("(" * 12 + "x" + ")" * 12, "too many parentheses"),
        ("x " * 41, "40 words and operators"),
    ],
)
def test_what_is_not_understood_is_said(text: str, sentence: str, database: Database, mail: dict[str, int]) -> None:
    with pytest.raises(QueryError, match=sentence):
        search(database, text)


def test_punctuation_and_quotes_hinder_nothing(database: Database, mail: dict[str, int]) -> None:
    for text in ("invoice - march", "invoice, march!", '"the invoice', '"invoice of" "march"', "-- invoice march"):
        assert found(database, text) == [mail["plain"]], text
    assert found(database, "http://x.test/march") == []


def test_nobody_finds_anothers(database: Database, mail: dict[str, int]) -> None:
    assert len(found(database, "invoice", "ben")) == 1
    assert found(database, "invoice", "carol") == []
    assert len(found(database, "invoice", None)) == 4
    database.write(lambda tx: tx.execute("UPDATE emails SET owner = '~1:ben' WHERE owner = 'ben'"))
    assert len(found(database, "invoice", None)) == 3
    index_all(database)
    assert len(found(database, "invoice", None)) == 3
    assert len(found(database, "subject:invoice is:unread", None)) == 2


def test_rank_puts_the_subject_first(database: Database) -> None:
    best = add(database, "zebra", "about it", now=NOW - 9 * DAY)
    others = [add(database, "animals", f"the zebra {'and others ' * each}") for each in range(1, 4)]
    index_all(database)
    ranked = search(database, "zebra", by_rank=True, limit=2)
    rest = search(database, "zebra", by_rank=True, limit=2, cursor=ranked.next_cursor)
    assert ranked.found[0].row.id == best
    assert {each.row.id for each in (*ranked.found, *rest.found)} == {best, *others}
    assert rest.next_cursor is None
    assert found(database, "zebra")[-1] == best
    with pytest.raises(QueryError, match="rank"):
        search(database, "is:unread", by_rank=True)


def test_what_was_found_is_shown_where_it_stands(database: Database) -> None:
    add(database, "Grüße", f"{'word ' * 100}\nHere stands   the Zebra, Straße.")
    index_all(database)
    (hit,) = search(database, "zeb").found
    assert "".join(each.text for each in hit.excerpt.snippet).startswith("… word")
    assert [each.text for each in hit.excerpt.snippet if each.is_match] == ["Zeb"]
    (hit,) = search(database, "grusse OR gruse* OR word").found
    assert hit.excerpt.snippet[0].is_match and hit.excerpt.snippet[0].text == "word"
    (hit,) = search(database, "from:bob").found
    assert [each.text for each in hit.excerpt.snippet if each.is_match] == []


def test_accents_without_end_cost_little_to_look_past(database: Database) -> None:
    add(database, "b", f"a{chr(0x300) * 60_000}c")
    index_all(database)
    started = time.process_time()
    search(database, 'b OR "a b"')
    assert time.process_time() - started < 5


def pages(database: Database, text: str, limit: int, **more: Any) -> list[int]:
    """All pages, one after another."""
    result, cursor = list[int](), None
    while True:
        page = search(database, text, limit=limit, cursor=cursor, **more)
        result += [each.row.id for each in page.found]
        cursor = page.next_cursor
        if cursor is None:
            return result


@pytest.mark.parametrize("text", ["common", "c", "common -odd", "odd", "is:unread", "-odd", "rare"])
def test_pages_hold_all_of_it_in_order_over_volumes(
    text: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "VOLUME_SIZE", 8)
    rnd = random.Random(7)
    when: dict[int, int] = {}
    for number in range(60):
        now = NOW - (60 - number) * 100 if number % 9 else NOW - rnd.randrange(9000)
        words = f"common {'odd' if number % 2 else 'even'} {'rare' if number in (3, 50) else ''}"
        when[add(database, "s", words, now=now, is_read=bool(number % 3))] = int(now)
        if number % 7 == 0:
            index_all(database)
    index_all(database)
    assert len(sqlite_shell.run(database.path, "SELECT 1 FROM search_volumes;")) > 6
    tests: dict[str, Callable[[int], bool]] = {
        "common": lambda each: True,
        "c": lambda each: True,
        "common -odd": lambda each: each % 2 == 0,
        "-odd": lambda each: each % 2 == 0,
        "odd": lambda each: each % 2 == 1,
        "is:unread": lambda each: each % 3 == 0,
        "rare": lambda each: each in (3, 50),
    }
    wanted = tests[text]
    chosen = [email_id for place, email_id in enumerate(when) if wanted(place)]
    expected = sorted(chosen, key=lambda email_id: (when[email_id], email_id), reverse=True)
    assert pages(database, text, 5) == expected
    monkeypatch.setattr(find, "MOST_VOLUMES", 2)
    assert pages(database, text, 5) == expected
    # A folder with little in it and one with much are looked through in different ways.
    assert pages(database, text, 5, folder="inbox") == expected
    monkeypatch.setattr(find, "MOST_FEW", 3)
    assert pages(database, text, 5, folder="inbox") == expected
    assert pages(database, text, 5, folder="junk") == []
    assert pages(database, text, 100, owner=None) == expected


@pytest.mark.parametrize("cursor", ["x", "1", "r1", "1-1-1", "9" * 20 + "-1"])
def test_a_foreign_cursor_is_refused(cursor: str, database: Database) -> None:
    with pytest.raises(CursorError):
        search(database, "x", cursor=cursor)


def steps(tx: Connection, text: str, owner: str, folder: str | None = None) -> int:
    """The steps of SQLite's machine that a search takes."""
    taken = 0

    def count() -> bool:
        nonlocal taken
        taken += 1
        return False

    tx.set_progress_handler(count, 1)
    try:
        find.page(tx, find.Wanted(owner, text, folder), NOW)
    finally:
        tx.set_progress_handler(None, 1)
    return taken


def test_a_search_costs_the_same_whatever_mail_others_have(database: Database) -> None:
    for number in range(20):
        add(database, "mine", f"common {number}")
    index_all(database)
    asked = ("common", "c", "rare", "common -rare", "is:unread", "from:bob has:attachment", "-common")

    def cost() -> dict[str, int]:
        return database.read(lambda tx: {text: steps(tx, text, "ann") for text in (*asked, *asked)})

    alone = cost()
    for number in range(600):
        add(database, "theirs", f"common rare {number}", owner=f"user{number % 30}")
    index_all(database)
    among = cost()
    # The height of a tree may grow by a level; the rows of others would cost thousands of steps.
    assert all(abs(among[text] - alone[text]) < 20 for text in asked), (alone, among)


def test_searches_use_indexes_alone(database: Database, mail: dict[str, int]) -> None:
    plans: list[str] = []

    def note(_tx: Any, sql: str, bindings: Any) -> bool:
        if sql.lstrip().startswith("SELECT") and "sqlite_" not in sql:
            asked.append((sql, bindings))
        return True

    asked: list[tuple[str, Any]] = []

    def run(tx: Connection) -> None:
        tx.exec_trace = note
        for text in (
            "invoice",
            "c",
            "-invoice",
            "is:unread",
            "is:starred OR invoice",
            "label:clients x",
            "older_than:1d",
        ):
            for owner in ("ann", *(() if "label" in text else (None,))):
                for folder in ("inbox", None):
                    find.page(tx, find.Wanted(owner, text, folder), NOW, cursor="1900000000-9")
        find.page(tx, find.Wanted("ann", "invoice", None, by_rank=True), NOW)
        tx.exec_trace = None
        for sql, bindings in asked:
            plans.extend(str(row[3]) for row in tx.execute(f"EXPLAIN QUERY PLAN {sql}", bindings))

    database.write(run)
    scans = {each for each in plans if each.startswith("SCAN") and "VIRTUAL TABLE" not in each}
    # One row; and of everybody's mail all volumes, of which there are thousands of times fewer than messages.
    assert scans <= {"SCAN search_progress", "SCAN search_volumes"}, scans
