"""The JSON API: one module for each noun, each with the table of its endpoints."""

from __future__ import annotations

from flask import Flask

from onifast_web.api import (
    addresses,
    app_passwords,
    config,
    database,
    delivery_check,
    destinations,
    dkim,
    forwards,
    hold_rules,
    limits,
    mail,
    openapi,
    outbox,
    quotas,
    refusals,
    routes,
    sandbox,
    send,
    sso,
    suppressions,
    tls,
    users,
    webhooks,
)
from onifast_web.api.endpoint import Endpoint, add

ENDPOINTS: tuple[Endpoint, ...] = (
    *mail.ENDPOINTS,
    *send.ENDPOINTS,
    *addresses.ENDPOINTS,
    *forwards.ENDPOINTS,
    *quotas.ENDPOINTS,
    *limits.ENDPOINTS,
    *app_passwords.ENDPOINTS,
    *config.ENDPOINTS,
    *routes.ENDPOINTS,
    *destinations.ENDPOINTS,
    *outbox.ENDPOINTS,
    *refusals.ENDPOINTS,
    *suppressions.ENDPOINTS,
    *hold_rules.ENDPOINTS,
    *sandbox.ENDPOINTS,
    *dkim.ENDPOINTS,
    *webhooks.ENDPOINTS,
    *delivery_check.ENDPOINTS,
    *tls.ENDPOINTS,
    *database.ENDPOINTS,
    *sso.ENDPOINTS,
    *users.ENDPOINTS,
)


def register(app: Flask) -> None:
    """Adds every endpoint, and the document that describes them."""
    for endpoint in ENDPOINTS:
        add(app, endpoint)
    openapi.register(app, ENDPOINTS)
