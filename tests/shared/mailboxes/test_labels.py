"""Labels, own folders and stars, and that they keep order whoever changes mail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlite_shell
from onifast_shared.db.database import Connection, Database
from onifast_shared.departed import changes, deleting, moving
from onifast_shared.departed.changes import UserChangeRequest
from onifast_shared.mailboxes import contents, labelling, labels, mailbox
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.mailboxes.labels import Label, LabelError
from onifast_shared.values.label_names import MOST_DEPTH
from onifast_shared.values.paging import Page

NOW = 1_800_000_000.0


def deliver(database: Database, owner: str = "ann", *, received: float = NOW, folder: str = "inbox") -> int:
    """A message of an owner's."""
    ref = contents.store(database, b"Subject: x\r\n\r\nx")

    def write(tx: Connection) -> int:
        return mailbox.add(
            tx,
            owner=owner,
            recipient=f"{owner}@x.test",
            reverse_path="b@x.test",
            content_id=contents.attach(tx, ref),
            size=1,
            now=received,
            folder=folder,
        )

    return database.write(write)


def make(database: Database, name: str, owner: str = "ann", *, is_folder: bool = False) -> Label:
    return database.write(lambda tx: labels.create(tx, owner, name, is_folder=is_folder, now=NOW))


def assign(database: Database, label: Label, *ids: int) -> int:
    return database.write(lambda tx: labelling.assign(tx, label, ids))


def names(database: Database, owner: str = "ann") -> list[str]:
    return [each.name for each in database.read(lambda tx: labels.list_all(tx, owner))]


def counts(database: Database, label: Label) -> tuple[int, int]:
    found = database.read(lambda tx: labels.get(tx, None, label.id))
    assert found is not None
    return found.total, found.unread


def listed(database: Database, label: Label) -> list[int]:
    return [each.id for each in database.read(lambda tx: mailbox.list_page(tx, label.owner, None, label=label)).rows]


def page_of(database: Database, label: Label, cursor: str | None) -> Page[EmailRow]:
    return database.read(lambda tx: mailbox.list_page(tx, label.owner, None, label=label, limit=3, cursor=cursor))


def labels_of(database: Database, email_id: int) -> list[str]:
    found = database.read(lambda tx: labelling.of_messages(tx, [email_id]))
    return [each.name for each in found.get(email_id, [])]


def folder_of(database: Database, email_id: int) -> str:
    row = database.read(lambda tx: mailbox.get(tx, None, email_id))
    assert row is not None
    return row.folder


# The tree of names


def test_what_a_label_lies_in_is_made_with_it(database: Database) -> None:
    make(database, "Clients/Acme/2026")
    make(database, "beta")
    assert names(database) == ["beta", "Clients", "Clients/Acme", "Clients/Acme/2026"]


def test_a_name_takes_the_writing_of_those_above_it(database: Database) -> None:
    make(database, "Clients")
    assert make(database, "CLIENTS/Acme").name == "Clients/Acme"


def test_two_labels_of_one_name_cannot_be_but_with_two_owners(database: Database) -> None:
    make(database, "Straße")
    with pytest.raises(LabelError, match="there is 'STRASSE' already"):
        make(database, "STRASSE")
    make(database, "Straße", "ben")


def test_no_folder_lies_in_a_label(database: Database) -> None:
    make(database, "Work")
    with pytest.raises(LabelError, match="'Work' is a label: no own folder lies in it"):
        make(database, "work/x", is_folder=True)
    make(database, "Kept", is_folder=True)
    with pytest.raises(LabelError, match="'Kept' is an own folder: no label lies in it"):
        make(database, "Kept/x")


def test_renaming_takes_along_what_lies_in_it(database: Database) -> None:
    for name in ("Clients/Acme/2026", "Clientship", "Clients-old"):
        make(database, name)
    found = database.read(lambda tx: labels.find(tx, "ann", "clients"))
    assert found is not None
    database.write(lambda tx: labels.rename(tx, found, "Work/Customers", NOW))
    assert names(database) == [
        "Clients-old", "Clientship", "Work", "Work/Customers", "Work/Customers/Acme", "Work/Customers/Acme/2026",
    ]  # fmt: skip


def test_renaming_changes_the_case_and_refuses_what_cannot_be(database: Database) -> None:
    work, taken = make(database, "work"), make(database, "Taken")
    assert database.write(lambda tx: labels.rename(tx, work, "Work", NOW)).name == "Work"
    work = database.read(lambda tx: labels.get(tx, "ann", work.id)) or work
    with pytest.raises(LabelError, match="already"):
        database.write(lambda tx: labels.rename(tx, work, "taken", NOW))
    with pytest.raises(LabelError, match="in itself"):
        database.write(lambda tx: labels.rename(tx, taken, "TAKEN/deeper", NOW))
    assert names(database) == ["Taken", "Work"]


def test_renaming_that_would_nest_too_deep_changes_nothing(database: Database) -> None:
    deep = "/".join("abcdefgh"[:MOST_DEPTH])
    make(database, deep)
    make(database, "top")
    first = database.read(lambda tx: labels.find(tx, "ann", "a"))
    assert first is not None
    before = names(database)
    with pytest.raises(LabelError, match="deep"):
        database.write(lambda tx: labels.rename(tx, first, "top/a", NOW))
    assert names(database) == before


def test_deleting_takes_along_what_lies_in_it_and_leaves_the_mail(database: Database) -> None:
    email_id, label = deliver(database), make(database, "Clients/Acme")
    assign(database, label, email_id)
    top = database.read(lambda tx: labels.find(tx, "ann", "Clients"))
    assert top is not None
    assert [database.write(lambda tx: labels.strip_some(tx, top, 10)) for _ in range(2)] == [1, 0]
    assert database.write(lambda tx: labels.delete(tx, top)) == 2
    assert (names(database), labels_of(database, email_id), folder_of(database, email_id)) == ([], [], "inbox")


def test_an_owner_has_so_many_labels_and_no_more(database: Database) -> None:
    def fill(tx: Connection) -> None:
        for number in range(labels.MOST_LABELS - 1):
            labels.create(tx, "ann", str(number), now=NOW)

    database.write(fill)
    with pytest.raises(LabelError, match="500"):
        make(database, "a/b")
    assert len(names(database)) == labels.MOST_LABELS - 1


def test_colours_come_from_the_palette(database: Database) -> None:
    label = make(database, "x")
    database.write(lambda tx: labels.set_colour(tx, label, "teal"))
    with pytest.raises(LabelError, match="no colour 'mauve': one of grey, red"):
        database.write(lambda tx: labels.set_colour(tx, label, "mauve"))
    assert database.read(lambda tx: labels.list_all(tx, "ann"))[0].colour == "teal"


# Messages


def test_a_message_has_several_labels_and_lies_in_one_own_folder(database: Database) -> None:
    email_id = deliver(database)
    for label in (make(database, "A"), make(database, "B"), make(database, "F", is_folder=True)):
        assert assign(database, label, email_id) == 1
        assert assign(database, label, email_id) == 1
    other = make(database, "G", is_folder=True)
    assign(database, other, email_id)
    assert labels_of(database, email_id) == ["G", "A", "B"]
    assert folder_of(database, email_id) == "archive"


@pytest.mark.parametrize("folder", ["inbox", "archive", "trash"])
def test_who_moves_a_message_takes_it_out_of_its_own_folder(database: Database, folder: str) -> None:
    email_id, label, own = deliver(database), make(database, "A"), make(database, "F", is_folder=True)
    assign(database, label, email_id)
    assign(database, own, email_id)
    database.write(lambda tx: mailbox.move(tx, "ann", [email_id], folder))
    assert labels_of(database, email_id) == ["A"]


def test_what_is_taken_out_of_an_own_folder_lies_in_the_archive(database: Database) -> None:
    email_id, own = deliver(database), make(database, "F", is_folder=True)
    assign(database, own, email_id)
    assert database.write(lambda tx: labelling.take_off(tx, own, [email_id])) == 1
    assert (labels_of(database, email_id), folder_of(database, email_id)) == ([], "archive")


def test_somebody_elses_message_gets_no_label(database: Database) -> None:
    foreign, label = deliver(database, "ben"), make(database, "A")
    assert assign(database, label, foreign, 4711) == 0
    assert database.write(lambda tx: labelling.take_off(tx, label, [foreign])) == 0
    assert (labels_of(database, foreign), counts(database, label)) == ([], (0, 0))


def test_a_message_has_so_many_labels_and_no_more(database: Database) -> None:
    email_id = deliver(database)
    for number in range(labelling.MOST_OF_ONE):
        assign(database, make(database, str(number)), email_id)
    with pytest.raises(labelling.TooManyLabels, match="50 labels"):
        assign(database, make(database, "one more"), email_id)


def test_a_labels_list_is_in_order_and_in_pages(database: Database) -> None:
    ids = [deliver(database, received=NOW + number % 3) for number in range(7)]
    label = make(database, "A")
    assign(database, label, *ids)
    deliver(database)
    seen, cursor = list[int](), None
    while True:
        page = page_of(database, label, cursor)
        seen += [each.id for each in page.rows]
        if (cursor := page.next_cursor) is None:
            break
    assert seen == sorted(ids, key=lambda each: (ids.index(each) % 3, each), reverse=True)


def test_trash_and_junk_show_in_no_labels_list_but_come_back(database: Database) -> None:
    one, two, label = deliver(database), deliver(database), make(database, "A")
    assign(database, label, one, two)
    database.write(lambda tx: mailbox.move(tx, "ann", [one], "trash"))
    assert (listed(database, label), counts(database, label)) == ([two], (1, 1))
    database.write(lambda tx: mailbox.move(tx, "ann", [one], "inbox"))
    assert (listed(database, label), counts(database, label)) == ([two, one], (2, 2))


def test_counts_follow_what_is_read_and_deleted(database: Database) -> None:
    ids, label = [deliver(database) for _ in range(4)], make(database, "A")
    assign(database, label, *ids)
    database.write(lambda tx: mailbox.set_read(tx, "ann", ids[:2], True))
    assert counts(database, label) == (4, 2)
    database.write(lambda tx: mailbox.erase(tx, ids[1:3]))
    assert counts(database, label) == (2, 1)
    database.write(lambda tx: labelling.take_off(tx, label, ids))
    assert counts(database, label) == (0, 0)


PLAIN_SQL: dict[str, tuple[str, tuple[int, int]]] = {
    "delete": ("DELETE FROM emails WHERE id = 1", (1, 1)),
    "delete all": ("DELETE FROM emails", (0, 0)),
    "read": ("UPDATE emails SET is_read = 1", (2, 0)),
    "trash": ("UPDATE emails SET folder = 'trash' WHERE id = 2", (1, 1)),
    "another owner": ("UPDATE emails SET owner = 'ben' WHERE id = 2", (1, 1)),
    "nothing new": ("UPDATE emails SET folder = folder, is_read = is_read, owner = owner", (2, 2)),
    "label": ("DELETE FROM email_labels WHERE email_id = 2", (1, 1)),
}


@pytest.mark.parametrize("name", PLAIN_SQL)
def test_plain_sql_of_other_programs_keeps_counts_and_lists_right(database: Database, name: str) -> None:
    one, two, label = deliver(database), deliver(database), make(database, "A")
    assign(database, label, one, two)
    sql, wanted = PLAIN_SQL[name]
    sqlite_shell.run(database.path, sql + ";")
    assert counts(database, label) == wanted
    assert len(listed(database, label)) == wanted[0]


def test_plain_sql_that_moves_takes_out_of_an_own_folder(database: Database) -> None:
    email_id, own = deliver(database), make(database, "F", is_folder=True)
    assign(database, own, email_id)
    sqlite_shell.run(database.path, "UPDATE emails SET folder = 'inbox';")
    assert (labels_of(database, email_id), counts(database, own)) == ([], (0, 0))


def test_a_row_that_another_owner_takes_the_place_of_shows_none_of_its_labels(database: Database) -> None:
    label, email_id = make(database, "Private"), deliver(database)
    assign(database, label, email_id)
    sqlite_shell.run(
        database.path,
        f"INSERT OR REPLACE INTO emails (id, owner, sender, recipient, subject, folder)"
        f" VALUES ({email_id}, 'bob', 'x@x.test', 'bob@x.test', 'Hello', 'inbox');",
    )
    assert labels_of(database, email_id) == []


def test_stars_are_listed_and_belong_to_their_owner(database: Database) -> None:
    one, two, foreign = deliver(database), deliver(database), deliver(database, "ben")
    assert database.write(lambda tx: labelling.set_starred(tx, "ann", [one, foreign], True)) == 1
    rows = database.read(lambda tx: mailbox.list_page(tx, "ann", None, starred=True)).rows
    assert [(each.id, each.is_starred) for each in rows] == [(one, True)]
    assert database.read(lambda tx: mailbox.list_page(tx, "ben", None, starred=True)).rows == []
    database.write(lambda tx: mailbox.move(tx, "ann", [one], "trash"))
    assert database.read(lambda tx: mailbox.list_page(tx, "ann", None, starred=True)).rows == []
    assert database.write(lambda tx: labelling.set_starred(tx, "ann", [one, two], False)) == 2


def plan(tx: Connection, run: Callable[[], object]) -> str:
    """What SQLite says of how it runs the list that `run` asks for."""
    statements = list[tuple[str, Any]]()

    def note(_cursor: Any, sql: str, bindings: Any) -> bool:
        statements.append((sql, bindings))
        return True

    tx.exec_trace = note
    run()
    tx.exec_trace = None
    sql, bindings = next(each for each in statements if "ORDER BY" in each[0])
    return " ".join(str(row[3]) for row in tx.execute(f"EXPLAIN QUERY PLAN {sql}", bindings))


def test_lists_are_read_from_indexes_in_their_order(database: Database) -> None:
    label = make(database, "A")

    def read(tx: Connection) -> tuple[str, str]:
        return (
            plan(tx, lambda: mailbox.list_page(tx, "ann", None, label=label, cursor="5-1")),
            plan(tx, lambda: mailbox.list_page(tx, "ann", None, starred=True, cursor="5-1")),
        )

    by_label, by_star = database.read(read)
    assert "SEARCH l USING PRIMARY KEY (label_id=? AND is_shown=?" in by_label and "TEMP B-TREE" not in by_label
    assert "USING INDEX emails_starred (owner=?" in by_star and "TEMP B-TREE" not in by_star


# Users who are renamed, who go, and who become one


def settle(database: Database) -> None:
    moving.finish(database)
    deleting.finish(database)


def test_labels_stay_on_the_mail_of_who_is_renamed(database: Database) -> None:
    email_id, label = deliver(database), make(database, "A")
    assign(database, label, email_id)
    database.write(lambda tx: changes.make(tx, UserChangeRequest("rename", "ann", "test", "anna"), NOW))
    settle(database)
    assert (names(database), names(database, "anna"), labels_of(database, email_id)) == ([], ["A"], ["A"])


def test_who_comes_back_to_a_new_user_of_the_name_keeps_labels_and_counts(database: Database) -> None:
    old, label = deliver(database), make(database, "Work")
    assign(database, label, old)
    database.write(lambda tx: changes.make(tx, UserChangeRequest("remove", "ann", "test"), NOW))
    settle(database)
    new, again = deliver(database), make(database, "WORK")
    assign(database, again, new)
    database.write(lambda tx: changes.make(tx, UserChangeRequest("restore", "ann", "test", merge=True), NOW))
    settle(database)
    assert names(database) == ["WORK"]
    assert (sorted(listed(database, again)), counts(database, again)) == ([old, new], (2, 2))
