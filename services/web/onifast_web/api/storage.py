"""Storage: what takes the room in the caller's mailbox, and the largest messages."""

from __future__ import annotations

from typing import Annotated, cast

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import storage as store
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.recipients import quotas
from onifast_shared.values import times
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.api.chosen import the_user
from onifast_web.api.endpoint import Call, Endpoint, Id, Moment
from onifast_web.http.models import Model


class StorageQuery(Model):
    """How many of the largest messages are wanted."""

    limit: Annotated[int, Field(ge=0, le=200)] = 50


class StoragePlace(Model):
    """What lies in a folder, or under a label."""

    name: Annotated[str, Field(description="A folder, or the name of a label or own folder.")]
    label_id: Annotated[Id | None, Field(description="The number of the label or own folder; null for a folder.")]
    messages: Annotated[int, Field(description="How many messages.")]
    octets: Annotated[int, Field(description="Their octets; a message counts under each of its labels.")]


class LargeMessage(Model):
    """A message, and how large it is."""

    id: Id
    sender: str
    subject: str
    received_at: Moment
    folder: str
    size: int


class StorageInfo(Model):
    """What is used, and of how much; a limit of 0 is none."""

    used: Annotated[int, Field(description="Octets that count towards the limit, with those of mailbox users.")]
    limit: Annotated[int, Field(description="Octets that may lie here; 0 for no limit.")]
    messages: Annotated[int, Field(description="How many messages.")]
    octets: Annotated[int, Field(description="Their octets.")]
    places: Annotated[list[StoragePlace], Field(description="The six folders, then labels and own folders.")]
    largest: Annotated[list[LargeMessage], Field(description="The largest messages, the largest first.")]


def read_storage(call: Call) -> StorageInfo:
    """How much lies where; trash and junk count too."""
    owner, query = the_user(call, "storage"), cast(StorageQuery, call.query)

    def read(tx: Connection) -> tuple[store.StorageUse, list[EmailRow], quotas.Quota]:
        quota = quotas.of(tx, "owner", owner, call.web.settings)
        return store.use(tx, owner), store.largest(tx, owner, query.limit), quota

    use, largest, quota = call.web.database.read(read)
    folders = [
        StoragePlace(name=name, label_id=None, messages=room.messages, octets=room.octets)
        for name, room in use.folders.items()
    ]
    labels = [
        StoragePlace(name=label.name, label_id=label.id, messages=room.messages, octets=room.octets)
        for label, room in use.labels
    ]
    return StorageInfo(
        used=quota.used,
        limit=quota.limit,
        messages=use.whole.messages,
        octets=use.whole.octets,
        places=[*folders, *labels],
        largest=[_large(row) for row in largest],
    )


ENDPOINTS = (
    Endpoint(
        "GET", "/api/mail/storage", Who.USER, TokenScope.READ, "What takes the room", read_storage, StorageQuery,
        answer=StorageInfo,
    ),
)  # fmt: skip


def _large(row: EmailRow) -> LargeMessage:
    return LargeMessage(
        id=row.id,
        sender=row.sender,
        subject=row.subject,
        received_at=times.rfc3339(row.received_ts),
        folder=row.folder,
        size=row.size,
    )
