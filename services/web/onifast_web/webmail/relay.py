"""The relay (smart host), for administrators."""

from __future__ import annotations

from typing import Any

from flask import Response, redirect, request, url_for
from onifast_shared.transport import relay as relay_store
from pydantic import ValidationError
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import relay as actions
from onifast_web.languages.texts import _, marked
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import field_errors, page

TLS_CHOICES = (
    ("starttls", "STARTTLS", marked("usual on port 587")),
    ("tls", "TLS", marked("usual on port 465")),
    ("none", marked("None"), marked("only on a network that you trust")),
)


@allow(Who.ADMINISTRATOR)
def relay() -> AnyResponse:
    """The smart host. The stored password goes into no page."""
    if request.method == "GET":
        return _relay_page(_stored_relay())
    form = {name: request.form.get(name, "") for name in ("relay_host", "relay_port", "relay_user", "relay_tls")}
    try:
        body = actions.RelayBody.model_validate(form | _optional(form))
    except ValidationError as error:
        return _relay_page(form, field_errors(error))
    current().database.write(lambda tx: actions.store(tx, body))
    return redirect(url_for("webmail.relay", did="relay"), 303)


ROUTES = (PageRoute("GET POST", "/relay", relay),)
NAV = (
    NavEntry(
        "relay",
        marked("Relay"),
        relay,
        icon="relay",
        group=NavGroup.ADMINISTRATION,
        order=50,
        hint=marked("By which server, and from which address, mail goes out."),
        tabs=marked("How mail leaves"),
    ),
)
NOTICES: Notices = {
    "relay": marked("Relay saved. It counts from the next message on."),
}


def _optional(form: dict[str, str]) -> dict[str, Any]:
    """Fields whose absence means something: an empty port is the usual one, an empty password the stored one."""
    given: dict[str, Any] = {"relay_port": form["relay_port"].strip() or None}
    if password := request.form.get("relay_password", ""):
        given["relay_password"] = password
    elif request.form.get("forget_password"):
        given["relay_password"] = ""
    return given


def _stored_relay() -> dict[str, str]:
    try:
        found = current().database.read(relay_store.get)
    except relay_store.RelayError:
        found = None
    if found is None:
        return {"relay_host": "", "relay_port": "587", "relay_user": "", "relay_tls": "starttls"}
    return {
        "relay_host": found.host,
        "relay_port": str(found.port),
        "relay_user": found.user,
        "relay_tls": found.tls,
    }


def _relay_page(form: dict[str, str], errors: dict[str, str] | None = None) -> Response:
    try:
        found = current().database.read(relay_store.get)
    except relay_store.RelayError as error:
        found, errors = None, {"relay_host": _("%(error)s. Save this form to mend it.", error=error)} | (errors or {})
    password_set = found is not None and bool(found.password.reveal())
    status = 422 if errors and request.method == "POST" else 200
    return page(
        "relay.html",
        "relay",
        status,
        form=form,
        errors=errors or {},
        tls_choices=TLS_CHOICES,
        password_set=password_set,
    )
