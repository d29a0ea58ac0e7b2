"""The document says what the server does."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from onifast_web.access.caller import Who
from onifast_web.api import ENDPOINTS, formats, vocabulary
from onifast_web.api.endpoint import Endpoint
from openapi_spec_validator import OpenAPIV31SpecValidator

REFERENCE = {
    ("GET", "/api/mail/list"),
    ("GET", "/api/mail/addresses"),
    ("POST", "/api/mail/addresses"),
    ("DELETE", "/api/mail/addresses"),
    ("GET", "/api/mail/read"),
    ("POST", "/api/mail/move"),
    ("POST", "/api/mail/send"),
    ("GET", "/api/mail/config"),
    ("POST", "/api/mail/config"),
    ("GET", "/api/mail/outbox"),
    ("POST", "/api/mail/outbox"),
    ("GET", "/api/mail/counts"),
    ("GET", "/api/mail/dkim"),
    ("POST", "/api/mail/dkim"),
    ("GET", "/sso-login"),
    ("POST", "/api/panel/sso-token"),
}


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    """The document, as anybody gets it."""
    answer = client.get("/api/openapi.json")
    assert answer.status_code == 200 and answer.json is not None
    found: dict[str, Any] = answer.json
    return found


def test_it_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(document).validate()


def test_every_route_of_the_api_is_in_it(document: dict[str, Any], app: Flask) -> None:
    served = {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/") or rule.rule == "/sso-login"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert described == served
    assert served >= REFERENCE


def test_every_endpoint_says_in_words_what_it_does() -> None:
    assert all(endpoint.summary and endpoint.view.__doc__ for endpoint in ENDPOINTS)


def test_every_endpoint_has_a_noun_that_is_described(document: dict[str, Any]) -> None:
    described = {tag["name"] for tag in document["tags"] if tag["description"]}
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert {tag for operation in operations for tag in operation["tags"]} == described
    assert all(operation["description"] and operation["summary"] for operation in operations)


def test_every_field_and_parameter_says_what_it_means(document: dict[str, Any]) -> None:
    """In its model (`Field(description=…)`), or, where the name means the same everywhere, in api/vocabulary.py."""
    schemas = document["components"]["schemas"]
    silent = [
        f"{model}.{name}"
        for model, schema in schemas.items()
        for name, field in schema.get("properties", {}).items()
        if not field.get("description") and model != "Problem"
    ]
    silent += [
        f"{method} {path} {parameter['name']}"
        for path, item in document["paths"].items()
        for method, operation in item.items()
        for parameter in operation.get("parameters", [])
        if not parameter.get("description") and not parameter["schema"].get("description")
    ]
    assert not silent


def test_the_vocabulary_has_no_word_that_nothing_uses(document: dict[str, Any]) -> None:
    used = {name for schema in document["components"]["schemas"].values() for name in schema.get("properties", {})}
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    used |= {parameter["name"] for operation in operations for parameter in operation.get("parameters", [])}
    assert not set(vocabulary.MEANINGS) - used
    assert not {name.rpartition(".")[2] for name in (*formats.FORMATS, *formats.EXAMPLES)} - used


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
def test_the_examples_are_what_their_models_take(document: dict[str, Any], endpoint: Endpoint) -> None:
    operation = document["paths"][endpoint.path][endpoint.method.lower()]
    if endpoint.body is not None:
        endpoint.body.model_validate(operation["requestBody"]["content"]["application/json"]["example"])
    if endpoint.answer is not None:
        endpoint.answer.model_validate(
            operation["responses"][str(endpoint.status)]["content"]["application/json"]["example"]
        )


def test_unknown_fields_are_refused_by_every_schema(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    open_ones = [name for name, schema in schemas.items() if schema.get("additionalProperties") is not False]
    assert open_ones == ["Problem"]


def test_only_the_panel_gets_sign_on_tokens() -> None:
    (endpoint,) = [item for item in ENDPOINTS if item.path == "/api/panel/sso-token"]
    assert endpoint.who is Who.SERVICE
