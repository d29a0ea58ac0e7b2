"""Who gets an answer, and which messages it belongs to: judged from the fields of the message that is answered."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from onifast_shared.message import address_fields
from onifast_shared.message.address_fields import AddressEntry
from onifast_shared.message.compose import MAX_REFERENCES, is_message_id
from onifast_shared.message.parsing import Summary
from onifast_shared.values.address import Address

FIELDS = ("from", "reply-to", "mail-reply-to", "mail-followup-to", "to", "cc")
"""The fields that say who gets an answer."""

MOST = 2000
"""Addresses of one message of which it is looked up whose they are."""


@dataclass(frozen=True)
class Answer:
    """Whom an answer goes to."""

    to: list[AddressEntry]
    cc: list[AddressEntry] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.to) + len(self.cc)


class Answering:
    """The ways to answer one message. `own` has the keys of the reader's addresses; `was_sent` if they wrote it."""

    def __init__(self, message: Summary, own: Collection[str], *, was_sent: bool = False) -> None:
        self._message = message
        self._own = own
        self._fields = {name: address_fields.unique(message.mailboxes(name)) for name in FIELDS}
        self._is_own = was_sent or not self._asked()

    def reply(self) -> Answer:
        """To its author alone, or where they want personal answers; for one's own message, to its recipients."""
        if self._is_own:
            return Answer(self._recipients())
        return Answer(self._others("mail-reply-to") or self._asked())

    def reply_all(self) -> Answer:
        """To its author and all its recipients, without oneself where others remain."""
        if not self._is_own and (followup := self._followup()):
            return Answer(followup)
        to = self._recipients() if self._is_own else self._asked()
        named = {each.key for each in to}
        return Answer(to, [each for each in self._others("to", "cc") if each.key not in named])

    def reply_to_list(self) -> Answer | None:
        """To the list that it came through (RFC 2369), never to its Sender; None where that takes no messages."""
        address = self._message.list_post
        return None if address is None else Answer([AddressEntry.of(address)])

    def _asked(self) -> list[AddressEntry]:
        """Who wants the answers: Reply-To, or else From (RFC 5322 section 3.6.2); nobody, if that is oneself."""
        return self._others("reply-to") or self._others("from")

    def _recipients(self) -> list[AddressEntry]:
        found = self._others("to") or self._others("cc")
        return found or self._fields["to"] or self._fields["reply-to"] or self._fields["from"]

    def _followup(self) -> list[AddressEntry]:
        """Who is to get answers to all by Mail-Followup-To, of those who would get one anyway.

        Few readers see that field: an author may leave people out by it, not bring in others whom nobody expects.
        """
        known = {each.key for name in FIELDS if name != "mail-followup-to" for each in self._fields[name]}
        if self._message.list_post:
            known.add(self._message.list_post.key)
        return [each for each in self._others("mail-followup-to") if each.key in known]

    def _others(self, *names: str) -> list[AddressEntry]:
        """Whom these fields name besides the reader, once each."""
        found = address_fields.unique(each for name in names for each in self._fields[name])
        return [each for each in found if each.key not in self._own]


def to(message: Summary, own: Collection[str], *, folder: str) -> Answering:
    """The ways to answer a message in one of the reader's folders; `own` has the keys of their addresses."""
    return Answering(message, own, was_sent=folder == "sent")


def everybody(message: Summary) -> list[Address]:
    """Whom answers may go to, once each; MOST of them at the most."""
    named = address_fields.unique(each for name in FIELDS for each in message.mailboxes(name))
    return [each.address for each in named[:MOST] if each.address]


def references(message: Summary) -> list[str]:
    """The References of an answer (RFC 5322 section 3.6.4): the message's ancestors, as it knows them, and itself.

    What is no message id is left out, and of many all but the first and the latest.
    """
    ancestors = message.references or _only(message.in_reply_tos)
    ids = [each for each in (*ancestors, message.message_id) if is_message_id(each)]
    return ids if len(ids) <= MAX_REFERENCES else [ids[0], *ids[1 - MAX_REFERENCES :]]


def in_reply_to(message: Summary) -> str:
    """The In-Reply-To of an answer: the message's id, "" where it has none that can be written."""
    return message.message_id if is_message_id(message.message_id) else ""


def _only(ids: Iterable[str]) -> list[str]:
    """Where In-Reply-To names several messages, nobody knows which of them is the ancestor."""
    found = list(ids)
    return found if len(found) == 1 else []
