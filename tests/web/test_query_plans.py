"""What lists, counts, searches and pages ask walks an index; a page deep in a list costs what the first costs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from onifast_shared.db.database import Connection, Database
from onifast_shared.mailboxes import labelling, labels

from web.support import Browser, Panel, deliver, index

NOW = 1_790_000_000
CURSOR = f"{NOW}-9"
LISTS = [
    "/api/mail/list?folder={folder}",
    "/api/mail/list?folder={folder}&unread=1",
    "/api/mail/list?folder={folder}&starred=1",
    "/api/mail/list?folder={folder}&address=ann@remote.example",
]
SEARCHES = [f"/api/mail/list?folder=inbox&q={q}" for q in ("hello", "h", "is:unread", "from:ann+-x", "label:clients+h")]
PAGES = ["/folders/inbox", "/folders/sent", "/starred", "/labels/1", "/folders/inbox?q=hello&in=all", "/messages/{id}"]
OTHERS = [
    "/api/mail/counts",
    "/api/mail/read?id={id}",
    "/api/mail/labels",
    "/api/mail/list?label=1",
    "/api/mail/list?starred=1",
]
FOR_PANEL = ["/api/mail/counts", "/api/mail/list?folder=inbox", "/api/mail/list?folder=all&q=hello"]

SMALL = {
    *("directory_version", "search_progress", "relays"),  # one row, or a few that an administrator makes
    "search_volumes",  # one for two thousand messages, and read whole for everybody's mail alone
    "domain_aliases",  # as many as administrators make
}


@pytest.fixture
def mail(database: Database) -> int:
    """Messages in several folders with labels and stars; the id of one."""
    ids = [
        deliver(database, folder=folder, received=NOW + at) for at, folder in enumerate(["inbox"] * 8 + ["sent"] * 4)
    ]
    index(database)

    def mark(tx: Connection) -> None:
        label = labels.create(tx, "demo", "Clients", now=NOW)
        labelling.assign(tx, label, ids[:4])
        labelling.set_starred(tx, "demo", ids[:3], True)

    database.write(mark)
    return ids[0]


@contextmanager
def traced(database: Database) -> Iterator[list[tuple[str, Any]]]:
    """What this thread reads, statement by statement; the test client answers in it."""
    asked: list[tuple[str, Any]] = []

    def note(_tx: Any, sql: str, bindings: Any) -> bool:
        if re.match(r"\s*(SELECT|WITH)\b", sql) and "sqlite_" not in sql:
            asked.append((sql, bindings))
        return True

    def trace(how: Callable[..., bool] | None) -> Callable[[Connection], None]:
        return lambda tx: setattr(tx, "exec_trace", how)

    database.read(trace(note))
    yield asked
    database.read(trace(None))


def plans(database: Database, asked: list[tuple[str, Any]]) -> dict[str, list[str]]:
    """The steps of SQLite's plan for each statement."""

    def explain(tx: Connection) -> dict[str, list[str]]:
        return {
            " ".join(sql.split()): [str(row[3]) for row in tx.execute(f"EXPLAIN QUERY PLAN {sql}", bindings)]
            for sql, bindings in asked
        }

    return database.read(explain)


def check(database: Database, asked: list[tuple[str, Any]]) -> None:
    assert asked
    for sql, steps in plans(database, asked).items():
        scans = {step for step in steps if step.startswith("SCAN") and "VIRTUAL TABLE" not in step}
        scans = {step for step in scans if step.split()[1] not in SMALL and "CONSTANT ROW" not in step}
        # Of everybody's queue: an index of what waits for its sender's time, and of nothing else.
        scans = {step for step in scans if not re.fullmatch(r"SCAN outbox USING.* INDEX outbox_release", step)}
        scans = {step for step in scans if not step.startswith("SCAN (subquery")}  # its own steps are among these
        assert not scans, (scans, sql)
        if "e.snippet" in sql and "LIMIT" in sql:
            # A page that is sorted costs what the whole folder costs.
            assert not [step for step in steps if "TEMP B-TREE FOR ORDER BY" in step], (steps, sql)


@pytest.mark.parametrize("cursor", ["", f"&cursor={CURSOR}"])
@pytest.mark.parametrize("folder", ["inbox", "sent", "all"])
@pytest.mark.parametrize("path", LISTS)
@pytest.mark.usefixtures("mail")
def test_a_list_walks_an_index(browser: Browser, database: Database, path: str, folder: str, cursor: str) -> None:
    with traced(database) as asked:
        answer = browser.get(path.format(folder=folder) + cursor)
    assert answer.status_code == 200
    check(database, asked)


@pytest.mark.parametrize("path", [*SEARCHES, *PAGES, *OTHERS])
def test_what_else_is_read_walks_an_index(browser: Browser, database: Database, mail: int, path: str) -> None:
    with traced(database) as asked:
        answer = browser.get(path.format(id=mail))
    assert answer.status_code == 200, answer.text
    check(database, asked)


@pytest.mark.parametrize("path", FOR_PANEL)
def test_what_the_panel_reads_of_everybody_walks_an_index(
    panel: Panel, database: Database, mail: int, path: str
) -> None:
    with traced(database) as asked:
        assert panel.client.get(path, headers=panel.headers).status_code == 200
    check(database, asked)


def test_a_statement_that_reads_a_table_whole_would_be_seen(browser: Browser, database: Database, mail: int) -> None:
    with traced(database) as asked:
        database.read(lambda tx: tx.execute("SELECT id FROM emails WHERE sender = 'x'").fetchall())
    with pytest.raises(AssertionError, match="SCAN emails"):
        check(database, asked)


STEPS_EACH = 10  # of SQLite's virtual machine, between two calls of the handler


@pytest.mark.parametrize("place", ["folder=inbox", "label=1", "starred=1", "folder=inbox&unread=1", "folder=all"])
def test_a_page_deep_in_a_list_costs_what_the_first_costs(browser: Browser, database: Database, place: str) -> None:
    sql = """
        WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 3000)
        INSERT INTO emails (sender, recipient, subject, body, raw_content, owner, received_ts,
                            received_at, folder, file_path, is_starred, indexed)
        SELECT 'ann@remote.test', 'demo@example.test', 'Hello', 'Text', '', 'demo', ?1 + n,
               datetime(?1 + n, 'unixepoch'), 'inbox', '', 1, 1
        FROM numbers
    """

    def fill(tx: Connection) -> list[int]:
        tx.execute(sql, (NOW,))
        label = labels.create(tx, "demo", "Clients", now=NOW)
        ids = [int(str(row[0])) for row in tx.execute("SELECT id FROM emails ORDER BY received_ts")]
        labelling.assign(tx, label, ids)
        return ids

    ids = database.write(fill)
    deep = f"cursor={NOW + 300}-{ids[299]}"
    first, last = steps(browser, database, f"{place}&limit=50"), steps(browser, database, f"{place}&limit=50&{deep}")
    assert last < first * 1.3 + 20, (first, last)


def steps(browser: Browser, database: Database, query: str) -> int:
    """How often SQLite's virtual machine went STEPS_EACH steps for a list."""
    count = 0

    def note() -> bool:
        nonlocal count
        count += 1
        return False

    browser.get(f"/api/mail/list?{query}")  # the correspondents are kept from then on
    database.read(lambda tx: tx.set_progress_handler(note, STEPS_EACH))
    answer = browser.get(f"/api/mail/list?{query}")
    database.read(lambda tx: tx.set_progress_handler(None))
    assert len(answer.get_json()["emails"]) == 50
    return count
