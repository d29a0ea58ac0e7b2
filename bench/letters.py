"""Made-up mail: who has how much of it, and each message by its number, the same ones each time.

Words are made up, their frequencies are those of a language (Zipf): a few are in nearly every message, most are rare.
For searches whose cost is known: `EVERYWHERE` stands in every message, `TENTH` in a tenth, and `RARE` in twenty of all.
A quarter of the messages answer one of the last few of their owner's.

A message is made from its number alone, so that several processes can make them, in any order.
"""

from __future__ import annotations

import hashlib
import random
import struct
import time
from array import array
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

LARGE = "large"
"""The user with the large inbox."""
EVERYWHERE, TENTH, RARE = "the", "invoice", "zanzibar"
NEWEST = 1_790_000_000
"""When the newest message came, in epoch seconds; the oldest came three years before."""
YEARS = 3 * 365 * 86400
FILE_NAME = "report.pdf"

_FOLDERS = ("inbox", "sent", "archive", "trash", "junk", "drafts")
_UP_TO = (70, 84, 92, 96, 99)  # of a hundred, where each folder ends
_COMMON = "the to of and a in is for you that it on with we be this as are your have at from or if by will"
_SYLLABLES = "ka ro mi ten sol va lu ner bi tas go pel ur dan fi mo rek sa lin tor be quo zel ha jin wex öst é"
_FIRST_NAMES = ("Ann", "Bob", "Carla", "Dmitri", "Élodie", "Farid", "Grace", "Hiro", "Inês", "Jürgen")
_SENTENCES = 20_000
_PEOPLE = 200  # whom each user corresponds with
_WITH_FILES = 12  # of a hundred messages
_ANSWERS = 25  # of a hundred messages
_RECENT = 20  # messages of an owner's, one of which an answer is to
_UNREAD = 20  # of a hundred messages that somebody else wrote
_FILE = "JVBERi0xLjcKJcOkw7zDtsOfCjIgMCBvYmoKPDwvTGVuZ3RoIDMgMCBSL0ZpbHRlci9GbGF0ZURlY29kZT4+\r\n"
_DRAWS = struct.Struct("32H")


@dataclass(frozen=True)
class Numbers:
    """How much there is."""

    messages: int = 1_000_000
    inbox: int = 100_000
    users: int = 450


@dataclass(frozen=True)
class Envelope:
    """What a message is without its text: `ancestors` are the numbers of what it answers, the oldest first.

    `subject_number` is the sentence that its subject is made of, `person` has the name and address of whoever its owner
    corresponds with.
    """

    number: int
    at: int
    owner: str
    folder: str
    person: tuple[str, str]
    subject_number: int
    ancestors: tuple[int, ...]
    draws: tuple[int, ...]

    @property
    def is_sent(self) -> bool:
        """Whether its owner wrote it."""
        return self.folder in ("sent", "drafts")

    @property
    def author(self) -> tuple[str, str]:
        """Name and address."""
        return ("", address_of(self.owner)) if self.is_sent else self.person

    @property
    def recipient(self) -> str:
        """The address that it is to."""
        return self.person[1] if self.is_sent else address_of(self.owner)

    @property
    def is_read(self) -> bool:
        """Whether its owner has read it."""
        return self.is_sent or self.draws[26] % 100 >= _UNREAD

    @property
    def has_file(self) -> bool:
        """Whether there is a file with it."""
        return self.draws[27] % 100 < _WITH_FILES


class Letters:
    """Makes up messages."""

    def __init__(self, numbers: Numbers) -> None:
        rnd = random.Random(20261129)
        self.numbers = numbers
        self.sentences = _made_sentences(rnd)
        """What texts are made of; the last two make `TENTH` and `RARE`."""
        self.subjects = [sentence[:60].rstrip(" .") for sentence in self.sentences]
        self.users = [LARGE, *(f"user{number:03d}" for number in range(1, numbers.users))]
        self.people = {owner: _people(owner) for owner in self.users}
        self._rare_every = max(1, numbers.messages // 20)
        self._owners, self._places = array("H", [0]), array("L", [0])
        self._numbers_of = [array("L") for _ in self.users]
        self._share_out(rnd)

    def numbers_of(self, owner: str) -> array[int]:
        """The messages of an owner's, the oldest first."""
        return self._numbers_of[self.users.index(owner)]

    def envelopes(self) -> Iterator[Envelope]:
        """Those of all messages, the oldest first; owners' lie among each other as they would have come in."""
        return map(self.envelope, range(1, self.numbers.messages + 1))

    def envelope(self, number: int) -> Envelope:
        """That of one message."""
        draws = _draws(number)
        owner = self.users[self._owners[number]]
        folder = "inbox" if owner == LARGE else _FOLDERS[bisect(_UP_TO, draws[0] % 100)]
        person = self.people[owner][draws[24] % _PEOPLE * (draws[25] % _PEOPLE) // _PEOPLE]
        ancestors = tuple(self._ancestors(number, draws))[::-1]
        subject = (_draws(ancestors[0]) if ancestors else draws)[23] % _SENTENCES
        return Envelope(number, self.at(number), owner, folder, person, subject, ancestors, draws)

    def at(self, number: int) -> int:
        """When it came, in epoch seconds."""
        return NEWEST - (self.numbers.messages - number) * YEARS // self.numbers.messages

    def subject(self, envelope: Envelope) -> str:
        """Its subject."""
        return ("Re: " if envelope.ancestors else "") + self.subjects[envelope.subject_number]

    def lines(self, envelope: Envelope) -> list[int]:
        """The numbers of the sentences that it says, a line each."""
        found = [draw % _SENTENCES for draw in envelope.draws[2 : 10 + envelope.draws[1] % 14]]
        if envelope.number % 10 == 3:
            found.append(_SENTENCES)
        if envelope.number % self._rare_every == 7 % self._rare_every:
            found.append(_SENTENCES + 1)
        return found

    def text(self, envelope: Envelope) -> str:
        """What it says, with "\\n" for line ends."""
        return "\n".join([self.sentences[each] for each in self.lines(envelope)] + [""])

    def raw(self, envelope: Envelope, text: str) -> bytes:
        """Its bytes."""
        name, address = envelope.author
        number = envelope.number
        head = (
            f"Received: from mx{number % 9}.other.test by mail.bench.test with ESMTPS id {number:010d}\r\n"
            f"From: {f'{name} <{address}>' if name else address}\r\nTo: {envelope.recipient}\r\n"
            f"Subject: {self.subject(envelope)}\r\n"
            f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S +0000', time.gmtime(envelope.at))}\r\n"
            f"Message-ID: {message_id(number)}\r\n{_references(envelope)}MIME-Version: 1.0\r\n"
        )
        plain = 'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n'
        body = text.replace("\n", "\r\n")
        if not envelope.has_file:
            return f"{head}{plain}{body}".encode()
        return (
            f'{head}Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n{plain}{body}\r\n--b\r\n'
            f'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="{FILE_NAME}"\r\n'
            f"Content-Transfer-Encoding: base64\r\n\r\n{_FILE * 30}--b--\r\n"
        ).encode()

    def _share_out(self, rnd: random.Random) -> None:
        """Decides whose each message is."""
        large, others = self.numbers.inbox, len(self.users) - 1
        for number in range(1, self.numbers.messages + 1):
            is_large = not others or rnd.random() * (self.numbers.messages - number + 1) < large
            large -= is_large
            owner = 0 if is_large else 1 + int(rnd.random() * others)
            self._owners.append(owner)
            self._places.append(len(self._numbers_of[owner]))
            self._numbers_of[owner].append(number)

    def _ancestors(self, number: int, draws: tuple[int, ...]) -> Iterator[int]:
        """What a message answers, the nearest first."""
        mine = self._numbers_of[self._owners[number]]
        place = self._places[number]
        while place and draws[28] % 100 < _ANSWERS:
            place = max(0, place - 1 - draws[29] % _RECENT)
            yield mine[place]
            draws = _draws(mine[place])


def address_of(user: str) -> str:
    """A user's address."""
    return f"{user}@{user}.test"


def message_id(number: int) -> str:
    """That of a message."""
    return f"<{number}@other.test>"


def _draws(number: int) -> tuple[int, ...]:
    """What chance has for a message."""
    return _DRAWS.unpack(hashlib.blake2b(number.to_bytes(8, "big")).digest())


def _references(envelope: Envelope) -> str:
    if not envelope.ancestors:
        return ""
    ids = [message_id(each) for each in envelope.ancestors]
    return f"In-Reply-To: {ids[-1]}\r\nReferences: {' '.join(ids)}\r\n"


def _made_sentences(rnd: random.Random) -> list[str]:
    syllables = _SYLLABLES.split(" ")
    made = ("".join(rnd.choices(syllables, k=rnd.randint(2, 4))) for _ in range(40_000))
    words = [*_COMMON.split(" "), *made]
    weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    found = (rnd.choices(words, cum_weights=weights, k=13) for _ in range(_SENTENCES))
    sentences = [f"{EVERYWHERE.capitalize()} {' '.join(sentence)}." for sentence in found]
    return [*sentences, f"Please find the {TENTH} of this month attached.", f"The {RARE} has arrived."]


def _people(owner: str) -> list[tuple[str, str]]:
    """Whom a user corresponds with: names and addresses."""
    seed = int.from_bytes(hashlib.sha256(owner.encode()).digest()[:4], "big")
    return [_person((seed + each * 7919) % 40_000) for each in range(_PEOPLE)]


def _person(number: int) -> tuple[str, str]:
    syllables = _SYLLABLES.split(" ")
    family = syllables[number % 26].capitalize() + syllables[number // 26 % 26]
    return f"{_FIRST_NAMES[number % 10]} {family}", f"p{number}@other{number % 97}.test"
