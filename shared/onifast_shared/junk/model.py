"""What was learned for each user: the store of `junk_models`, and of the words and senders that belong to each.

Each user has a model of their own, and nobody else's mail gets into it. It has MOST_WORDS rows at the most: what was
seen once, and longest ago, goes first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from onifast_shared.db.database import Connection
from onifast_shared.junk.score import FeatureCounts
from onifast_shared.junk.words import Feature

MOST_WORDS = 30_000
"""Features that are kept for one user, some 20 octets each."""

MOST_SENDERS = 2_000
"""Senders and domains that are kept for one user."""

COUNTS = """
    SELECT word, good, junk FROM junk_words WHERE model_id = ? AND word IN (SELECT value FROM json_each(?))
"""
"""Looks each feature up by its key: for a join SQLite goes through all that a user has, thousands of times slower."""

_AFTER_FORGETTING = 0.8  # of MOST_WORDS

Kind = Literal["junk", "good"]


@dataclass(frozen=True)
class JunkModel:
    """A user's model: its number, what it was made of, and how many features it has."""

    id: int
    learned: FeatureCounts
    words: int


NO_MODEL = JunkModel(0, FeatureCounts(), 0)


def of(tx: Connection, owner: str) -> JunkModel:
    """A user's model; NO_MODEL where nothing was learned yet."""
    row = tx.execute("SELECT id, good, junk, words FROM junk_models WHERE owner = ?", (owner,)).fetchone()
    return NO_MODEL if row is None else JunkModel(row[0], FeatureCounts(row[1], row[2]), row[3])


def counts(tx: Connection, model: JunkModel, features: Iterable[Feature]) -> dict[int, FeatureCounts]:
    """How often each of the features stood where; without those that are not known."""
    numbers = json.dumps([feature.number for feature in features])
    return {row[0]: FeatureCounts(row[1], row[2]) for row in tx.execute(COUNTS, (model.id, numbers))}


def sender_counts(tx: Connection, model: JunkModel, names: Sequence[str]) -> dict[str, FeatureCounts]:
    """What became of messages that were proven to be from these senders."""
    sql = "SELECT name, good, junk FROM junk_senders WHERE model_id = ? AND name IN (SELECT value FROM json_each(?))"
    return {row[0]: FeatureCounts(row[1], row[2]) for row in tx.execute(sql, (model.id, json.dumps(names)))}


@dataclass(frozen=True)
class Learnable:
    """What is learned of a message: its features, and who was proven to have sent it (an address, and its domain)."""

    features: Sequence[Feature]
    senders: Sequence[str] = ()

    @property
    def numbers(self) -> str:
        """The features' numbers as JSON."""
        return json.dumps([feature.number for feature in self.features])


def learn(tx: Connection, owner: str, kind: Kind, message: Learnable, now: float) -> None:
    """Learns one message."""
    tx.execute("INSERT INTO junk_models (owner) VALUES (?) ON CONFLICT (owner) DO NOTHING", (owner,))
    model = of(tx, owner)
    new = len(message.features) - len(counts(tx, model, message.features))
    good, junk = int(kind == "good"), int(kind == "junk")
    for table, key, names in (
        ("junk_words", "word", message.numbers),
        ("junk_senders", "name", json.dumps(list(message.senders))),
    ):
        sql = f"""
            INSERT INTO {table} (model_id, {key}, good, junk, seen_day) SELECT ?1, value, ?2, ?3, ?4 FROM json_each(?5)
            WHERE true ON CONFLICT (model_id, {key}) DO UPDATE SET
                good = good + ?2, junk = junk + ?3, seen_day = max(seen_day, ?4)
        """
        tx.execute(sql, (model.id, good, junk, int(now) // 86400, names))
    sql = "UPDATE junk_models SET good = good + ?, junk = junk + ?, words = words + ? WHERE id = ?"
    tx.execute(sql, (good, junk, new, model.id))
    _bound(tx, model.id)


def forget(tx: Connection, owner: str, kind: Kind, message: Learnable) -> None:
    """Takes one message out again that was learned."""
    model = of(tx, owner)
    if model is NO_MODEL:
        return
    gone = _count_down(tx, model.id, kind, "junk_words.word", message.numbers)
    _count_down(tx, model.id, kind, "junk_senders.name", json.dumps(list(message.senders)))
    sql = f"UPDATE junk_models SET {kind} = max(0, {kind} - 1), words = max(0, words - ?) WHERE id = ?"
    tx.execute(sql, (gone, model.id))


def _count_down(tx: Connection, model_id: int, kind: Kind, column: str, names: str) -> int:
    """FeatureCounts rows down by one, and removes those that count nothing any more; how many these were."""
    table, key = column.split(".")
    these = f"model_id = ? AND {key} IN (SELECT value FROM json_each(?))"
    tx.execute(f"UPDATE {table} SET {kind} = max(0, {kind} - 1) WHERE {these}", (model_id, names))
    tx.execute(f"DELETE FROM {table} WHERE {these} AND good = 0 AND junk = 0", (model_id, names))
    return int(tx.changes())


def remove(tx: Connection, owner: str) -> bool:
    """Forgets all that was learned for a user; whether there was anything. A trigger takes words and senders along."""
    tx.execute("DELETE FROM junk_models WHERE owner = ?", (owner,))
    return tx.changes() > 0


def _bound(tx: Connection, model_id: int) -> None:
    words = int(tx.execute("SELECT words FROM junk_models WHERE id = ?", (model_id,)).get)
    if words > MOST_WORDS:
        sql = """
            DELETE FROM junk_words WHERE model_id = ?1 AND word IN (
                SELECT word FROM junk_words WHERE model_id = ?1
                ORDER BY good + junk > 1, seen_day, good + junk LIMIT ?2)
        """
        tx.execute(sql, (model_id, words - int(MOST_WORDS * _AFTER_FORGETTING)))
        tx.execute("UPDATE junk_models SET words = words - ? WHERE id = ?", (tx.changes(), model_id))
    sql = """
        DELETE FROM junk_senders WHERE model_id = ?1 AND name IN (
            SELECT name FROM junk_senders WHERE model_id = ?1 ORDER BY seen_day DESC LIMIT -1 OFFSET ?2)
    """
    tx.execute(sql, (model_id, MOST_SENDERS))
