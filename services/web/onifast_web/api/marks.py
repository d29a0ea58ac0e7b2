"""What is marked on messages (read, starred), and their end."""

from __future__ import annotations

from typing import cast

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import labelling, mailbox
from pydantic import ConfigDict, model_validator

from onifast_web.access.caller import Who
from onifast_web.actions import audited, messages
from onifast_web.api.chosen import Changed, ChosenMessages, all_of, any_of, one_of
from onifast_web.api.endpoint import Call, Endpoint


class MarkBody(ChosenMessages):
    """What is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra=one_of("ids", "id") | any_of("is_read", "is_starred"))

    is_read: bool | None = None
    is_starred: bool | None = None

    @model_validator(mode="after")
    def _says_something(self) -> MarkBody:
        if self.is_read is None and self.is_starred is None:
            raise ValueError("give is_read, is_starred or both")
        return self


class DeleteBody(ChosenMessages):
    """Messages in trash, junk or drafts."""


def mark_emails(call: Call) -> Changed:
    """Marks messages as read or unread, and gives or takes stars; all or none."""
    body, owner = cast(MarkBody, call.body), call.caller.mail_of
    ids = body.chosen

    def mark(tx: Connection) -> int:
        found = len(ids)
        if body.is_read is not None:
            found = mailbox.set_read(tx, owner, ids, body.is_read)
        if body.is_starred is not None:
            found = min(found, labelling.set_starred(tx, owner, ids, body.is_starred))
        return all_of(found, ids)

    return Changed(changed=call.web.database.write(mark))


def delete_emails(call: Call) -> Changed:
    """Deletes messages for good, all or none. Only what lies in trash, junk or drafts: move the others there first."""
    body, caller = cast(DeleteBody, call.body), call.caller
    ids, act = body.chosen, audited.service_act(caller)

    def delete(tx: Connection) -> int:
        rows = [mailbox.get(tx, caller.mail_of, email_id) for email_id in ids]
        deleted = all_of(messages.delete(tx, caller.mail_of, ids), ids)
        for row in rows:
            if act is not None and row is not None:
                act.note(tx, "mail.delete", row, call.web.clock())
        return deleted

    return Changed(changed=call.web.database.write(delete))


ENDPOINTS = (
    Endpoint(
        "POST", "/api/mail/mark", Who.USER, TokenScope.MANAGE, "Mark messages as read, unread or starred", mark_emails,
        body=MarkBody, answer=Changed, failures={404: "One of the messages does not exist; none was changed."},
    ),
    Endpoint(
        "POST", "/api/mail/delete", Who.USER, TokenScope.MANAGE, "Delete messages for good", delete_emails,
        body=DeleteBody, answer=Changed,
        failures={
            404: "One of the messages does not exist; none was deleted.",
            409: "One of the messages lies in another folder; none was deleted.",
        },
    ),
)  # fmt: skip
