"""The document says what the server does."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from onifast_web.access.auth import Who
from onifast_web.api import ENDPOINTS
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


def test_unknown_fields_are_refused_by_every_schema(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    open_ones = [name for name, schema in schemas.items() if schema.get("additionalProperties") is not False]
    assert open_ones == ["Problem"]


def test_only_the_panel_gets_sign_on_tokens() -> None:
    (endpoint,) = [item for item in ENDPOINTS if item.path == "/api/panel/sso-token"]
    assert endpoint.who is Who.SERVICE
