"""TLS to other sites: which domains have less than they had, the policies that are kept, the reports that were sent."""

from __future__ import annotations

from flask import redirect, request, url_for
from onifast_shared.tls import history as tls_history
from onifast_shared.tls import results as tls_results
from onifast_shared.tls import sts_policies
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.http.problems import not_found
from onifast_web.languages.texts import marked
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.long_lists import MOST
from onifast_web.webmail.pages import page, user

_WORDS = {
    "none": marked("no encryption"),
    "encrypted": marked("encryption only"),
    "verified": "certificate",
    "mta-sts": "certificate (MTA-STS)",
    "dane": "certificate (DANE)",
    "requiretls": "certificate",
}


@allow(Who.ADMINISTRATOR)
def tls() -> AnyResponse:
    """What is known, downgrades first; a domain is forgotten by its button."""
    user()
    if request.method == "POST":
        domain = request.form.get("domain", "")
        if not current().database.write(lambda tx: tls_history.forget(tx, domain)):
            raise not_found("domain")
        return redirect(url_for("webmail.tls", did="tls-forgotten"), 303)
    domains, policies, reports = current().database.read(
        lambda tx: (
            tls_history.list_all(tx, limit=MOST + 1),
            sts_policies.list_all(tx, limit=MOST + 1),
            tls_results.list_reports(tx, limit=MOST + 1),
        )
    )
    return page("tls.html", "tls", domains=domains, policies=policies, reports=reports, most=MOST, words=_WORDS)


ROUTES = (PageRoute("GET POST", "/tls", tls),)
NAV = (
    NavEntry(
        "tls",
        "TLS",
        tls,
        icon="tls",
        group=NavGroup.ADMINISTRATION,
        order=30,
        hint=marked("Which servers prove who they are, and what is asked of them."),
    ),
)
NOTICES: Notices = {
    "tls-forgotten": marked("Forgotten. The domain is remembered anew once its servers prove who they are."),
}
