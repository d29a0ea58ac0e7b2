"""Delivery check: what would become of mail to an address."""

from __future__ import annotations

from flask import Response, request
from onifast_shared.recipients import addresses as address_store

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import delivery_check
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import marked
from onifast_web.reading.render import sentence
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import page, user

_TITLES = {
    "recipient": marked("Recipient"),
    "suppression": marked("Suppression"),
    "hold": marked("Hold rule"),
    "sandbox": marked("Sandbox"),
    "route": marked("Way"),
    "server": marked("Server"),
    "signature": marked("Signature"),
    "limits": marked("Limits"),
}


@allow(Who.USER)
def check_delivery() -> Response:
    """The form, and below it what was found out about the address that was asked for."""
    caller, username = user()
    web = current()
    own = web.database.read(lambda tx: address_store.list_for(tx, username))
    asked = {"address": request.args.get("address", ""), "from": request.args.get("from", "")}
    findings, errors, status = None, {}, 200
    if asked["address"]:
        try:
            findings = delivery_check.check_delivery(web, caller, asked["from"], asked["address"])
        except delivery_check.WrongAddress as error:
            errors, status = {error.field: sentence(error)}, 422
        except Problem as problem:
            errors, status = {"address": problem.detail}, problem.status
    return page(
        "delivery_check.html",
        "delivery-check",
        status,
        own=[row.address for row in own],
        asked=asked,
        findings=findings,
        titles=_TITLES,
        stopped=any(finding["verdict"] == "stop" for finding in findings or ()),
        errors=errors,
    )


ROUTES = (
    PageRoute("GET", "/delivery-check", check_delivery),
    PageRoute("GET", "/explain", check_delivery),  # its address until 0.2, for links and bookmarks
)
NAV = (
    NavEntry(
        "delivery-check",
        marked("Delivery check"),
        check_delivery,
        icon="delivery-check",
        group=NavGroup.DELIVERY,
        order=40,
        hint=marked("What would become of a message to an address."),
    ),
)
NOTICES: Notices = {}
