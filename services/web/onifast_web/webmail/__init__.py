"""The webmail: pages that work without JavaScript. A module with ROUTES is a page, and is found by itself."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType

from flask import Flask

from onifast_web.http.discovery import declaring
from onifast_web.webmail import appearance, filters, menu
from onifast_web.webmail.declared import endpoint

PAGES = declaring("ROUTES", __name__, __path__)
"""The page modules; each has ROUTES, NAV and NOTICES, as `declared` has them."""


def equip(app: Flask) -> None:
    """Makes known to an application what its templates use."""
    filters.register(app)
    appearance.register(app)
    menu.register(app, PAGES)


def register(app: Flask, pages: Iterable[ModuleType]) -> None:
    """Adds the views of page modules."""
    for module in pages:
        for route in module.ROUTES:
            methods = route.methods.split()
            app.add_url_rule(
                route.path, endpoint(route.view), route.view, methods=methods, provide_automatic_options=False
            )
