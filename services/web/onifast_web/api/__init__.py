"""The JSON API: one module for each noun, each with the table of its ENDPOINTS, which is found by itself."""

from __future__ import annotations

from flask import Flask

from onifast_web.api import docs_page, openapi
from onifast_web.api.endpoint import Endpoint, add
from onifast_web.http.discovery import declaring

ENDPOINTS: tuple[Endpoint, ...] = tuple(
    endpoint for module in declaring("ENDPOINTS", __name__, __path__) for endpoint in module.ENDPOINTS
)


def register(app: Flask) -> None:
    """Adds every endpoint, the document that describes them, and the page that shows it."""
    for endpoint in ENDPOINTS:
        add(app, endpoint)
    openapi.register(app, ENDPOINTS)
    docs_page.register(app, ENDPOINTS)
