"""The webmail: pages that work without JavaScript, one module for each part."""

from __future__ import annotations

from flask import Flask

from onifast_web.webmail import (
    app_passwords,
    composer,
    delivery_check,
    departed,
    destinations,
    dkim,
    filters,
    forwards,
    hold_rules,
    inside,
    limits,
    mailbox,
    message,
    outbox,
    refusals,
    routes,
    scheduled,
    sending,
    settings,
    sign_in,
    suppressions,
    tls,
    webhooks,
)


def register(app: Flask) -> None:
    """Adds every page and what the templates use."""
    filters.register(app)
    for module in (
        sign_in,
        mailbox,
        message,
        inside,
        composer,
        outbox,
        scheduled,
        sending,
        refusals,
        suppressions,
        hold_rules,
        departed,
        tls,
        routes,
        destinations,
        delivery_check,
        settings,
        dkim,
        webhooks,
        forwards,
        limits,
        app_passwords,
    ):
        for methods, path, view in module.ROUTES:
            name = f"webmail.{view.__name__}"
            app.add_url_rule(path, name, view, methods=methods.split(), provide_automatic_options=False)
