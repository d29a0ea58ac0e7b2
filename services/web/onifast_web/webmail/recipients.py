"""What a composer asks about recipients while they are typed: who is meant, and what is known of them."""

from __future__ import annotations

from flask import Response, jsonify, request

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import contacts, recipient_facts
from onifast_web.webmail.declared import Notices, PageRoute
from onifast_web.webmail.filters import in_script
from onifast_web.webmail.pages import user


@allow(Who.USER)
def suggest_recipients() -> Response:
    """Whom somebody may mean by what they typed."""
    found = contacts.offers(current(), user()[1], request.args.get("q", ""))
    return jsonify(
        [
            {
                "name": each.name,
                "address": in_script(each.address),
                "entries": each.entries,
                "isGroup": each.is_group,
                "isContact": each.is_contact,
            }
            for each in found
        ]
    )


@allow(Who.USER)
def recipient_facts_page() -> Response:
    """What is known of recipients."""
    found = recipient_facts.of(current(), user()[1], request.args.getlist("r"))
    return jsonify(
        [
            {
                "given": each.given,
                "name": each.name,
                "address": each.address,
                "kind": each.kind,
                "facts": each.facts,
                "problem": each.problem,
                "isContact": each.is_contact,
            }
            for each in found
        ]
    )


ROUTES = (
    PageRoute("GET", "/compose/suggest", suggest_recipients, off_menu="a composer asks for it"),
    PageRoute("GET", "/compose/recipients", recipient_facts_page, off_menu="a composer asks for it"),
)
NAV = ()
NOTICES: Notices = {}
