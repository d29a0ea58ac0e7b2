"""The OpenAPI 3.1 document, made from the same tables and models that answer the requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, json
from onifast_shared.machine.version import installed_version
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from onifast_web.access.auth import ACT_FOR, allow
from onifast_web.access.caller import Who
from onifast_web.access.cookie_names import SESSION
from onifast_web.api import describing, formats, forms
from onifast_web.api.endpoint import FORM, Endpoint, Nothing
from onifast_web.http.csrf import HEADER
from onifast_web.http.problems import MEDIA_TYPE

_REF = "#/components/schemas/{model}"
_PROBLEM_SCHEMA = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
_SCHEMES = {
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION,
        "description": f"A browser's login. Changes carry its CSRF token in {HEADER}.",
    },
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": f"A personal API token, or the panel's service token, which may name a user in {ACT_FOR}.",
    },
}
_ABOUT = (
    "Mail of a web-hosting panel's users: their mailboxes, what they send, and what administrators set."
    " JSON in and out; unknown fields are refused; times are RFC 3339 in UTC;"
    " every error is a problem document (RFC 9457)."
)
_SIGN_ON = {"name": "login", "description": "How the panel's token logs a browser in."}
_THIS = {"name": "document", "description": "This document."}
_PAGE = {
    "tags": ["document"],
    "description": "This document as a page for people, where each call can be tried.",
    "summary": "A page to read and try",
    "operationId": "get-docs",
    "security": [],
    "responses": {"200": {"description": "OK", "content": {"text/html": {}}}},
}
_SSO_LOGIN = {
    "tags": ["login"],
    "description": "The panel sends its user's browser here with a token that it has just asked for.",
    "summary": "Sign a browser in with a one-time token",
    "operationId": "get-sso-login",
    "security": [],
    "parameters": [
        {
            "name": "token",
            "in": "query",
            "required": True,
            "description": "The one-time token.",
            "schema": {"type": "string"},
        },
        {"name": "next", "in": "query", "schema": {"type": "string", "description": "a local path to go on to"}},
    ],
    "responses": {
        "303": {"description": "Signed in", "headers": {"Location": {"schema": {"type": "string"}}}},
        "403": {"description": "The token is wrong, used or too old", "content": {"text/html": {}}},
    },
}


def register(app: Flask, endpoints: Iterable[Endpoint]) -> None:
    """Serves the document, to anybody: it holds no secret."""

    @cache  # made when first asked for: it takes most of the time that a start would take
    def text() -> str:
        return json.dumps(document(tuple(endpoints)), indent=1)

    @allow(Who.ANYONE)
    def openapi() -> Response:
        return Response(text(), content_type="application/json")

    app.add_url_rule("/api/openapi.json", "api:openapi", openapi, methods=["GET"], provide_automatic_options=False)


def document(endpoints: tuple[Endpoint, ...]) -> dict[str, Any]:
    """The document as JSON's values."""
    names, schemas = _schemas(endpoints)
    describing.describe_fields(schemas)
    describing.add_formats(schemas, _requests(endpoints, names))
    paths: dict[str, dict[str, Any]] = {"/sso-login": {"get": _SSO_LOGIN}, "/api/openapi.json": {"get": _own()}}
    paths["/api/docs"] = {"get": _PAGE}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, names, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "onifast-mail",
            "version": installed_version(),
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": [*describing.nouns(endpoints), _SIGN_ON, _THIS],
        "servers": [{"url": "/", "description": "or the prefix that the panel shows the webmail under"}],
        "paths": paths,
        "components": {"schemas": schemas | {"Problem": _PROBLEM_SCHEMA}, "securitySchemes": _SCHEMES},
    }


Names = Mapping[tuple[Any, JsonSchemaMode], dict[str, Any]]


def _schemas(endpoints: tuple[Endpoint, ...]) -> tuple[Names, dict[str, Any]]:
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {}
    for endpoint in endpoints:
        if endpoint.body is not None:
            wanted[endpoint.body, "validation"] = None
        if endpoint.answer is not None:
            wanted[endpoint.answer, "serialization"] = None
    names, definitions = models_json_schema(list(wanted), ref_template=_REF)
    return names, dict(definitions["$defs"])


def _requests(endpoints: tuple[Endpoint, ...], names: Names) -> list[str]:
    """The names of the models that requests bring."""
    bodies = [endpoint.body for endpoint in endpoints if endpoint.body is not None]
    return [str(names[body, "validation"]["$ref"]).rpartition("/")[2] for body in bodies]


def _operation(endpoint: Endpoint, names: Names, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "tags": [describing.noun_of(endpoint)],
        "summary": endpoint.summary,
        "description": f"{(endpoint.view.__doc__ or '').strip()} For {endpoint.who.value}. A personal "
        f"token needs the scope `{endpoint.scope.value}`.".strip(),
        "operationId": f"{endpoint.method.lower()}{endpoint.path.replace('/api', '').replace('/', '-')}",
        "security": [{"token": []}]
        if endpoint.who is Who.SERVICE
        else [{"session": []}, {"token": [endpoint.scope.value]}],
        "responses": _responses(endpoint, names, schemas),
    }
    if parameters := _parameters(endpoint):
        operation["parameters"] = parameters
    if endpoint.body is not None:
        operation["requestBody"] = {"required": True, "content": _contents(endpoint, names, schemas)}
    return operation


def _contents(endpoint: Endpoint, names: Names, schemas: dict[str, Any]) -> dict[str, Any]:
    """The kinds of body that an endpoint takes."""
    assert endpoint.body is not None  # noqa: S101 - for the type checker
    reference = names[endpoint.body, "validation"]
    shown = describing.example(reference, schemas)
    found = {"application/json": {"schema": reference, "example": shown}}
    form = describing.for_forms(schemas[str(reference["$ref"]).rpartition("/")[2]])
    if endpoint.form:
        found[FORM] = {"schema": form}
    if forms.is_flat(endpoint.body):
        found[forms.URLENCODED] = {"schema": form}
    return found


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if endpoint.query is not Nothing:
        schema = endpoint.query.model_json_schema()
        required = schema.get("required", [])
        found = [
            _query_parameter(endpoint.query.__name__, name, item, required=name in required)
            for name, item in schema["properties"].items()
        ]
    if endpoint.version is not None:
        found.append(_header("If-None-Match", "The ETag of the answer that the caller has: for 304"))
    found += [_header(name, meaning) for name, meaning in (endpoint.headers or {}).items()]
    if endpoint.who is not Who.SERVICE:
        found.append(
            {
                "name": ACT_FOR,
                "in": "header",
                "required": False,
                "description": "With the service token: the panel user to act for.",
                "schema": {"type": "string"},
            }
        )
    return found


def _query_parameter(model: str, name: str, schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    # A query knows no null.
    (field,) = describing.for_forms({"properties": {name: schema}})["properties"].values()
    describing.describe(name, field)
    describing.add_format(model, name, field)
    found = {"name": name, "in": "query", "required": required, "schema": field}
    return found | {"description": field.pop("description", ""), "example": describing.example(field, {}, name)}


def _header(name: str, meaning: str) -> dict[str, Any]:
    schema = {"type": "string", **formats.HEADERS.get(name, {})}
    return {"name": name, "in": "header", "required": False, "description": meaning, "schema": schema}


def _responses(endpoint: Endpoint, names: Names, schemas: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": HTTPStatus(endpoint.status).phrase}
    if endpoint.answer is not None:
        reference = names[endpoint.answer, "serialization"]
        shown = describing.example(reference, schemas)
        answer["content"] = {"application/json": {"schema": reference, "example": shown}}
    if endpoint.version is not None:
        answer["headers"] = {"ETag": {"description": "For If-None-Match", "schema": {"type": "string"}}}
    parts: dict[str, Any] = {}
    if endpoint.gives_file:
        content = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
        answer["content"] = content
        parts = {
            "206": {"description": "The part that Range asked for", "content": content},
            "304": {"description": "The caller has it already"},
            "416": {"description": "There is no such part"},
        }
    failures = {
        401: "No login, or a token that is not valid.",
        403: "The caller may not do this, their token lacks the scope, or the CSRF token is missing.",
        422: "A field is wrong or unknown.",
        429: "The user, or their token, has made too many calls in this minute: RateLimit says when to go on.",
    }
    failures |= endpoint.failures or {}
    problem = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}}
    return {
        str(endpoint.status): answer,
        **({"304": {"description": "The caller has it already"}} if endpoint.version else {}),
        **parts,
        **{str(status): {"description": failures[status], "content": problem} for status in sorted(failures)},
        "default": {"description": "Any other problem", "content": problem},
    }


def _own() -> dict[str, Any]:
    return {
        "tags": ["document"],
        "summary": "This document",
        "description": "The OpenAPI 3.1 document, for anybody.",
        "operationId": "get-openapi",
        "security": [],
        "responses": {"200": {"description": "OK", "content": {"application/json": {}}}},
    }
