"""The conversations of made-up mail, all at once: the same ones that `mailboxes.conversations` puts them into."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes.conversations import SUBJECT_SECONDS
from onifast_shared.message.threading import base_subject

from bench.letters import Envelope, Letters, Numbers, message_id


@dataclass
class Conversations:
    """All of them. A conversation is named by the number of its first message.

    `of` has each message's, `answered` a 1 for what was answered, `keys` what each owner's are found by: the hash, and
    for each conversation the time of the latest message with it.
    """

    of: array[int]
    answered: bytearray
    keys: dict[str, dict[bytes, dict[int, int]]] = field(default_factory=dict)


def find(numbers: Numbers) -> Conversations:
    """Those of so much mail."""
    letters = Letters(numbers)
    found = Conversations(array("L", bytes(8 * (numbers.messages + 1))), bytearray(numbers.messages + 1))
    subjects = [base_subject(subject) for subject in letters.subjects]
    for owner in letters.users:
        keys = found.keys[owner] = {}
        for number in letters.numbers_of(owner):
            envelope = letters.envelope(number)
            _join(found, keys, envelope, subjects[envelope.subject_number])
    return found


def store(tx: Connection, letters: Letters, found: Conversations) -> array[int]:
    """Writes them; the id of each message's."""
    ids, last = array("L", found.of), 0
    for number, first in enumerate(found.of):
        if number and first == number:
            last += 1
            ids[number] = last
        else:
            ids[number] = ids[first]
    firsts = (number for number, first in enumerate(found.of) if number and first == number)
    owners = ((letters.envelope(number).owner,) for number in firsts)
    tx.executemany("INSERT INTO conversations (owner) VALUES (?)", owners)
    sql = "INSERT INTO conversation_keys (owner, key, conversation_id, latest_ts) VALUES (?, ?, ?, ?)"
    tx.executemany(sql, _rows(found, ids))
    return ids


def _rows(found: Conversations, ids: array[int]) -> Iterator[tuple[str, bytes, int, int]]:
    for owner in sorted(found.keys):
        for key, latest in sorted(found.keys[owner].items()):
            for first, at in sorted(latest.items()):
                yield owner, key, ids[first], at


def _join(found: Conversations, keys: dict[bytes, dict[int, int]], envelope: Envelope, subject: str) -> None:
    own, ancestors = (
        _hash("id", message_id(envelope.number)),
        [_hash("id", message_id(each)) for each in reversed(envelope.ancestors)],
    )
    people = _hash("subject", subject, envelope.person[1])
    known = next((max(keys[key]) for key in ancestors if key in keys), None)
    if known is None:
        near = (first for first, at in keys.get(people, {}).items() if abs(at - envelope.at) <= SUBJECT_SECONDS)
        known = max(near, default=envelope.number)
    found.of[envelope.number] = known
    if envelope.folder != "drafts":
        for key in (own, *ancestors, people):
            latest = keys.setdefault(key, {})
            latest[known] = max(latest.get(known, 0), envelope.at)
    if envelope.folder == "sent" and envelope.ancestors and found.of[envelope.ancestors[-1]] == known:
        found.answered[envelope.ancestors[-1]] = 1


def _hash(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode()).digest()[:12]
