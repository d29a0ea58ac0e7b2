"""Hold rules: which mail waits for an administrator before it is sent."""

from __future__ import annotations

from flask import Response, redirect, request, url_for
from onifast_shared.queue import hold_rules as store
from onifast_shared.queue.hold_rules import Pattern, RuleError
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import hold_rules as actions
from onifast_web.http.problems import Problem, not_found
from onifast_web.languages.texts import marked
from onifast_web.reading.render import sentence
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import page, user

_MOST_NOTE = 500


@allow(Who.ADMINISTRATOR)
def hold_rules() -> AnyResponse:
    """The rules with their form."""
    caller, _username = user()
    if request.method == "GET":
        return _page()
    if request.form.get("do") in ("remove", "release"):
        return _remove(release=request.form["do"] == "release")
    given = {name: request.form.get(name, "") for name in ("sender", "recipient", "owner")}
    try:
        actions.add(current(), caller, Pattern.parse(**given), request.form.get("note", "")[:_MOST_NOTE])
    except RuleError as error:
        return _page({error.field: sentence(error)})
    except Problem as problem:
        return _page({"sender": problem.detail})
    return redirect(url_for("webmail.hold_rules", did="rule"), 303)


ROUTES = (PageRoute("GET POST", "/hold-rules", hold_rules),)
NAV = (
    NavEntry(
        "hold-rules",
        marked("Hold rules"),
        hold_rules,
        icon="pause",
        group=NavGroup.ADMINISTRATION,
        order=10,
        hint=marked("What waits in the outbox until somebody looks at it."),
    ),
)
NOTICES: Notices = {
    "rule": marked("Rule made. What fits it waits from now on."),
    "rule-removed": marked("Rule removed. What it held keeps waiting in the outbox."),
    "rule-released": marked("Rule removed. What it held is on its way."),
}


def _remove(*, release: bool) -> AnyResponse:
    rule_id = request.form.get("id", 0, type=int)
    if not 0 < rule_id < 2**63 or not actions.remove(current(), rule_id, release=release):
        raise not_found("hold rule")
    return redirect(url_for("webmail.hold_rules", did="rule-released" if release else "rule-removed"), 303)


def _page(errors: dict[str, str] | None = None) -> Response:
    rules, held = current().database.read(lambda tx: (store.list_all(tx), store.count_held(tx)))
    return page(
        "hold_rules.html",
        "hold-rules",
        422 if errors else 200,
        rules=rules,
        held=held,
        errors=errors or {},
        form=request.form if errors else {},
    )
