"""Senders: whom the caller lets in or keeps out, and whether the mail of unknown ones is kept apart."""

from __future__ import annotations

from typing import Annotated, Literal

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.values import times
from pydantic import ConfigDict, Field, model_validator

from onifast_web.access.caller import Who
from onifast_web.actions import senders as actions
from onifast_web.actions.senders import BlockedPlace
from onifast_web.api import chosen
from onifast_web.api.chosen import one_of
from onifast_web.api.endpoint import Call, Endpoint, Id, Moment
from onifast_web.http.models import Model

SenderText = Annotated[str, Field(min_length=1, max_length=400)]


class SenderInfo(Model):
    """A sender whom the caller has chosen about: an address, `@` and a domain with all below it, or `list:` and the id
    of a mailing list (RFC 2919)."""

    sender: str
    choice: Literal["accepted", "blocked"]
    chosen_at: Moment


class SenderSettings(Model):
    """`keeps_apart`: mail of unknown senders lies in the own folder `label_id`, null as long as it was not needed."""

    keeps_apart: bool
    label_id: Id | None
    blocked_to: Annotated[BlockedPlace, Field(description="Where mail of blocked senders goes.")]
    senders: list[SenderInfo]


class SenderBody(Model):
    """`keeps_apart`, `blocked_to`, or a `choice` about the `sender` of that address or domain, or about who wrote the
    message `id`."""

    model_config = ConfigDict(json_schema_extra=one_of("keeps_apart", "blocked_to", "sender", "id"))

    keeps_apart: bool | None = None
    blocked_to: Annotated[BlockedPlace | None, Field(description="Where mail of blocked senders goes.")] = None
    sender: SenderText | None = None
    id: Id | None = None
    choice: Literal["accepted", "blocked"] = "accepted"

    @model_validator(mode="after")
    def _one_of_them(self) -> SenderBody:
        if sum(each is not None for each in (self.keeps_apart, self.blocked_to, self.sender, self.id)) != 1:
            raise ValueError("give keeps_apart, blocked_to, sender or id")
        return self


class SenderQuery(Model):
    """Which choice: the address, or `list:` and the list's id, as it stands in the list."""

    sender: SenderText


def list_senders(call: Call) -> SenderSettings:
    """What the caller chose about senders."""
    found = actions.standing(call.web, chosen.the_user(call, "mailbox"))
    rows = [
        SenderInfo(sender=each.sender, choice=each.choice, chosen_at=times.rfc3339(each.chosen_ts))
        for each in found.chosen
    ]
    return SenderSettings(
        keeps_apart=found.keeps_apart,
        label_id=found.folder.id if found.folder else None,
        blocked_to=found.blocked_to,
        senders=rows,
    )


def choose_sender(call: Call) -> SenderSettings:
    """Sets whether unknown senders are kept apart, or accepts or blocks one.

    Who is accepted or blocked by a message has all of theirs moved that lies apart: to the inbox, or to junk.
    """
    body: SenderBody = call.body
    username = chosen.the_user(call, "mailbox")
    if body.keeps_apart is not None:
        actions.keep_apart(call.web, username, body.keeps_apart)
    elif body.blocked_to is not None:
        actions.block_to(call.web, username, body.blocked_to)
    elif body.sender is not None:
        actions.choose(call.web, username, body.sender, body.choice)
    elif body.id is not None:
        actions.decide(call.web, username, [body.id], body.choice)
    return list_senders(call)


def forget_sender(call: Call) -> None:
    """Takes a choice back, for what comes from now on."""
    actions.forget(call.web, chosen.the_user(call, "mailbox"), call.query.sender)


ENDPOINTS = (
    Endpoint(
        "GET", "/api/mail/senders", Who.USER, TokenScope.READ,
        "Senders whom the caller has accepted or blocked", list_senders,
        answer=SenderSettings,
    ),
    Endpoint(
        "POST", "/api/mail/senders", Who.USER, TokenScope.MANAGE,
        "Keep unknown senders apart, accept one, or block one", choose_sender,
        body=SenderBody, answer=SenderSettings,
        failures={404: "There is no such message."},
    ),
    Endpoint(
        "DELETE", "/api/mail/senders", Who.USER, TokenScope.MANAGE,
        "Take back what was chosen about a sender", forget_sender,
        query=SenderQuery, status=204,
        failures={404: "Nothing was chosen about that sender."},
    ),
)  # fmt: skip
