"""The webmail: pages that work without JavaScript. A module with ROUTES is a page, and is found by itself."""

from __future__ import annotations

from flask import Flask

from onifast_web.http.discovery import declaring
from onifast_web.webmail import appearance, filters, menu
from onifast_web.webmail.declared import endpoint

PAGES = declaring("ROUTES", __name__, __path__)
"""The page modules; each has ROUTES, NAV and NOTICES, as `declared` has them."""


def register(app: Flask) -> None:
    """Adds every page and what the templates use."""
    filters.register(app)
    appearance.register(app)
    menu.register(app, PAGES)
    for module in PAGES:
        for route in module.ROUTES:
            methods = route.methods.split()
            app.add_url_rule(
                route.path, endpoint(route.view), route.view, methods=methods, provide_automatic_options=False
            )
