"""Acts on messages, on those that are named or on all of a list: what became of them, and how they are undone."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.acts import journal, steps
from onifast_shared.acts.journal import AskedAct, ListAct
from onifast_shared.acts.scope import ListScope
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes.labelling import TooManyLabels
from onifast_shared.search.query import QueryError
from onifast_shared.values import times
from pydantic import ConfigDict, Field, model_validator

from onifast_web.access.caller import Who
from onifast_web.actions import messages
from onifast_web.api.chosen import Folder, Ids, any_of, one_of, the_user
from onifast_web.api.endpoint import Call, Endpoint, Id, Moment, checked_moment
from onifast_web.http.models import Model
from onifast_web.http.problems import Problem, not_found, unprocessable

LONGEST_SNOOZE = 5 * 366 * 24 * 3600
"""Seconds for which a message may be put off."""

ActionName = Literal["move", "read", "unread", "star", "unstar", "label", "unlabel", "delete", "snooze"]


class MatchingList(Model):
    """A list as `/api/mail/list` has it: all of it is meant, on every page."""

    folder: Folder | None = None
    label: Id | None = None
    starred: bool = False
    snoozed: bool = False
    unread: bool = False
    address: Annotated[str, Field(max_length=320)] | None = None
    q: Annotated[str, Field(max_length=1000)] = ""


def _needs(action: str, more: dict[str, Any]) -> dict[str, Any]:
    """What a schema says of an action that needs more than messages."""
    return {"if": {"properties": {"action": {"const": action}}}, "then": more}


class ActBody(Model):
    """What to do, and to which messages: `ids`, or `matching` for all of a list.

    `move` goes to a `folder`, or to the own folder `label_id`; `label` and `unlabel` give and take that label; `snooze`
    lasts `until` a time, when the message comes back to the inbox, unread; `delete` is for what lies in trash, junk or
    drafts.
    """

    model_config = ConfigDict(
        json_schema_extra=one_of("ids", "matching")
        | {
            "allOf": [
                _needs("move", one_of("folder", "label_id")),
                *(_needs(name, any_of("label_id")) for name in ("label", "unlabel")),
                _needs("snooze", any_of("until")),
            ]
        }
        | {"examples": [{"action": "move", "ids": [42, 43], "folder": "archive"}]}
    )

    action: ActionName
    ids: Ids | None = None
    matching: MatchingList | None = None
    folder: Folder | None = None
    label_id: Id | None = None
    until: Moment | None = None

    @model_validator(mode="after")
    def _fits(self) -> ActBody:
        if (self.ids is None) == (self.matching is None):
            raise ValueError("give either ids or matching")
        checked_moment(self.until)
        if self.action == "move" and (self.folder is None) == (self.label_id is None):
            raise ValueError("move needs either folder or label_id")
        if self.action in ("label", "unlabel") and self.label_id is None:
            raise ValueError(f"{self.action} needs label_id")
        if self.action == "snooze" and self.until is None:
            raise ValueError("snooze needs until")
        return self


class ActQuery(Model):
    """Which act."""

    id: Id


class ActInfo(Model):
    """An act. `done` counts the messages that it has been done to, of `total`; until `undo_until` it can be undone."""

    id: int
    action: str
    state: Literal["working", "done", "undoing", "undone"]
    total: int
    done: int
    undo_until: Moment


def do_act(call: Call) -> ActInfo:
    """Does something to messages so that it can be undone; all of a list is done in steps, in the background."""
    body, owner, now = cast(ActBody, call.body), the_user(call, "mailbox"), call.web.clock()

    def write(tx: Connection) -> ListAct:
        asked = AskedAct(owner, *_meant(tx, owner, body, now), "")
        if body.matching is None:
            return steps.act(tx, asked, body.ids or [], now)
        return steps.act_on_all(tx, asked, _scope(tx, owner, body.matching), now)

    try:
        begun = call.web.database.write(write)
    except TooManyLabels as error:
        raise Problem(422, f"{str(error)[0].upper()}{str(error)[1:]}.") from None
    except QueryError as error:
        raise unprocessable("matching.q", str(error)) from None
    if not begun.id:
        raise not_found()
    return _info(begun)


def read_act(call: Call) -> ActInfo:
    """How far an act has come."""
    owner, query = the_user(call, "mailbox"), cast(ActQuery, call.query)
    found = call.web.database.read(lambda tx: journal.get(tx, owner, query.id))
    if found is None:
        raise not_found("act")
    return _info(found)


def undo_act(call: Call) -> ActInfo:
    """Undoes an act: each message becomes what it was, unless somebody has changed it since."""
    owner, body, now = the_user(call, "mailbox"), cast(ActQuery, call.body), call.web.clock()

    def write(tx: Connection) -> ListAct:
        found = journal.get(tx, owner, body.id)
        if found is None:
            raise not_found("act")
        return steps.undo(tx, found, now)

    return _info(call.web.database.write(write))


def _meant(tx: Connection, owner: str, body: ActBody, now: float) -> tuple[str, str]:
    if body.action == "move" and body.folder is not None:
        return "move", body.folder
    if body.action in ("move", "label", "unlabel"):
        label = messages.label_of(tx, owner, body.label_id or 0, is_folder=body.action == "move")
        if body.action == "move":
            return "move", f"label:{label.id}"
        return "label", str(label.id if body.action == "label" else -label.id)
    if body.action == "snooze":
        until = times.parse_rfc3339(body.until or "")
        if not now < until <= now + LONGEST_SNOOZE:
            raise unprocessable("until", "give a time that is to come, within five years")
        return "snooze", str(int(until))
    return body.action, ""


def _scope(tx: Connection, owner: str, matching: MatchingList) -> ListScope:
    if matching.label is not None:
        messages.label_of(tx, owner, matching.label)
    plain = not (matching.label or matching.starred or matching.snoozed or matching.q)
    return ListScope(
        matching.folder or ("inbox" if plain else None),
        matching.label,
        matching.starred,
        matching.snoozed,
        matching.unread,
        matching.address,
        matching.q,
    )


def _info(found: ListAct) -> ActInfo:
    return ActInfo(
        id=found.id,
        action=found.action,
        state=found.state,
        total=max(found.total, found.done),
        done=found.done,
        undo_until=times.rfc3339(found.ends_ts),
    )


ENDPOINTS = (
    Endpoint(
        "POST", "/api/mail/acts", Who.USER, TokenScope.MANAGE, "Do something to messages that can be undone", do_act,
        body=ActBody, answer=ActInfo, failures={404: "None of the messages is there, or can have that done to it."},
    ),
    Endpoint(
        "GET", "/api/mail/acts", Who.USER, TokenScope.READ, "How far an act has come", read_act, ActQuery,
        answer=ActInfo, failures={404: "There is no such act, or it cannot be undone any more."},
    ),
    Endpoint(
        "POST", "/api/mail/acts/undo", Who.USER, TokenScope.MANAGE, "Undo an act", undo_act,
        body=ActQuery, answer=ActInfo, failures={404: "There is no such act, or it cannot be undone any more."},
    ),
)  # fmt: skip
