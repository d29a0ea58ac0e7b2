"""python -m bench.mailbox_database DIRECTORY - a database with a million messages, for what measures mailboxes.

    .venv/bin/python -m bench.mailbox_database DIRECTORY [--messages N] [--inbox N] [--users N]

Makes a panel's root in DIRECTORY (`users/`, `config/onifast-mail.db`), as the programs leave it once everything is
indexed: by default 1,000,000 messages of 450 users. One of them, `large`, has 100,000 in the inbox; the others share
the rest, in all folders, as it would have come in over three years. A directory that has been filled with the same
numbers is left as it is. The password of every user is their name.

Words are made up, their frequencies are those of a language (Zipf): a few are in nearly every message, most are rare.
For searches whose cost is known: `EVERYWHERE` stands in every message, `TENTH` in a tenth, and `RARE` in twenty of a
million. Nothing is random from one run to the next.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate, islice
from pathlib import Path

from onifast_shared.db.database import Connection, Database, SqlValue
from onifast_shared.machine.config import Settings
from onifast_shared.search import index, upkeep
from onifast_shared.search.index import Extras, SearchDocument
from onifast_shared.values import times

LARGE = "large"
"""The user with the large inbox."""
EVERYWHERE, TENTH, RARE = "the", "invoice", "zanzibar"
NEWEST = 1_790_000_000
"""When the newest message came, in epoch seconds; the oldest came three years before."""

_BATCH = 5000
_YEARS = 3 * 365 * 86400
_FOLDERS = ("inbox", "sent", "archive", "trash", "junk", "drafts")
_OF_A_HUNDRED = (70, 14, 8, 4, 3, 1)
_COMMON = "the to of and a in is for you that it on with we be this as are your have at from or if by will"
_SYLLABLES = "ka ro mi ten sol va lu ner bi tas go pel ur dan fi mo rek sa lin tor be quo zel ha jin wex öst é"
_FIRST_NAMES = ("Ann", "Bob", "Carla", "Dmitri", "Élodie", "Farid", "Grace", "Hiro", "Inês", "Jürgen")
_PEOPLE = 200  # whom each user corresponds with
_WITH_FILES = 12  # of a hundred messages
_FILE = "JVBERi0xLjcKJcOkw7zDtsOfCjIgMCBvYmoKPDwvTGVuZ3RoIDMgMCBSL0ZpbHRlci9GbGF0ZURlY29kZT4+\r\n"

_CONTENT = "INSERT INTO contents (id, size, data, created_ts) VALUES (?, ?, ?, ?)"
_EMAIL = """
    INSERT INTO emails (id, sender, sender_name, recipient, subject, body, raw_content, file_path, received_at,
                        received_ts, is_read, folder, owner, content_id, trace, reverse_path, size, authentication,
                        snippet, message_id, has_attachments, indexed, filing, queue_id)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, '', '', ?7, ?8, ?9, ?10, ?11, ?1, x'', ?2, ?12, ?13, ?14, ?15, ?16, 1, 0, ?17)
"""
_CORRESPONDENT = """
    INSERT INTO correspondents (owner, address, domain, name, known_ts, written_ts, last_ts)
    VALUES (?, ?, ?, ?, ?, NULL, ?)
"""
_PASSED = json.dumps({"spf": {"result": "pass"}, "dkim": [{"result": "pass", "domain": "other.test"}]})


@dataclass(frozen=True)
class Numbers:
    """How much there is."""

    messages: int = 1_000_000
    inbox: int = 100_000
    users: int = 450


@dataclass(frozen=True)
class Message:
    """A message before it is stored."""

    owner: str
    folder: str
    author: tuple[str, str]
    """Name and address."""
    subject: str
    text: str
    has_file: bool
    is_read: bool

    def raw(self, number: int, at: int) -> bytes:
        """Its bytes."""
        name, address = self.author
        head = (
            f"Received: from mx{number % 9}.other.test by mail.bench.test with ESMTPS id {number:010d}\r\n"
            f"From: {name} <{address}>\r\nTo: {address_of(self.owner)}\r\nSubject: {self.subject}\r\n"
            f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S +0000', time.gmtime(at))}\r\n"
            f"Message-ID: <{number}@other.test>\r\nMIME-Version: 1.0\r\n"
        )
        plain = 'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n'
        if not self.has_file:
            return f"{head}{plain}{self.text}\r\n".encode()
        return (
            f'{head}Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n{plain}{self.text}\r\n--b\r\n'
            'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="report.pdf"\r\n'
            f"Content-Transfer-Encoding: base64\r\n\r\n{_FILE * 30}--b--\r\n"
        ).encode()


class Letters:
    """Makes up messages; the same ones each time."""

    def __init__(self, numbers: Numbers) -> None:
        self._random = random.Random(20261129)
        self._numbers = numbers
        self._sentences = self._made_sentences()
        self._rare_every = max(1, numbers.messages // 20)
        self.users = [LARGE, *(f"user{number:03d}" for number in range(1, numbers.users))]
        self.people = {owner: _people(owner) for owner in self.users}

    def all(self) -> Iterator[Message]:
        """Every message, the oldest first; owners' lie among each other as they would have come in."""
        large, others = self._numbers.inbox, self.users[1:]
        for number in range(1, self._numbers.messages + 1):
            left = self._numbers.messages - number + 1
            is_large = not others or self._random.random() * left < large
            large -= is_large
            yield self._message(number, LARGE if is_large else self._random.choice(others))

    def _message(self, number: int, owner: str) -> Message:
        rnd = self._random
        folder = "inbox" if owner == LARGE else rnd.choices(_FOLDERS, _OF_A_HUNDRED)[0]
        lines = rnd.choices(self._sentences, k=rnd.randint(8, 22))
        if number % 10 == 3:
            lines.append(f"Please find the {TENTH} of this month attached.")
        if number % self._rare_every == 7 % self._rare_every:
            lines.append(f"The {RARE} has arrived.")
        author = self.people[owner][int(rnd.random() ** 2 * _PEOPLE)]
        subject = rnd.choice(self._sentences)[:60].rstrip(" .")
        is_read = folder in {"sent", "drafts"} or rnd.random() < 0.8
        return Message(owner, folder, author, subject, "\r\n".join(lines), rnd.random() * 100 < _WITH_FILES, is_read)

    def _made_sentences(self) -> list[str]:
        syllables = _SYLLABLES.split(" ")
        made = ("".join(self._random.choices(syllables, k=self._random.randint(2, 4))) for _ in range(40_000))
        words = [*_COMMON.split(" "), *made]
        weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
        found = (self._random.choices(words, cum_weights=weights, k=13) for _ in range(20_000))
        return [f"{EVERYWHERE.capitalize()} {' '.join(sentence)}." for sentence in found]


def build(directory: Path, numbers: Numbers) -> Path:
    """Fills `directory`, unless that has been done with the same numbers; returns the database's path."""
    settings = Settings(root=directory, hostname="mail.bench.test")
    done = directory / "filled.json"
    if done.exists() and json.loads(done.read_text()) == asdict(numbers):
        return settings.database
    if settings.database.exists():
        raise FileExistsError(f"{settings.database} holds something else: remove it, or name another directory")
    directory.mkdir(parents=True, exist_ok=True)
    letters = Letters(numbers)
    _make_users(settings.users_dir, letters.users)
    db = Database.open(settings.database)
    try:
        db.write(lambda tx: _register(tx, letters))
        db.write(upkeep.empty_some)
        _fill(db, letters, numbers)
    finally:
        db.close()
    done.write_text(json.dumps(asdict(numbers)))
    return settings.database


def address_of(user: str) -> str:
    """A user's address."""
    return f"{user}@{user}.test"


def _make_users(directory: Path, users: Sequence[str]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for user in users:
        salt = user.encode().ljust(8, b"-")
        digest = hashlib.scrypt(user.encode(), salt=salt, n=1024, r=8, p=1, dklen=32)
        stored = f"scrypt:1024:8:1${salt.decode()}${digest.hex()}"
        (directory / f"{user}.json").write_text(json.dumps({"username": user, "password": stored}))


def _register(tx: Connection, letters: Letters) -> None:
    addresses = [(address_of(user), user) for user in letters.users]
    tx.executemany("INSERT INTO mail_addresses (address, owner) VALUES (?, ?)", addresses)
    known = NEWEST - _YEARS
    for owner in letters.users:
        people = {address: name for name, address in letters.people[owner]}
        rows = [(owner, at, at.partition("@")[2], name, known, NEWEST) for at, name in people.items()]
        tx.executemany(_CORRESPONDENT, rows)


def _fill(db: Database, letters: Letters, numbers: Numbers) -> None:
    messages = letters.all()
    for first in range(1, numbers.messages + 1, _BATCH):
        batch = list(islice(messages, _BATCH))
        db.write(lambda tx, first=first, batch=batch: _store(tx, first, batch, numbers))  # type: ignore[misc]
        if sys.stderr.isatty():
            print(f"\r{first + len(batch) - 1:>9} messages", end="", file=sys.stderr)
    seen = "INSERT INTO correspondents_seen (source, last_id) VALUES ('emails', ?)"
    db.write(lambda tx: tx.execute(seen, (numbers.messages,)))


def _store(tx: Connection, first: int, batch: Sequence[Message], numbers: Numbers) -> None:
    ats = [NEWEST - (numbers.messages - number) * _YEARS // numbers.messages for number in range(first, first + _BATCH)]
    raws = [message.raw(number, at) for number, (at, message) in enumerate(zip(ats, batch, strict=False), first)]
    tx.executemany(_CONTENT, [(id, len(raw), raw, ats[0]) for id, raw in enumerate(raws, first)])
    rows = enumerate(zip(batch, raws, ats, strict=False), first)
    tx.executemany(_EMAIL, [_row(number, *each) for number, each in rows])
    for number, (message, at) in enumerate(zip(batch, ats, strict=False), first):
        index.add(tx, _document(number, message, at))


def _document(number: int, message: Message, at: int) -> SearchDocument:
    name, address = message.author
    source = (address, name, address_of(message.owner), message.subject, message.text)
    extras = Extras(to=address_of(message.owner), filenames="report.pdf" if message.has_file else "")
    return SearchDocument.of(number, message.owner, at, source, extras)


def _row(number: int, message: Message, raw: bytes, at: int) -> tuple[SqlValue, ...]:
    name, address = message.author
    return (
        *(number, address, name, address_of(message.owner), message.subject, message.text),
        *(times.stored(at), at, int(message.is_read), message.folder, message.owner, len(raw)),
        *(_PASSED, message.text[:200].replace("\r\n", " "), f"<{number}@other.test>", int(message.has_file)),
        f"{number:010d}",
    )


def _people(owner: str) -> list[tuple[str, str]]:
    """Whom a user corresponds with: names and addresses."""
    seed = int.from_bytes(hashlib.sha256(owner.encode()).digest()[:4], "big")
    return [_person((seed + each * 7919) % 40_000) for each in range(_PEOPLE)]


def _person(number: int) -> tuple[str, str]:
    syllables = _SYLLABLES.split(" ")
    family = syllables[number % 26].capitalize() + syllables[number // 26 % 26]
    return f"{_FIRST_NAMES[number % 10]} {family}", f"p{number}@other{number % 97}.test"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fills the directory that is named, and says how long that took."""
    parser = argparse.ArgumentParser(description="Make a database with many messages.")
    parser.add_argument("directory", type=Path)
    for name, default in asdict(Numbers()).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args(arguments)
    os.umask(0o027)
    began = time.monotonic()
    path = build(asked.directory, Numbers(asked.messages, asked.inbox, asked.users))
    print(f"{path}: {path.stat().st_size / 1e9:.2f} GB, {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
