"""The addresses that the mail of single domains leaves from, for administrators."""

from __future__ import annotations

from flask import Response, redirect, request, url_for
from onifast_shared.transport import sources as source_store
from onifast_shared.transport.names import BadField
from pydantic import ValidationError
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import routes as actions
from onifast_web.http.problems import not_found
from onifast_web.languages.texts import marked
from onifast_web.reading.render import sentence
from onifast_web.webmail.declared import NavTab, Notices, PageRoute
from onifast_web.webmail.pages import field_errors, page


@allow(Who.ADMINISTRATOR)
def sources() -> AnyResponse:
    """The source addresses with a form to set one."""
    if request.method == "GET":
        return _sources_page()
    given = {name: request.form.get(name, "").strip() for name in ("domain", "address", "helo_name")}
    if request.form.get("do") == "remove":
        family = source_store.family_of(given["address"])
        if not current().database.write(lambda tx: source_store.remove(tx, given["domain"], family)):
            raise not_found("source address")
        return redirect(url_for("webmail.sources", did="source-removed"), 303)
    errors = _save_source(given)
    return _sources_page(errors) if errors else redirect(url_for("webmail.sources", did="source"), 303)


ROUTES = (PageRoute("GET POST", "/source-addresses", sources),)
NAV = (NavTab("sources", marked("Source addresses"), sources, under="relay", order=20),)
NOTICES: Notices = {
    "source": marked("Source address saved. It counts from the next attempt on."),
    "source-removed": marked("Source address removed."),
}


def _save_source(given: dict[str, str]) -> dict[str, str]:
    try:
        body = actions.SourceBody.model_validate(given)
        current().database.write(actions.store_source(body, int(current().clock())))
    except ValidationError as error:
        return field_errors(error)
    except BadField as error:
        return {error.field: sentence(error)}
    return {}


def _sources_page(errors: dict[str, str] | None = None) -> Response:
    return page(
        "sources.html",
        "sources",
        422 if errors else 200,
        rows=current().database.read(source_store.list_all),
        configured=current().settings.source_addresses,
        hostname=current().settings.hostname,
        form=request.form if errors else request.args,
        errors=errors or {},
    )
