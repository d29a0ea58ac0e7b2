"""Puts found messages into a mailbox: each once, where it lay, as it was marked, when it came.

They are mail of their owner's own: nothing that is done with mail as it comes is done with them, no verdict of ours
stands with them, and nobody is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onifast_shared.accounts import mailbox_users
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import contents, labelling, labels, mailbox
from onifast_shared.mailboxes.contents import ContentRef
from onifast_shared.mailboxes.labels import Label, LabelError
from onifast_shared.message import threading
from onifast_shared.message.headers import split_head
from onifast_shared.message.parsing import Summary
from onifast_shared.moving import cleaning, imported, places
from onifast_shared.moving.cleaning import CleanMessage
from onifast_shared.moving.found import SourceMessage
from onifast_shared.moving.places import ImportPlace
from onifast_shared.recipients import addresses, quotas
from onifast_shared.values.address import Address

_MOST_RECIPIENTS = 500  # characters


class NoRoom(Exception):
    """The owner's quota is used up; the text is a sentence for them."""


@dataclass(frozen=True)
class ReadyMessage:
    """A message that is cleaned, and whose large bytes are stored already."""

    message: CleanMessage
    destination: ImportPlace
    ref: ContentRef


def ready(db: Database, found: SourceMessage, *, hostname: str, into: str, now: float) -> ReadyMessage:
    """Does for a message what needs no turn of the writers'. `into`: a folder or own folder for all, "" as they lay.

    Raises DatabaseError.
    """
    clean = cleaning.clean(found.raw, found.marks, found.received_ts, hostname=hostname, now=now)
    destination = places.destination(found.place, found.use, clean.marks, clean.places, is_labelled=found.is_labelled)
    if into:
        known = into in mailbox.FOLDERS
        destination = ImportPlace(
            into if known else "archive", "" if known else places.own_name(into), destination.labels
        )
    return ReadyMessage(clean, destination, contents.store(db, clean.raw))


def put(tx: Connection, owner: str, some: Sequence[ReadyMessage], settings: Settings, now: float) -> tuple[int, int]:
    """Puts messages into the mailbox; how many, and how many were there already. Raises NoRoom."""
    _check_room(tx, owner, sum(each.ref.size for each in some), settings)
    made, store = 0, _Store(tx, owner, settings, now)
    for each in some:
        made += store.put(each)
    return made, len(some) - made


def _check_room(tx: Connection, owner: str, size: int, settings: Settings) -> None:
    heir = mailbox_users.owner_of(tx, owner)
    for name in (owner, heir):
        quota = quotas.of(tx, "owner", name, settings) if name else None
        if quota is not None and quota.judge(size) != "room":
            raise NoRoom(
                f"The mailbox is full: {quota.used / 1e6:,.1f} of {quota.limit / 1e6:,.1f} MB are used. Delete what is"
                " not needed, or ask for more room, and go on."
            )


class _Store:
    """One transaction's work; labels are looked up once."""

    def __init__(self, tx: Connection, owner: str, settings: Settings, now: float) -> None:
        self._tx = tx
        self._owner = owner
        self._settings = settings
        self._now = now
        self._labels = dict[tuple[str, bool], Label | None]()
        self._primary = addresses.primary_address(tx, owner)

    def put(self, ready_message: ReadyMessage) -> bool:
        """Puts one; False for one that is there, which gets the labels that this copy has."""
        message, destination = ready_message.message, ready_message.destination
        is_sent = destination.folder == "sent"
        key = message.key + (b"s" if is_sent else b"")
        there = imported.find(self._tx, self._owner, key)
        if there is None:
            there = self._received_before(message, is_sent=is_sent)
        if there is not None:
            self._label(there, ImportPlace("", labels=destination.labels))
            if ready_message.ref.content_id is not None:
                contents.remove_unused(self._tx, [ready_message.ref.content_id])
            return False
        email_id = self._add(ready_message, is_sent=is_sent)
        imported.note(self._tx, self._owner, key, email_id)
        self._label(email_id, destination)
        return True

    def _add(self, ready_message: ReadyMessage, *, is_sent: bool) -> int:
        message, destination = ready_message.message, ready_message.destination
        sender = message.summary.sender
        email_id = mailbox.add(
            self._tx,
            owner=self._owner,
            recipient=self._recipient(message.summary, is_sent=is_sent),
            reverse_path=str(sender or ""),
            content_id=contents.attach(self._tx, ready_message.ref),
            size=ready_message.ref.size,
            now=message.received_ts,
            folder=destination.folder,
            is_read=message.marks.is_read or destination.folder in ("sent", "drafts"),
        )
        imported.mark(
            self._tx, email_id, is_answered=message.marks.is_answered, is_forwarded=message.marks.is_forwarded
        )
        if message.marks.is_starred:
            labelling.set_starred(self._tx, self._owner, [email_id], True)
        return email_id

    def _recipient(self, summary: Summary, *, is_sent: bool) -> str:
        """The address of the owner's that it came to, as far as that can be told; whom it went to, if it was sent."""
        named = [each.address for name in ("delivered-to", "to", "cc") for each in summary.mailboxes(name, 16384)]
        some = list(dict.fromkeys(each for each in named if each))
        if is_sent:
            return ", ".join(map(str, some))[:_MOST_RECIPIENTS]
        own: list[Address] = list(addresses.own_among(self._tx, self._owner, some[:50], self._settings).values())
        found = own[0] if own else self._primary
        return str(found or (some[0] if some else ""))

    def _received_before(self, message: CleanMessage, *, is_sent: bool) -> int | None:
        """A message that came by itself, and is the same."""
        if not message.summary.message_id:
            return None
        key = threading.keys_of(message.summary, recipient="", is_sent=is_sent).message_id
        for email_id in imported.alike(self._tx, self._owner, key or b"", message.summary.message_id, is_sent=is_sent):
            _, body = split_head(mailbox.raw(self._tx, email_id))
            if cleaning.identity(message.summary, body) == message.key:
                return email_id
        return None

    def _label(self, email_id: int, destination: ImportPlace) -> None:
        if destination.own_folder and (found := self._named(destination.own_folder, is_folder=True)):
            labelling.assign(self._tx, found, [email_id])
        for name in destination.labels[: labelling.MOST_OF_ONE - 1]:
            # An mbox does not say which are own folders; what is archived goes into one that is here.
            own = labels.find(self._tx, self._owner, name) if destination.folder == "archive" else None
            label = own if own is not None and own.is_folder else self._named(name, is_folder=False)
            if label is None:
                continue
            try:
                labelling.assign(self._tx, label, [email_id])
            except labelling.TooManyLabels:
                return

    def _named(self, name: str, *, is_folder: bool) -> Label | None:
        """The label or own folder of a name, made where it is missing; None where none can be.

        Where one of the other kind has the name, a label does: nothing is put out of a folder by that.
        """
        if (name, is_folder) not in self._labels:
            self._labels[name, is_folder] = self._found(name, is_folder=is_folder)
        return self._labels[name, is_folder]

    def _found(self, name: str, *, is_folder: bool) -> Label | None:
        for variant in (name, f"{name} (imported)", f"Imported/{name}", name.replace("/", " - ")):
            label = labels.find(self._tx, self._owner, variant)
            if label is not None and (label.is_folder == is_folder or not label.is_folder):
                return label
            if label is None:
                try:
                    return labels.create(self._tx, self._owner, variant, is_folder=is_folder, now=self._now)
                except LabelError:
                    continue
        return None
