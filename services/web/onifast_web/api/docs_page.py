"""GET /api/docs: the OpenAPI document as a page to read, where each call can be tried with one's login or a token."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from flask import Flask, Response, make_response, render_template

from onifast_web.access import auth
from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.api import openapi
from onifast_web.api.endpoint import Endpoint
from onifast_web.http import csrf

_REFERENCE = "#/components/schemas/"
_DEEPEST = 3  # levels of fields within fields that are shown


@dataclass(frozen=True)
class FieldLine:
    """A parameter, or a field of a body; `depth` is how deep it lies."""

    name: str
    place: str
    type: str
    meaning: str
    is_required: bool
    depth: int = 0


@dataclass(frozen=True)
class Operation:
    """One call, as the page shows it."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    parameters: list[FieldLine]
    fields: list[FieldLine]
    query: str
    body: str
    answer: list[FieldLine]
    statuses: list[tuple[str, str]]


@dataclass(frozen=True)
class Chapter:
    """The calls of one noun."""

    name: str
    description: str
    operations: list[Operation]


def register(app: Flask, endpoints: Iterable[Endpoint]) -> None:
    """Serves the page, to anybody: it holds no secret."""

    @cache
    def chapters() -> list[Chapter]:
        return chapters_of(openapi.document(tuple(endpoints)))

    @allow(Who.ANYONE)
    def api_docs() -> Response:
        found = auth.visitor()
        page = render_template(
            "api_docs.html",
            chapters=chapters(),
            visitor=found.username and found.name if found else None,
            csrf_token=csrf.masked(found.csrf_token) if found else "",
        )
        return make_response(page)

    app.add_url_rule("/api/docs", "api:docs", api_docs, methods=["GET"], provide_automatic_options=False)


def chapters_of(document: Mapping[str, Any]) -> list[Chapter]:
    """What the page shows of an OpenAPI document of ours."""
    schemas = document["components"]["schemas"]
    found: dict[str, list[Operation]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            found[operation["tags"][0]].append(_operation(path, method, operation, schemas))
    said = {tag["name"]: tag.get("description", "") for tag in document["tags"]}
    return [Chapter(name, said[name], operations) for name, operations in found.items() if operations]


def _operation(path: str, method: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> Operation:
    parameters = operation.get("parameters", [])
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    answers = operation["responses"]
    answer: Mapping[str, Any] = next((each for status, each in answers.items() if status.startswith("2")), {})
    needed = [each for each in parameters if each["in"] == "query" and each.get("required")]
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation.get("description", ""),
        parameters=[_parameter(each) for each in parameters],
        fields=_fields(content.get("schema", {}), schemas),
        query="&".join(f"{each['name']}={each.get('example', '')}" for each in needed),
        body=json.dumps(content["example"], indent=2, ensure_ascii=False) if "example" in content else "",
        answer=_fields(answer.get("content", {}).get("application/json", {}).get("schema", {}), schemas),
        statuses=[(status, each["description"]) for status, each in answers.items() if status != "default"],
    )


def _parameter(given: Mapping[str, Any]) -> FieldLine:
    meaning = given.get("description") or given["schema"].get("description", "")
    return FieldLine(given["name"], given["in"], _type(given["schema"]), meaning, bool(given.get("required")))


def _fields(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int = 0) -> list[FieldLine]:
    """The fields of an object, each followed by those within it."""
    model, lines = _resolved(schema, schemas), list[FieldLine]()
    required = model.get("required", ())
    for name, field in model.get("properties", {}).items():
        meaning = field.get("description") or _resolved(field, schemas).get("description", "")
        lines.append(FieldLine(name, "", _type(field), meaning, name in required, depth))
        if depth + 1 < _DEEPEST:
            lines += _fields(_inner(field), schemas, depth + 1)
    return lines


def _inner(field: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of the objects that a field holds, alone or in a list; {} where it holds none."""
    for each in (field, field.get("items", {}), *field.get("anyOf", ()), *field.get("oneOf", ())):
        if "$ref" in each:
            return dict(each)
        if "$ref" in each.get("items", {}):
            return dict(each["items"])
    return {}


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    name = schema.get("$ref", "").removeprefix(_REFERENCE)
    return dict(schemas[name]) if name else schema


def _type(schema: Mapping[str, Any]) -> str:
    """A schema's type in a few words."""
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "$ref" in schema:
        return "object"
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " | ".join(dict.fromkeys(_type(each) for each in choices))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    name = str(schema.get("type", "any"))
    return f"{name} ({schema['format']})" if "format" in schema else name
