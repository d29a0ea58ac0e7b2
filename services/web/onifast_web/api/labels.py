"""Labels and own folders: what they are, and which messages have them."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import labels
from onifast_shared.mailboxes.labels import Label, LabelError
from onifast_shared.values.label_names import COLOURS, MOST_CHARACTERS, MOST_DEPTH
from pydantic import ConfigDict, Field, model_validator

from onifast_web.access.caller import Who
from onifast_web.actions import messages
from onifast_web.api.chosen import Changed, ChosenMessages, all_of, any_of, one_of, the_user
from onifast_web.api.endpoint import Call, Endpoint, Id
from onifast_web.http.models import Model
from onifast_web.http.problems import unprocessable

Kind = Literal["label", "folder"]
Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=4 * MOST_CHARACTERS,
        description=f"In any language, nested by `/` ({MOST_DEPTH} deep at the most); one name in one case only.",
        examples=["Clients/Acme"],
    ),
]
Colour = Annotated[str, Field(description="Empty for none of its own", json_schema_extra={"enum": ["", *COLOURS]})]
SomeLabels = Annotated[list[Id], Field(max_length=50, examples=[[3]])]


class LabelMark(Model):
    """A label as messages show it."""

    id: int
    name: str
    colour: str
    kind: Kind


class LabelInfo(LabelMark):
    """A label, or an own folder. `total` and `unread` leave out what lies in trash or junk."""

    total: int
    unread: int


class LabelList(Model):
    """All of the caller's labels."""

    labels: list[LabelInfo]


class LabelQuery(Model):
    """Labels, own folders, or both."""

    kind: Kind | None = None


class LabelBody(Model):
    """A message has any number of labels, and lies in one own folder (`kind` `folder`) at the most, archived."""

    name: Name
    colour: Colour = ""
    kind: Kind = "label"


class LabelChanges(Model):
    """Which label, and what of it changes; the rest stays."""

    id: Id
    name: Name | None = None
    colour: Colour | None = None


class LabelIdQuery(Model):
    """Which label."""

    id: Id


class AssignBody(ChosenMessages):
    """`add` and `remove` are numbers of labels; adding an own folder archives the messages and puts them there."""

    model_config = ConfigDict(json_schema_extra=one_of("ids", "id") | any_of("add", "remove", more={"minItems": 1}))

    add: SomeLabels = Field(default_factory=list)
    remove: SomeLabels = Field(default_factory=list)

    @model_validator(mode="after")
    def _says_something(self) -> AssignBody:
        if not self.add and not self.remove:
            raise ValueError("give labels to add or to remove")
        return self


def list_labels(call: Call) -> LabelList:
    """The caller's labels and own folders in the order of their names, each before those that lie in it."""
    owner, query = the_user(call, "labels"), cast(LabelQuery, call.query)
    found = call.web.database.read(lambda tx: labels.list_all(tx, owner))
    return LabelList(labels=[info(each) for each in found if query.kind in (None, _kind(each))])


def create_label(call: Call) -> LabelInfo:
    """A new label or own folder; what it lies in is made too where it is missing."""
    owner, body = the_user(call, "labels"), cast(LabelBody, call.body)

    def create(tx: Connection) -> Label:
        is_folder = body.kind == "folder"
        return labels.create(tx, owner, body.name, colour=body.colour, is_folder=is_folder, now=call.web.clock())

    try:
        return info(call.web.database.write(create))
    except LabelError as error:
        raise unprocessable(error.field, str(error)) from None


def change_label(call: Call) -> LabelInfo:
    """Another name, colour, or both. What lies in a label goes along with it: its name is the way to it."""
    body = cast(LabelChanges, call.body)

    def change(tx: Connection) -> Label:
        label = messages.label_of(tx, call.caller.mail_of, body.id)
        if body.colour is not None:
            labels.set_colour(tx, label, body.colour)
        if body.name is not None:
            labels.rename(tx, label, body.name, call.web.clock())
        return messages.label_of(tx, call.caller.mail_of, body.id)

    try:
        return info(call.web.database.write(change))
    except LabelError as error:
        raise unprocessable(error.field, str(error)) from None


def delete_label(call: Call) -> None:
    """Ends a label with all that lie in it. The messages stay; those of an own folder lie in the archive."""
    owner, label_id = call.caller.mail_of, call.query.id
    label = call.web.database.read(lambda tx: messages.label_of(tx, owner, label_id))
    messages.delete_label(call.web, label)


def assign_labels(call: Call) -> Changed:
    """Gives messages labels and takes others off, all or none: an id that is not the caller's answers 404."""
    body, owner = cast(AssignBody, call.body), call.caller.mail_of
    ids = body.chosen

    def assign(tx: Connection) -> int:
        add, remove = ([messages.label_of(tx, owner, each) for each in some] for some in (body.add, body.remove))
        return all_of(messages.relabel(tx, ids, add, remove), ids)

    return Changed(changed=call.web.database.write(assign))


ENDPOINTS = (
    Endpoint(
        "GET", "/api/mail/labels", Who.USER, TokenScope.READ,
        "Labels and own folders", list_labels, LabelQuery, answer=LabelList,
        failures={403: "The service token named no user."}, visitors=True,
    ),
    Endpoint(
        "POST", "/api/mail/labels", Who.USER, TokenScope.MANAGE, "Make a label", create_label,
        body=LabelBody, answer=LabelInfo, status=201,
    ),
    Endpoint(
        "PATCH", "/api/mail/labels", Who.USER, TokenScope.MANAGE, "Rename or colour a label", change_label,
        body=LabelChanges, answer=LabelInfo, failures={404: "The caller has no such label."},
    ),
    Endpoint(
        "DELETE", "/api/mail/labels", Who.USER, TokenScope.MANAGE, "Delete a label", delete_label, LabelIdQuery,
        status=204, failures={404: "The caller has no such label."},
    ),
    Endpoint(
        "POST", "/api/mail/labels/assign", Who.USER, TokenScope.MANAGE,
        "Give messages labels, or take them off", assign_labels,
        body=AssignBody, answer=Changed,
        failures={404: "One of the messages or labels does not exist; nothing was changed."},
    ),
)  # fmt: skip


def mark_of(label: Label) -> LabelMark:
    """A label as a message's answer has it."""
    return LabelMark(id=label.id, name=label.name, colour=label.colour, kind=_kind(label))


def info(label: Label) -> LabelInfo:
    """A label with its counts."""
    return LabelInfo(**mark_of(label).model_dump(), total=label.total, unread=label.unread)


def _kind(label: Label) -> Kind:
    return "folder" if label.is_folder else "label"
