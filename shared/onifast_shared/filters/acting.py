"""Does with a message what its owner's filters say, in the transaction that judges it, and writes down what was done.

Where a message goes is decided before it is judged (`place_of`), so that nothing is learned from it; the rest is done
after. What cannot be done (a label that is gone, a loop, a limit) is told in the log, and stops nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import apsw

from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import ForwardedRecipient
from onifast_shared.db.database import Connection
from onifast_shared.filters import answers, store
from onifast_shared.filters.answers import DAY, AnswerableMessage, AnswerText, Occasion
from onifast_shared.filters.deciding import FiredFilters, MailFilter
from onifast_shared.filters.rules import Act
from onifast_shared.filters.store import FilterDeed
from onifast_shared.mailboxes import contents, labelling, labels, mailbox
from onifast_shared.mailboxes.contents import ContentRef
from onifast_shared.mailboxes.labelling import TooManyLabels
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.values import mailbox_accounts
from onifast_shared.values.address import Address, AddressError

_PLACES = ("folder", "trash", "reject")


@dataclass(frozen=True)
class OnwardMessage:
    """A message as it is sent on: its bytes, with the Delivered-To of this mailbox, and what the next hop must bear."""

    ref: ContentRef
    body_type: str
    smtputf8: bool
    visited: frozenset[str]


@dataclass(frozen=True)
class SortedMessage:
    """A message that filters act on. `onward` is there where one of them sends it on; `queue_id` is its one name.

    `written_by` is who submitted it here, if somebody did (`submitters`).
    """

    email_id: int
    owner: str
    recipient: str
    reverse_path: str
    sender: str
    subject: str
    is_junk: bool
    answerable: AnswerableMessage
    onward: OnwardMessage | None = None
    queue_id: str = ""
    written_by: str | None = None


def place_of(fired: FiredFilters, *, is_junk: bool) -> tuple[str, int | None] | None:
    """The folder, and the number of the own folder, that a message goes to; None where no filter says so.

    What is junk stays there, unless a filter is about junk or says that its messages are none.
    """
    found = fired.place
    if found is None:
        return None
    each, act = found
    if act.do in ("trash", "reject"):  # whoever sent it was told that it is here: nobody is told otherwise now
        return "trash", None
    if is_junk and act.folder != "inbox" and not each.rule.asks_junk:
        return None
    return ("archive", act.label_id) if act.label_id is not None else (act.folder, None)


def forwards(fired: FiredFilters) -> bool:
    """Whether one of the filters sends the message on."""
    return any(act.do == "forward" for each in fired.filters for act in each.rule.acts)


@contextmanager
def undone_by_bugs(tx: Connection) -> Iterator[None]:
    """What is done within is undone by any exception. The database's own go on; others are raised as ActingError."""
    try:
        with tx:
            yield
    except apsw.Error:
        raise
    except Exception as error:
        raise ActingError from error


class ActingError(Exception):
    """A bug of ours: nothing was done."""


def apply(occasion: Occasion, message: SortedMessage, fired: FiredFilters) -> list[FilterDeed]:
    """Does what the filters say, but for the folder among ours (see `place_of`), which the caller has seen to."""
    done = list[FilterDeed]()
    for each in fired.filters:
        deeds = [
            deed
            for act in each.rule.acts
            if act.do not in _PLACES or fired.place == (each, act)
            if (deed := _do(occasion, message, each, act)) is not None
        ]
        if deeds:
            store.note(
                occasion.tx,
                each,
                deeds,
                email_id=message.email_id,
                sender=message.sender,
                subject=message.subject,
                now=occasion.now,
            )
        done += deeds
    return done


def apply_to_old(
    tx: Connection, owner: str, email_id: int, fired: FiredFilters, *, is_junk: bool
) -> list[tuple[MailFilter, list[FilterDeed]]]:
    """Does with a message that has been here what filters say, by whom; nothing is refused, answered or sent on."""
    message = SortedMessage(email_id, owner, "", "", "", "", is_junk, AnswerableMessage("it has been here before"))
    place = place_of(fired, is_junk=is_junk)
    done = []
    for each in fired.filters:
        deeds = list[FilterDeed]()
        for act in each.rule.acts:
            if act.do in ("forward", "reply", "reject") or (act.do in _PLACES and fired.place != (each, act)):
                continue
            if act.do in _PLACES and place is not None and place[1] is None:
                mailbox.move(tx, owner, [email_id], place[0])
            deed = _on_message(tx, message, each, act)
            deeds += [deed] if deed is not None else []
        if deeds:
            done.append((each, deeds))
    return done


def _do(occasion: Occasion, message: SortedMessage, fired: MailFilter, act: Act) -> FilterDeed | None:
    match act.do:
        case "forward":
            return FilterDeed("forward", act.to, _forward(occasion, message, fired, act))
        case "reply":
            return FilterDeed("reply", message.reverse_path, _reply(occasion, message, fired, act))
    return _on_message(occasion.tx, message, fired, act)


def _on_message(tx: Connection, message: SortedMessage, fired: MailFilter, act: Act) -> FilterDeed | None:
    """What is done with the message where it lies."""
    ids = [message.email_id]
    match act.do:
        case "star":
            labelling.set_starred(tx, message.owner, ids, True)
        case "read":
            mailbox.set_read(tx, message.owner, ids, True)
        case "label":
            return _label(tx, message, act.label_id or 0, "label")
        case "folder" if message.is_junk and act.folder != "inbox" and not fired.rule.asks_junk:
            return FilterDeed("folder", act.folder, "it is junk")
        case "folder" if act.label_id is not None:
            return _label(tx, message, act.label_id, "folder")
        case "folder":
            return FilterDeed("folder", act.folder)
    return FilterDeed(act.do)


def _label(tx: Connection, message: SortedMessage, label_id: int, do: str) -> FilterDeed:
    label = labels.get(tx, message.owner, label_id)
    if label is None or label.is_folder != (do == "folder"):
        return FilterDeed(do, "", "it is gone")
    try:
        labelling.assign(tx, label, [message.email_id])
    except TooManyLabels as error:
        return FilterDeed(do, label.name, str(error))
    return FilterDeed(do, label.name)


def _forward(occasion: Occasion, message: SortedMessage, fired: MailFilter, act: Act) -> str:
    """Sends a message on; why not, "" where it did."""
    if message.is_junk and not fired.rule.asks_junk:
        return "it is junk"
    if mailbox_accounts.is_mailbox(message.owner):
        return "a mailbox user's mail is not forwarded"
    onward, by = message.onward, _address(message.recipient)
    if onward is None or by is None:
        return "it cannot be sent on"
    target = Address.parse(act.to)
    if target.key in onward.visited:
        return "it has been there"
    envelope = Submission(
        sender="",
        origin="forward",
        subject=message.subject,
        body_type=onward.body_type,
        smtputf8=onward.smtputf8 or target.needs_smtputf8,
        written_by=message.written_by,
        queue_id=message.queue_id,
    )
    # A user's filter is no business of who wrote the message: nobody is told where it goes, or that it did not arrive.
    passing = ForwardedRecipient(QueuedRecipient(str(target), notify="NEVER"), by, message.owner)
    accept.pass_on(
        occasion.tx,
        contents.attach(occasion.tx, onward.ref),
        passing,
        envelope,
        reverse_path=message.reverse_path,
        settings=occasion.settings,
        now=occasion.now,
    )
    return ""


def _reply(occasion: Occasion, message: SortedMessage, fired: MailFilter, act: Act) -> str:
    if message.is_junk:
        return "it is junk"
    return answers.answer(
        occasion,
        message.answerable,
        AnswerText(act.text, act.subject),
        owner=message.owner,
        kind=f"filter:{fired.id}",
        recipient=message.recipient,
        every=DAY,
    )


def _address(text: str) -> Address | None:
    try:
        return Address.parse(text)
    except AddressError:
        return None
