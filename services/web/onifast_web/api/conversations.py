"""Conversations: what is in one, and whether it is muted. `api/listing` lists by conversation."""

from __future__ import annotations

from typing import Annotated, cast

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import conversations, counts, labelling
from onifast_shared.mailboxes.conversations import MailConversation
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.mailboxes.labels import Label
from onifast_shared.values.paging import Page
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.api.emails import Email, fields_of
from onifast_web.api.endpoint import Call, Endpoint, Id
from onifast_web.api.mail import release_times
from onifast_web.http.models import Model
from onifast_web.http.problems import not_found
from onifast_web.reading import impostors
from onifast_web.reading.impostors import Reader


class ConversationQuery(Model):
    """Which conversation, and which page of its messages."""

    id: Id
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=64)] | None = None


class ConversationInfo(Model):
    """A conversation; `total` and `unread` leave out what lies in trash or junk, and so does `emails`, newest first."""

    id: int
    is_muted: bool
    total: int
    unread: int
    emails: list[Email]
    next_cursor: str | None


class MuteBody(Model):
    """Which conversation, and whether what comes to it later is archived as read."""

    id: Id
    is_muted: bool


class Muted(Model):
    """Whether it is muted now."""

    is_muted: bool


def read_conversation(call: Call) -> ConversationInfo:
    """A page of a conversation's messages, sent mail inside; nothing is marked as read."""
    query = cast(ConversationQuery, call.query)

    def read(
        tx: Connection,
    ) -> tuple[MailConversation, Page[EmailRow], dict[int, int], Reader, dict[int, list[Label]]]:
        found = conversations.get(tx, call.caller.mail_of, query.id)
        if found is None:
            raise not_found("conversation")
        page = conversations.messages(tx, found, limit=query.limit, cursor=query.cursor)
        marks = labelling.of_messages(tx, [row.id for row in page.rows])
        who = call.web.readers.of(tx, call.caller.mail_of)
        return found, page, release_times(tx, page.rows, call), who, marks

    found, page, releases, who, marks = call.web.database.read(read)
    emails = [
        Email(
            **fields_of(row, releases.get(row.id), marks.get(row.id, ())),
            warnings=impostors.listed_warnings(who, row),
        )
        for row in page.rows
    ]
    return ConversationInfo(
        id=found.id,
        is_muted=found.is_muted,
        total=found.total,
        unread=found.unread,
        emails=emails,
        next_cursor=page.next_cursor,
    )


def mute_conversation(call: Call) -> Muted:
    """Mutes a conversation, or hears it again; what lies in the inbox stays there."""
    body = cast(MuteBody, call.body)
    if not call.web.database.write(lambda tx: conversations.set_muted(tx, call.caller.mail_of, body.id, body.is_muted)):
        raise not_found("conversation")
    return Muted(is_muted=body.is_muted)


def _version(call: Call) -> str:
    owner = call.caller.mail_of
    return call.web.database.read(lambda tx: f"{counts.version(tx, owner)} {counts.reader_version(tx, owner)}")


ENDPOINTS = (
    Endpoint(
        "GET", "/api/mail/conversation", Who.USER, TokenScope.READ, "A conversation's messages", read_conversation,
        ConversationQuery, answer=ConversationInfo, version=_version, visitors=True,
        failures={404: "The caller has no such conversation."},
    ),
    Endpoint(
        "POST", "/api/mail/conversation/mute", Who.USER, TokenScope.MANAGE, "Mute a conversation", mute_conversation,
        body=MuteBody, answer=Muted, failures={404: "The caller has no such conversation."},
    ),
)  # fmt: skip
