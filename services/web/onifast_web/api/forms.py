"""Bodies that come as forms: the fields of a form as the JSON body of the same endpoint has them.

A list is a field that is given several times, in PHP's way of writing it (`ids[]`, `ids[0]`) too.
"""

from __future__ import annotations

import re
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from werkzeug.datastructures import MultiDict

from onifast_web.http import csrf
from onifast_web.http.models import Model
from onifast_web.http.problems import unprocessable

URLENCODED = "application/x-www-form-urlencoded"
_ELEMENT = re.compile(r"([A-Za-z_]+)\[\d*\]")


def fields_of(model: type[Model], form: MultiDict[str, str]) -> dict[str, Any]:
    """A form's fields as JSON's values; raises Problem(422). What is empty and no text is as if it were not there."""
    kinds = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    found: dict[str, Any] = {}
    for name, values in form.lists():
        if name == csrf.FIELD:
            continue
        base = match[1] if (match := _ELEMENT.fullmatch(name)) else name
        kind = kinds.get(base)
        if takes_list(kind):
            found.setdefault(base, []).extend(value for value in values if value)
        elif len(values) > 1 or base != name:
            raise unprocessable(base, "given more than once" if len(values) > 1 else "this is no list")
        elif values[0] or str in _inside(kind) or kind is None:
            found[name] = values[0]
    return found


def is_flat(model: type[Model]) -> bool:
    """Whether a form can say all that a body of this model can."""
    return not any(
        isinstance(each, type) and issubclass(each, BaseModel)
        for field in model.model_fields.values()
        for each in _inside(field.annotation)
    )


def takes_list(kind: Any) -> bool:
    """Whether a field of this type may be a list."""
    return any(get_origin(each) is list or each is list for each in _inside(kind))


def _inside(kind: Any) -> list[Any]:
    """A type, and all those that it is made of."""
    return [kind, *(inner for each in get_args(kind) for inner in _inside(each))]
