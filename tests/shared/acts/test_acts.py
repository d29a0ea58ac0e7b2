"""Acts on lists: done at once or in steps, undone as it was before, and final only after a while."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from mail_rows import put
from onifast_shared.acts import journal, steps
from onifast_shared.acts.journal import DELETED_FOR, AskedAct, ListAct
from onifast_shared.acts.scope import ListScope
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import counts, labelling, labels, mailbox, snoozing
from onifast_shared.mailboxes.email_rows import EmailRow
from searchable import index_all

NOW = 1_800_000_000.0


def letter(
    database: Database, subject: str = "Hello", *, owner: str = "ann", folder: str = "inbox", at: float = NOW
) -> int:
    raw = f"From: b@x.test\r\nSubject: {subject}\r\nMessage-ID: <{subject}-{at}@x>\r\n\r\nx".encode()
    return put(database, raw, owner=owner, now=at, folder=folder)


def act(database: Database, action: str, target: str = "", *ids: int, owner: str = "ann", now: float = NOW) -> ListAct:
    return database.write(lambda tx: steps.act(tx, AskedAct(owner, action, target, "inbox"), ids, now))


def on_all(database: Database, action: str, target: str, wanted: ListScope) -> ListAct:
    return database.write(lambda tx: steps.act_on_all(tx, AskedAct("ann", action, target, "inbox"), wanted, NOW))


def undo(database: Database, done: ListAct, now: float = NOW) -> ListAct:
    found = database.read(lambda tx: journal.get(tx, "ann", done.id))
    assert found
    return database.write(lambda tx: steps.undo(tx, found, now))


def work(database: Database, now: float = NOW) -> None:
    while steps.work_off(database, now):
        pass


def row(database: Database, email_id: int, owner: str | None = "ann") -> EmailRow:
    found = database.read(lambda tx: mailbox.get(tx, owner, email_id))
    assert found
    return found


def subjects(database: Database, folder: str) -> list[str]:
    return [each.subject for each in database.read(lambda tx: mailbox.list_page(tx, "ann", folder, limit=200)).rows]


@pytest.mark.parametrize(
    ("action", "target", "changed"),
    [
        ("move", "trash", lambda each: each.folder == "trash"),
        ("move", "junk", lambda each: each.folder == "junk"),
        ("read", "", lambda each: each.is_read),
        ("star", "", lambda each: each.is_starred),
        ("snooze", str(int(NOW) + 100), lambda each: each.snoozed_until == NOW + 100 and each.folder == "archive"),
    ],
)
def test_what_was_done_is_undone(database: Database, action: str, target: str, changed: object) -> None:
    email_id = letter(database)
    before = row(database, email_id)
    done = act(database, action, target, email_id)
    assert callable(changed) and changed(row(database, email_id)) and done.done == 1
    assert undo(database, done).state == "undone"
    assert row(database, email_id) == before


def test_each_message_becomes_what_it_was_before(database: Database) -> None:
    read, unread = letter(database), letter(database)
    database.write(lambda tx: mailbox.set_read(tx, "ann", [read], True))
    done = act(database, "read", "", read, unread)
    undo(database, done)
    assert (row(database, read).is_read, row(database, unread).is_read) == (True, False)


def test_labels_that_a_message_had_stay_with_it(database: Database) -> None:
    email_id = letter(database)
    old = database.write(lambda tx: labels.create(tx, "ann", "old", now=NOW))
    new = database.write(lambda tx: labels.create(tx, "ann", "new", now=NOW))
    database.write(lambda tx: labelling.assign(tx, old, [email_id]))
    done = act(database, "label", f"{old.id} {new.id}", email_id)
    assert names(database, email_id) == ["new", "old"]
    undo(database, done)
    assert names(database, email_id) == ["old"]
    taken = act(database, "label", f"-{old.id}", email_id)
    assert names(database, email_id) == []
    undo(database, taken)
    assert names(database, email_id) == ["old"]


def names(database: Database, email_id: int) -> list[str]:
    return [each.name for each in database.read(lambda tx: labelling.of_messages(tx, [email_id])).get(email_id, [])]


def test_a_message_goes_back_into_its_own_folder(database: Database) -> None:
    email_id = letter(database)
    own = database.write(lambda tx: labels.create(tx, "ann", "Clients", is_folder=True, now=NOW))
    act(database, "move", f"label:{own.id}", email_id)
    thrown = act(database, "move", "trash", email_id)
    assert names(database, email_id) == []
    undo(database, thrown)
    assert names(database, email_id) == ["Clients"]


def test_what_somebody_has_moved_on_since_stays_there(database: Database) -> None:
    email_id = letter(database)
    done = act(database, "move", "trash", email_id)
    database.write(lambda tx: mailbox.move(tx, "ann", [email_id], "archive"))
    undo(database, done)
    assert row(database, email_id).folder == "archive"


def test_nobody_does_anything_to_foreign_mail(database: Database) -> None:
    email_id = letter(database, owner="bob")
    assert act(database, "move", "trash", email_id).id == 0
    assert row(database, email_id, "bob").folder == "inbox"


def test_what_was_deleted_is_seen_by_nobody_and_comes_back_whole(database: Database) -> None:
    email_id = letter(database, folder="trash")
    label = database.write(lambda tx: labels.create(tx, "ann", "Kept", now=NOW))
    database.write(lambda tx: labelling.assign(tx, label, [email_id]))
    index_all(database)
    before = row(database, email_id)
    done = act(database, "delete", "", email_id)
    assert database.read(lambda tx: mailbox.get(tx, "ann", email_id)) is None
    assert database.read(lambda tx: mailbox.get(tx, None, email_id)) is None
    assert database.read(lambda tx: counts.of(tx, "ann"))["trash"].total == 0
    assert database.read(lambda tx: counts.of(tx, None))["trash"].total == 0
    undo(database, done)
    index_all(database)
    assert (row(database, email_id).subject, names(database, email_id)) == (before.subject, ["Kept"])
    work(database, NOW + 10_000)
    assert row(database, email_id).folder == "trash"


def test_what_was_deleted_is_gone_after_ten_seconds_and_not_before(database: Database) -> None:
    email_id = letter(database, folder="trash")
    act(database, "delete", "", email_id)
    work(database, NOW + DELETED_FOR - 1)
    assert exists(database, email_id)
    work(database, NOW + DELETED_FOR)
    assert not exists(database, email_id)
    assert database.read(lambda tx: tx.execute("SELECT count(*) FROM list_acts").get) == 0


def exists(database: Database, email_id: int) -> bool:
    return database.read(lambda tx: tx.execute("SELECT 1 FROM emails WHERE id = ?", (email_id,)).fetchone()) is not None


def test_only_what_lies_in_trash_junk_or_drafts_is_deleted(database: Database) -> None:
    email_id = letter(database)
    assert act(database, "delete", "", email_id).done == 0
    assert row(database, email_id)


def many(database: Database, number: int = 250, folder: str = "inbox") -> Sequence[int]:
    return [letter(database, f"Number {each}", at=NOW - number + each, folder=folder) for each in range(number)]


def test_all_of_a_folder_is_moved_in_steps_and_undone_in_steps(database: Database) -> None:
    many(database)
    done = on_all(database, "move", "archive", ListScope("inbox"))
    assert (done.total, done.state) == (250, "working")
    first = steps.step(database, done, NOW)
    assert first and (first.done, first.is_working) == (100, True)
    late = letter(database, "Late", at=NOW + 5)
    work(database)
    assert subjects(database, "inbox") == ["Late"] and row(database, late).folder == "inbox"
    assert len(subjects(database, "archive")) == 200
    undone = undo(database, done, NOW)
    assert undone.state == "undone"
    assert database.read(lambda tx: counts.of(tx, "ann"))["inbox"].total == 251


def test_an_act_on_all_can_be_undone_while_it_is_worked_on(database: Database) -> None:
    many(database)
    done = on_all(database, "read", "", ListScope("inbox"))
    steps.step(database, done, NOW)
    undo(database, done)
    work(database)
    assert database.read(lambda tx: counts.of(tx, "ann"))["inbox"].unread == 250


def test_two_processes_make_no_step_twice(database: Database) -> None:
    many(database)
    done = on_all(database, "star", "", ListScope("inbox"))
    steps.step(database, done, NOW)
    again = steps.step(database, done, NOW)  # as one that has read the act before
    assert again and again.done == 100


def test_what_was_found_is_acted_on_alone(database: Database) -> None:
    for each in range(3):
        letter(database, f"Lunch {each}")
    other = letter(database, "Dinner")
    index_all(database)
    on_all(database, "move", "trash", ListScope("inbox", text="lunch"))
    work(database)
    assert row(database, other).folder == "inbox" and len(subjects(database, "trash")) == 3


def test_the_trash_is_emptied_and_can_be_had_back(database: Database) -> None:
    many(database, 120, "trash")
    done = on_all(database, "delete", "", ListScope("trash"))
    work(database)
    assert database.read(lambda tx: counts.of(tx, "ann"))["trash"].total == 0
    undo(database, done)
    assert database.read(lambda tx: counts.of(tx, "ann"))["trash"].total == 120
    on_all(database, "delete", "", ListScope("trash"))
    work(database)
    work(database, NOW + DELETED_FOR + 1)
    assert database.read(lambda tx: tx.execute("SELECT count(*) FROM emails").get) == 0


def test_a_label_that_is_gone_ends_an_act(database: Database) -> None:
    label = database.write(lambda tx: labels.create(tx, "ann", "Gone", now=NOW))
    email_id = letter(database)
    database.write(lambda tx: labelling.assign(tx, label, [email_id]))
    done = on_all(database, "move", "trash", ListScope(label_id=label.id))
    database.write(lambda tx: labels.delete(tx, label))
    work(database)
    found = database.read(lambda tx: journal.get(tx, "ann", done.id))
    assert found and found.state == "done" and row(database, email_id).folder == "inbox"


def test_what_is_put_off_comes_back_unread_at_the_top(database: Database) -> None:
    old, _newer = letter(database, "Old", at=NOW - 100), letter(database, "Newer", at=NOW)
    database.write(lambda tx: mailbox.set_read(tx, "ann", [old], True))
    act(database, "snooze", str(int(NOW) + 60), old)
    assert [each.id for each in database.read(lambda tx: snoozing.page(tx, "ann")).rows] == [old]
    work(database, NOW + 59)
    assert subjects(database, "inbox") == ["Newer"]
    work(database, NOW + 61)
    assert subjects(database, "inbox") == ["Old", "Newer"]
    found = row(database, old)
    assert (found.is_read, found.arrived_ts, found.snoozed_until) == (False, NOW - 100, None)


def test_who_moves_what_is_put_off_ends_that(database: Database) -> None:
    email_id = letter(database)
    act(database, "snooze", str(int(NOW) + 60), email_id)
    database.write(lambda tx: mailbox.move(tx, "ann", [email_id], "trash"))
    work(database, NOW + 61)
    assert row(database, email_id).folder == "trash"


def test_an_answer_wakes_its_conversation(database: Database) -> None:
    first = letter(database, "Plan")
    index_all(database)
    act(database, "snooze", str(int(NOW) + 60), first)
    raw = f"From: b@x.test\r\nSubject: Re: Plan\r\nIn-Reply-To: <Plan-{NOW}@x>\r\n\r\nx".encode()
    answer = put(database, raw, now=NOW + 1)
    index_all(database)
    database.write(lambda tx: snoozing.wake_answered(tx, answer))
    assert row(database, first).folder == "inbox"
