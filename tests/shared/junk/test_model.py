"""What is learned for each user: learned and forgotten without a trace, bounded, and nobody else's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.db.database import Database
from onifast_shared.junk import model, score
from onifast_shared.junk.model import Kind, Learnable
from onifast_shared.junk.score import FeatureCounts
from onifast_shared.junk.words import Feature

from .letters import GOOD_TEXT, JUNK_TEXT, NOW, letter, reading_of, stored, train

SEEN = (
    "SELECT good, junk, words FROM junk_models",
    "SELECT word, good, junk FROM junk_words",
    "SELECT * FROM junk_senders",
)


def features(*numbers: int) -> list[Feature]:
    return [Feature(number) for number in numbers]


def learn(database: Database, kind: Kind, *numbers: int, owner: str = "ann", senders: tuple[str, ...] = ()) -> None:
    database.write(lambda tx: model.learn(tx, owner, kind, Learnable(features(*numbers), senders), NOW))


def test_what_is_learned_is_counted(database: Database) -> None:
    learn(database, "junk", 1, 2, senders=("a@x.test", "@x.test"))
    learn(database, "good", 2, 3, senders=("a@x.test",))
    known = database.read(lambda tx: model.of(tx, "ann"))
    assert (known.learned, known.words) == (FeatureCounts(1, 1), 3)
    found = database.read(lambda tx: model.counts(tx, known, features(1, 2, 3, 4)))
    assert found == {1: FeatureCounts(0, 1), 2: FeatureCounts(1, 1), 3: FeatureCounts(1, 0)}
    of_senders = database.read(lambda tx: model.sender_counts(tx, known, ["a@x.test", "@x.test", "b@x.test"]))
    assert of_senders == {"a@x.test": FeatureCounts(1, 1), "@x.test": FeatureCounts(0, 1)}


def test_what_is_forgotten_leaves_no_trace(database: Database) -> None:
    learn(database, "junk", 1, 2, senders=("a@x.test",))
    before = [stored(database, sql) for sql in SEEN]
    learn(database, "junk", 2, 3, senders=("b@x.test",))
    database.write(lambda tx: model.forget(tx, "ann", "junk", Learnable(features(2, 3), ("b@x.test",))))
    assert [stored(database, sql) for sql in SEEN] == before


def test_to_forget_what_was_never_learned_is_harmless(database: Database) -> None:
    database.write(lambda tx: model.forget(tx, "ann", "junk", Learnable(features(1))))
    learn(database, "good", 1)
    database.write(lambda tx: model.forget(tx, "ann", "junk", Learnable(features(1, 7))))
    assert stored(database, SEEN[1]) == [(1, 1, 0)]


def test_nobody_learns_from_another_users_mail(database: Database) -> None:
    learn(database, "junk", 1, owner="mallory", senders=("boss@x.test",))
    known = database.read(lambda tx: model.of(tx, "ann"))
    assert known is model.NO_MODEL
    learn(database, "good", 5)
    known = database.read(lambda tx: model.of(tx, "ann"))
    assert database.read(lambda tx: model.counts(tx, known, features(1))) == {}
    assert database.read(lambda tx: model.sender_counts(tx, known, ["boss@x.test"])) == {}


def test_a_model_has_a_bound_and_keeps_what_is_seen_often(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "MOST_WORDS", 100)
    for start in range(0, 2000, 50):
        learn(database, "junk", -1, -2, *range(start, start + 50))
    known = database.read(lambda tx: model.of(tx, "ann"))
    assert known.words <= 100
    assert stored(database, "SELECT count(*) FROM junk_words") == [(known.words,)]
    assert set(database.read(lambda tx: model.counts(tx, known, features(-1, -2)))) == {-1, -2}


def test_a_feature_is_looked_up_by_its_key(database: Database) -> None:
    plan = stored(database, f"EXPLAIN QUERY PLAN {model.COUNTS}", 1, "[1]")
    assert "SEARCH junk_words USING PRIMARY KEY (model_id=? AND word=?)" in [row[3] for row in plan]


def test_senders_have_a_bound(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "MOST_SENDERS", 10)
    for number in range(30):
        learn(database, "junk", number, senders=(f"a{number}@x.test",))
    assert stored(database, "SELECT count(*) FROM junk_senders") == [(10,)]


def test_who_removes_a_model_removes_all_of_it(database: Database) -> None:
    learn(database, "junk", 1, senders=("a@x.test",))
    learn(database, "junk", 1, owner="ben")
    assert database.write(lambda tx: model.remove(tx, "ann"))
    assert not database.write(lambda tx: model.remove(tx, "ann"))
    assert [len(stored(database, sql)) for sql in SEEN] == [1, 1, 0]


def test_what_is_like_junk_scores_high_and_what_is_like_mail_scores_low(database: Database) -> None:
    train(database)
    known = database.read(lambda tx: model.of(tx, "ann"))

    def scored(text: str) -> float:
        found = reading_of(letter(99, text)).features
        return score.score(found, database.read(lambda tx: model.counts(tx, known, found)), known.learned).value

    assert scored(JUNK_TEXT) > 0.98
    assert scored(GOOD_TEXT) < 0.02
    assert 0.2 < scored("Entirely different things altogether") < 0.8


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), max_size=300),
    st.integers(0, 500),
    st.integers(0, 500),
)
def test_a_score_lies_between_nothing_and_one(counted: list[tuple[int, int]], good: int, junk: int) -> None:
    known = {number: FeatureCounts(*pair) for number, pair in enumerate(counted)}
    found = score.score(features(*known), known, FeatureCounts(good, junk))
    assert 0.0 <= found.value <= 1.0
    assert len(found.clues) <= 150
