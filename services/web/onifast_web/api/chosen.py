"""What many endpoints of messages share: the ids that a request names, a folder, and whose a request is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from onifast_web.access import auth
from onifast_web.api.endpoint import Call, Id
from onifast_web.http.models import Model
from onifast_web.http.problems import Problem, not_found

MOST_IDS = 500


def in_any_case(value: Any) -> Any:
    """A name as a request has it, in lower case."""
    return value.strip().lower() if isinstance(value, str) else value


Folder = Annotated[
    Literal["inbox", "drafts", "sent", "junk", "archive", "trash"],
    BeforeValidator(in_any_case),
]
"""One of the six folders, in any case."""

Ids = Annotated[list[Id], Field(min_length=1, max_length=MOST_IDS, examples=[[17, 18]])]


def one_of(*names: str) -> dict[str, Any]:
    """What a schema says of fields of which exactly one is to be given; null is as if it were not there."""
    return {"oneOf": [_given(name) for name in names]}


def any_of(*names: str, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What it says of fields of which one at least is to be given; `more` holds for each of them."""
    return {"anyOf": [_given(name, more) for name in names]}


def _given(name: str, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"required": [name], "properties": {name: dict(more or {"not": {"type": "null"}})}}


class ChosenMessages(Model):
    """Messages by their numbers: `ids`, or `id` for one."""

    model_config = ConfigDict(json_schema_extra=one_of("ids", "id"))

    ids: Ids | None = None
    id: Id | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> ChosenMessages:
        if (self.ids is None) == (self.id is None):
            raise ValueError("give either ids or id")
        return self

    @property
    def chosen(self) -> list[int]:
        """The numbers, each once, in their order."""
        return list(dict.fromkeys(self.ids or ([] if self.id is None else [self.id])))


class Changed(Model):
    """How many messages there were that are now as asked for, whether they were so before or not."""

    changed: int


def all_of(changed: int, ids: list[int]) -> int:
    """How many were changed; raises Problem(404), which undoes it, where one of them is not there."""
    if changed != len(ids):
        raise not_found()
    return changed


def the_user(call: Call, what: str) -> str:
    """Whose things a request is about; raises Problem(403) for the service token that names nobody."""
    if call.caller.username is None:
        raise Problem(403, f"The service token has no {what}; name a user with {auth.ACT_FOR}.")
    return call.caller.username
