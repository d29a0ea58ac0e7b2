"""Lessons: whoever moves mail to or out of junk teaches once, and takes it back by moving it back."""

from __future__ import annotations

import pytest
import sqlite_shell
from onifast_shared.db.database import Database
from onifast_shared.junk import lessons
from onifast_shared.junk.lessons import Lesson
from onifast_shared.junk.model import Learnable
from onifast_shared.junk.words import Feature
from onifast_shared.mailboxes import mailbox

from .letters import GOOD_TEXT, NOW, arrive, judged, letter, stored

LESSON = Learnable([Feature(1), Feature(2)])


@pytest.fixture
def email_id(database: Database) -> int:
    """A message in ann's inbox."""
    found = arrive(database, letter(1, GOOD_TEXT))
    judged(database, found)
    return found


def move(database: Database, email_id: int, *folders: str) -> None:
    for folder in folders:
        database.write(lambda tx, folder=folder: mailbox.move(tx, "ann", [email_id], folder))  # type: ignore[misc]


def waiting(database: Database, now: float = NOW) -> list[Lesson]:
    return database.read(lambda tx: lessons.waiting(tx, now))


def wanted(database: Database) -> list[str]:
    return [each.wanted for each in waiting(database)]


def learn(database: Database) -> None:
    for lesson in waiting(database):
        assert database.write(lambda tx, lesson=lesson: lessons.learn(tx, lesson, LESSON, NOW))  # type: ignore[misc]


def counted(database: Database) -> list[tuple[int, int]]:
    return stored(database, "SELECT good, junk FROM junk_models")


@pytest.mark.parametrize(
    ("folders", "lesson"),
    [
        (["junk"], ["junk"]),
        (["archive", "junk"], ["junk"]),
        (["junk", "inbox"], []),
        (["junk", "archive"], []),
        (["junk", "inbox", "junk"], ["junk"]),
        (["junk", "trash"], ["junk"]),
        (["junk", "trash", "junk"], ["junk"]),
        (["junk", "trash", "inbox"], []),
        (["trash"], []),
        (["trash", "inbox"], []),
        (["trash", "junk"], []),
        (["archive"], []),
        (["junk", "junk"], ["junk"]),
    ],
    ids=" ".join,
)
def test_what_a_move_teaches(database: Database, email_id: int, folders: list[str], lesson: list[str]) -> None:
    move(database, email_id, *folders)
    assert wanted(database) == lesson


@pytest.mark.parametrize(
    ("folders", "lesson"),
    [(["inbox"], ["good"]), (["inbox", "junk"], []), (["archive"], ["good"]), (["trash"], []), (["trash", "junk"], [])],
    ids=" ".join,
)
def test_what_a_move_out_of_junk_teaches(database: Database, folders: list[str], lesson: list[str]) -> None:
    email_id = arrive(database, letter(1, GOOD_TEXT), folder="junk")
    judged(database, email_id)
    move(database, email_id, *folders)
    assert wanted(database) == lesson


def test_any_program_teaches(database: Database, email_id: int) -> None:
    sqlite_shell.run(database.path, f"UPDATE emails SET folder = 'junk' WHERE id = {email_id};")
    assert wanted(database) == ["junk"]


def test_a_message_is_learned_once_and_forgotten_when_it_is_moved_back(database: Database, email_id: int) -> None:
    move(database, email_id, "junk")
    learn(database)
    assert (counted(database), waiting(database)) == ([(0, 1)], [])
    move(database, email_id, "trash", "junk")
    assert waiting(database) == []
    move(database, email_id, "inbox")
    learn(database)
    assert (counted(database), stored(database, "SELECT count(*) FROM junk_words")) == ([(0, 0)], [(0,)])


def test_a_lesson_that_two_processes_see_is_learned_once(database: Database, email_id: int) -> None:
    move(database, email_id, "junk")
    (lesson,) = waiting(database)
    assert database.write(lambda tx: lessons.learn(tx, lesson, LESSON, NOW))
    assert not database.write(lambda tx: lessons.learn(tx, lesson, LESSON, NOW))
    assert counted(database) == [(0, 1)]


def test_what_is_deleted_for_good_stays_learned(database: Database, email_id: int) -> None:
    move(database, email_id, "junk")
    learn(database)
    move(database, email_id, "trash")
    database.write(lambda tx: mailbox.purge(tx, "ann", [email_id]))
    assert counted(database) == [(0, 1)]
    assert stored(database, "SELECT * FROM junk_lessons") == []


def test_what_is_deleted_before_it_was_learned_is_not_learned(database: Database, email_id: int) -> None:
    move(database, email_id, "junk", "trash")
    database.write(lambda tx: mailbox.purge(tx, "ann", [email_id]))
    assert waiting(database) == []


def test_read_mail_is_learned_as_good_beside_junk_and_as_junk_if_it_is_moved_there(database: Database) -> None:
    kept = [arrive(database, letter(number, GOOD_TEXT)) for number in range(5)]
    for each in kept:
        judged(database, each)
    database.write(lambda tx: mailbox.set_read(tx, "ann", kept[:3], True))
    move(database, kept[4], "junk")
    learn(database)
    database.write(lambda tx: lessons.add_kept(tx, "ann", NOW + 7200))
    found = {each.email_id: each.wanted for each in waiting(database)}
    assert found == {kept[1]: "good", kept[2]: "good"}
    learn(database)
    database.write(lambda tx: lessons.add_kept(tx, "ann", NOW + 7200))
    assert waiting(database) == []
    move(database, kept[1], "junk")
    learn(database)
    assert counted(database) == [(1, 2)]


def test_a_lesson_that_cannot_be_given_waits_longer_each_time_and_is_given_up(
    database: Database, email_id: int
) -> None:
    move(database, email_id, "junk")
    now = NOW
    for tries in range(lessons.MOST_TRIES):
        (lesson,) = waiting(database, now)
        assert lesson.tries == tries
        database.write(lambda tx, lesson=lesson, now=now: lessons.postpone(tx, lesson, now))  # type: ignore[misc]
        assert waiting(database, now) == []
        now += lessons.RETRY_AFTER * 2**tries
    assert waiting(database, now) == []


def test_who_forgets_all_begins_anew(database: Database, email_id: int) -> None:
    move(database, email_id, "junk")
    learn(database)
    assert database.write(lambda tx: lessons.forget_all(tx, "ann"))
    assert not database.write(lambda tx: lessons.forget_all(tx, "ann"))
    assert (counted(database), stored(database, "SELECT * FROM junk_lessons")) == ([], [])


def test_what_is_set_aside_teaches_nothing(database: Database, email_id: int) -> None:
    move(database, email_id, "junk")
    database.write(lambda tx: tx.execute("UPDATE emails SET owner = '~1:ann'"))
    assert waiting(database) == []


def test_what_is_set_aside_has_no_lesson_waiting(database: Database, email_id: int) -> None:
    move(database, email_id, "junk")
    assert database.read(lambda tx: lessons.any_waits(tx, NOW))
    database.write(lambda tx: tx.execute("UPDATE emails SET owner = '~1~ann' WHERE id = ?", (email_id,)))
    assert waiting(database) == []
    assert not database.read(lambda tx: lessons.any_waits(tx, NOW))
