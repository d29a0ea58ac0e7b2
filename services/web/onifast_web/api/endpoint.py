"""What an endpoint is: a method, a path, who may call it, and the models of what goes in and comes out.

Requests are checked against these models, unknown fields included, and the OpenAPI document is made from them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from flask import Flask, Response, g, request
from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.message.compose import DraftError
from onifast_shared.values import times
from onifast_shared.values.paging import CursorError
from pydantic import BaseModel, Field, ValidationError
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access import auth, context, one_at_a_time
from onifast_web.access.auth import allow
from onifast_web.access.caller import Caller, Who
from onifast_web.access.context import Web
from onifast_web.api import forms
from onifast_web.http.models import Model
from onifast_web.http.problems import Problem, unprocessable

FORM = "multipart/form-data"


class Nothing(Model):
    """No parameters."""


Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-22T10:00:00Z"])]
"""A time in the API: RFC 3339, UTC."""


IF_ANY = Field(exclude_if=lambda value: not value)
"""For a field of an answer that is there only where it says something."""


def checked_moment(value: str | None) -> str | None:
    """A time that a request gives, for a model's validator; raises ValueError."""
    if value is not None:
        times.parse_rfc3339(value)
    return value


def optional_moment(seconds: int | None) -> str | None:
    """Epoch seconds as the API has them."""
    return None if seconds is None else times.rfc3339(seconds)


Id = Annotated[int, Field(ge=1, le=2**63 - 1)]


@dataclass(frozen=True)
class Call:
    """One request to an endpoint, checked."""

    web: Web
    caller: Caller
    query: Any
    body: Any


@dataclass(frozen=True)
class Endpoint:
    """A method at a path, for those `who` may call it, and have the `scope` where they come with an API token.

    `view` gives an instance of `answer`, or None where that is None.

    `failures` are the statuses, beyond those that every endpoint has, that a caller must expect, with their reasons.
    `form` makes the body of a multipart form, for endpoints that take one too. `version` gives, far cheaper than the
    answer, a text that is another one once the answer would be; with it answers carry an ETag, and who has seen this
    one already gets 304. It gives None for what has no such text. `headers` are those that the view looks at, with what
    they mean. Where it `gives_file`, the view gives a response of its own. `visitors`: see `auth.allow`.
    """

    method: str
    path: str
    who: Who
    scope: TokenScope
    summary: str
    view: Callable[[Call], BaseModel | Response | None]
    query: type[Model] = Nothing
    body: type[Model] | None = None
    answer: type[Model] | None = None
    status: int = 200
    failures: Mapping[int, str] | None = None
    form: Callable[[], dict[str, Any]] | None = None
    version: Callable[[Call], str | None] | None = None
    headers: Mapping[str, str] | None = None
    gives_file: bool = False
    visitors: bool = False


def add(app: Flask, endpoint: Endpoint) -> None:
    """Makes the app answer at an endpoint."""
    name = f"api:{endpoint.method} {endpoint.path}"

    @allow(endpoint.who, endpoint.scope, visitors=endpoint.visitors)
    def view() -> AnyResponse:
        return _answer(endpoint)

    app.add_url_rule(endpoint.path, name, view, methods=[endpoint.method], provide_automatic_options=False)


def _answer(endpoint: Endpoint) -> Response:
    call = Call(context.current(), auth.caller(), _checked(endpoint.query, _query()), _body(endpoint))
    given = (part for part in (call.query, call.body) if part is not None)
    g.checked_values = {name: value for part in given for name, value in part.model_dump(exclude_unset=True).items()}
    # Before the answer: if something changes in between, it is only sent once more.
    headers = _validator(call, endpoint)
    if headers and request.if_none_match.contains_weak(headers["ETag"].strip('"')):
        return Response(status=304, headers=headers)
    try:
        found = endpoint.view(call)
    except DraftError as error:
        raise unprocessable(error.field, error.text) from None
    except CursorError as error:
        raise unprocessable("cursor", str(error)) from None
    if found is None:
        return Response(status=endpoint.status)
    if isinstance(found, Response):
        return found
    return Response(found.model_dump_json(by_alias=True), endpoint.status, headers, content_type="application/json")


def _validator(call: Call, endpoint: Endpoint) -> dict[str, str]:
    """The answer's ETag (RFC 9110 section 8.8.3), if it has one."""
    version = endpoint.version(call) if endpoint.version else None
    if version is None:
        return {}
    text = "\0".join((call.web.edition, call.caller.mail_of or "", request.full_path, version))
    return {"ETag": f'"{hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]}"'}


def _query() -> dict[str, str]:
    for name, values in request.args.lists():
        if len(values) > 1:
            raise unprocessable(name, "given more than once")
    return request.args.to_dict()


def _body(endpoint: Endpoint) -> Model | None:
    if endpoint.body is None:
        return None
    one_at_a_time.wait_for_turn(context.current().turn, request.content_length or 0)
    if endpoint.form is not None and request.mimetype in (FORM, forms.URLENCODED):
        return _checked(endpoint.body, endpoint.form())
    if request.mimetype == forms.URLENCODED:
        return _checked(endpoint.body, forms.fields_of(endpoint.body, request.form))
    if request.mimetype != "application/json":
        allowed = ["application/json", forms.URLENCODED, *([FORM] if endpoint.form else [])]
        raise Problem(415, f"The body must be {' or '.join(allowed)}.")
    try:
        content = request.get_json(cache=False)
    except (BadRequest, RecursionError):
        raise Problem(400, "The body is not valid JSON.") from None
    if not isinstance(content, dict):
        raise Problem(422, "The body must be a JSON object.")
    return _checked(endpoint.body, content)


def _checked(model: type[Model], content: Mapping[str, Any]) -> Model:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
    errors = [{"field": ".".join(map(str, item["loc"])) or "body", "message": _message(item)} for item in found[:20]]
    detail = "; ".join(f"{item['field']}: {item['message']}" for item in errors[:3])
    raise Problem(422, detail, errors=errors)


def _message(item: Mapping[str, Any]) -> str:
    if item["type"] == "extra_forbidden":
        return "unknown field"
    return str(item["msg"]).removeprefix("Value error, ")
