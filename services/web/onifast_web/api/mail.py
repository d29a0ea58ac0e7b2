"""Messages: read, count and move; `listing` lists them."""

from __future__ import annotations

from typing import Annotated

from flask import request
from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import counts, labelling, labels, mailbox
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.mailboxes.labels import Label
from onifast_shared.message import parsing
from onifast_shared.message.parsing import Parsed
from onifast_shared.queue import returns, waiting
from pydantic import ConfigDict, Field, model_validator

from onifast_web.access import auth
from onifast_web.access.caller import Who
from onifast_web.actions import audited, invitations, messages
from onifast_web.actions.invitations import Invitation
from onifast_web.api.chosen import ChosenMessages, Folder, all_of, one_of
from onifast_web.api.emails import FullEmail, StoredEmail, full_email
from onifast_web.api.endpoint import IF_ANY, Call, Endpoint, Id
from onifast_web.http import csrf
from onifast_web.http.models import Model
from onifast_web.http.problems import Problem, not_found


class ReadQuery(Model):
    """Which message, and whether it counts as read from now on."""

    id: Id
    mark_read: Annotated[
        bool | None,
        Field(description="1 where it is left out, but 0 for the service token and tokens without `manage`"),
    ] = None


class MoveBody(ChosenMessages):
    """Which messages, and where to: `folder` is one of the six, or `label_id` the number of an own folder."""

    model_config = ConfigDict(json_schema_extra={"allOf": [one_of("ids", "id"), one_of("folder", "label_id")]})

    folder: Folder | None = None
    label_id: Id | None = None

    @model_validator(mode="after")
    def _one_place(self) -> MoveBody:
        if (self.folder is None) == (self.label_id is None):
            raise ValueError("give either folder or label_id")
        return self


class Moved(Model):
    """How many were moved."""

    moved: int


class FolderCounts(Model):
    """How many messages a folder has, and how many of them are unread."""

    total: int
    unread: int


class LabelCounts(FolderCounts):
    """What has a label, or lies in an own folder, and is neither in trash nor in junk."""

    id: int


class Counts(Model):
    """`unread` is the inbox's; `scheduled` counts messages that are to be sent later, if there are any.

    `labels` are the user's labels and own folders, if they have any.
    """

    unread: int
    scheduled: Annotated[int, IF_ANY] = 0
    folders: dict[str, FolderCounts]
    labels: Annotated[list[LabelCounts], Field(default_factory=list, exclude_if=lambda value: not value)]


def read_email(call: Call) -> FullEmail:
    """One message. It is marked as read unless the request says otherwise, or another site made the browser ask.

    What the service token reads stays unread, and its owner sees in the audit trail that it was read.
    """
    query: ReadQuery = call.query
    call.web.before_reading(call.caller.mail_of, query.id)
    found = call.web.database.read(lambda tx: _get(tx, call, query.id))
    row = found.row
    audited.note_reading(call.web, call.caller, "mail.read", row)
    mark_read = _marks_read(call, query.mark_read)
    if mark_read and not row.is_read and _means_to_read(call):
        call.web.database.write(lambda tx: mailbox.set_read(tx, row.owner, [row.id], True))
        row = _as_read(row)
    parsed = parsing.parse(found.raw)
    return full_email(found, row, parsed, _invitation(call, row, parsed))


def _marks_read(call: Call, asked: bool | None) -> bool:
    if asked is None:
        return not call.caller.is_service and call.caller.visited_by is None and TokenScope.MANAGE in call.caller.scopes
    if asked and call.caller.visited_by is not None:
        raise Problem(403, "Who looks into somebody's mailbox marks nothing as read.")
    if asked:
        auth.check_scope(call.caller, TokenScope.MANAGE)
    return asked


def move_emails(call: Call) -> Moved:
    """Moves messages, all or none: an id that is not there (or not the caller's) answers 404."""
    body: MoveBody = call.body
    ids, owner = body.chosen, call.caller.mail_of

    def move(tx: Connection) -> int:
        if body.label_id is not None:
            own = messages.label_of(tx, owner, body.label_id, is_folder=True)
            return all_of(messages.relabel(tx, ids, [own], []), ids)
        return all_of(mailbox.move(tx, owner, ids, body.folder or ""), ids)

    return Moved(moved=call.web.database.write(move))


def count_emails(call: Call) -> Counts:
    """How much there is in each folder, and of each label; everybody's labels are not told to the service token."""
    owner, now = call.caller.mail_of, call.web.clock()
    found, scheduled, own = call.web.database.read(
        lambda tx: (counts.of(tx, owner), waiting.count_scheduled(tx, owner, now), _labels_of(tx, owner))
    )
    folders = {name: FolderCounts(total=each.total, unread=each.unread) for name, each in found.items()}
    marks = [LabelCounts(id=each.id, total=each.total, unread=each.unread) for each in own]
    return Counts(unread=folders["inbox"].unread, scheduled=scheduled, folders=folders, labels=marks)


def _labels_of(tx: Connection, owner: str | None) -> list[Label]:
    return [] if owner is None else labels.list_all(tx, owner)


def _counts_version(call: Call) -> str:
    owner, now = call.caller.mail_of, call.web.clock()

    def read(tx: Connection) -> str:
        marks = " ".join(f"{each.id}:{each.total}:{each.unread}" for each in _labels_of(tx, owner))
        return f"{counts.version(tx, owner)} {waiting.version(tx, owner, now)} {marks}"

    return call.web.database.read(read)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/read",
        Who.USER,
        TokenScope.READ,
        "One message",
        read_email,
        ReadQuery,
        answer=FullEmail,
        failures={404: "There is no such message."},
        visitors=True,
    ),
    Endpoint(
        "POST",
        "/api/mail/move",
        Who.USER,
        TokenScope.MANAGE,
        "Move messages to a folder",
        move_emails,
        body=MoveBody,
        answer=Moved,
        failures={404: "One of the messages does not exist; none was moved."},
    ),
    Endpoint(
        "GET",
        "/api/mail/counts",
        Who.USER,
        TokenScope.READ,
        "Totals and unread messages",
        count_emails,
        answer=Counts,
        version=_counts_version,
        visitors=True,
    ),
)


def _get(tx: Connection, call: Call, email_id: int) -> StoredEmail:
    row = mailbox.get(tx, call.caller.mail_of, email_id)
    if row is None:
        raise not_found()
    return StoredEmail(
        row,
        mailbox.raw(tx, email_id),
        release_times(tx, [row], call).get(email_id),
        call.web.readers.of(tx, row.owner),
        returns.of_email(tx, row.owner, email_id),
        labelling.of_messages(tx, [email_id]).get(email_id, ()),
    )


def release_times(tx: Connection, rows: list[EmailRow], call: Call) -> dict[int, int]:
    """When those of the messages that wait to be sent will leave, by their ids."""
    return waiting.release_times(tx, [row.id for row in rows if row.folder == "sent"], call.web.clock())


def _means_to_read(call: Call) -> bool:
    if not call.caller.csrf_token:
        return True
    return csrf.comes_from_here(request) and not csrf.is_prefetch(request)


def _as_read(row: EmailRow) -> EmailRow:
    return EmailRow(**{**row.__dict__, "is_read": True})


def _invitation(call: Call, row: EmailRow, parsed: Parsed) -> Invitation | None:
    """What the message invites its reader to, if it came from somebody."""
    owner = row.owner
    if owner is None or parsed.event is None or row.folder in ("sent", "drafts"):
        return None
    return call.web.database.read(lambda tx: invitations.find(tx, call.web, owner, row, parsed))
