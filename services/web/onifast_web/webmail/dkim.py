"""The signing keys of each domain: their records, what DNS has, and the steps of a rotation."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from flask import Response, redirect, request, url_for
from onifast_shared.db.database import Connection
from onifast_shared.dkim.report import DomainKeyReport, KeyReport
from onifast_shared.dkim.selectors import PUBLISHING
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Caller, Who
from onifast_web.access.context import current
from onifast_web.actions import dkim as dkim_actions
from onifast_web.actions.dkim import Action
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _, marked
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.filters import in_script
from onifast_web.webmail.long_lists import shown, wanted
from onifast_web.webmail.pages import page, user

_ACTIONS: dict[str, tuple[Action, str]] = {
    "generate": ("generate", "key"),
    "rotate": ("rotate", "key-rotate"),
    "switch": ("switch", "key-switch"),
    "abort": ("abort", "key-abort"),
}
"""What the page's buttons do, and the note that follows."""

_TITLES = {
    "publishing": marked("New key"),
    "active": marked("Signs now"),
    "retiring": marked("Old key"),
    "retired": marked("Old key"),
}


@dataclass(frozen=True)
class DomainCard:
    """A domain's keys on the page. `checked` says that DNS was asked just now; `problem`, why a key is of no use."""

    domain: str
    report: DomainKeyReport | None
    problem: str
    checked: bool
    may_change: bool

    @property
    def rotating(self) -> bool:
        """Whether a new key waits for its record in DNS."""
        return self.report is not None and bool(self.report.in_state(PUBLISHING))

    def pill(self) -> tuple[str, str]:
        """The state in a word or two, and its colour."""
        if self.problem:
            return _("Key unusable"), "bad"
        if self.report is None or self.report.main is None:
            return _("Not signed"), "wait"
        if self.rotating:
            return _("New key waits for DNS"), "wait"
        if not self.checked:
            return _("DNS not checked"), "idle"
        published = [key.published for key in self.report.in_state("active")]
        if None in published:
            return _("DNS does not answer"), "wait"
        return (_("Published"), "good") if all(published) else (_("Not published"), "bad")

    def title(self, key: KeyReport) -> str:
        """What a key is to the domain."""
        kind = " (Ed25519)" if key.algorithm == "ed25519-sha256" else ""
        return _TITLES[key.state] + kind


@allow(Who.PANEL_USER)
def dkim() -> AnyResponse:
    """Each domain's keys; its owner and administrators may make new ones."""
    caller, _username = user()
    if request.method == "GET":
        return _page(caller)
    web = current()
    domain = dkim_actions.visible_domain(web, caller, request.form.get("domain", ""))
    if not web.database.read(lambda tx: dkim_actions.may_change(tx, caller, domain)):
        raise Problem(403, _("Only the owner of %(domain)s and administrators may change its key.", domain=domain))
    known = _ACTIONS.get(request.form.get("action", ""))
    if known is None:
        raise Problem(400, _("That action is not known."))
    try:
        dkim_actions.change(web, domain, known[0])
    except Problem as problem:
        return _page(caller, problem)
    return redirect(url_for("webmail.dkim", did=known[1], q=wanted() or None), 303)


ROUTES = (PageRoute("GET POST", "/dkim", dkim),)
NAV = (
    NavEntry(
        "dkim",
        marked("Signing (DKIM)"),
        dkim,
        icon="key",
        group=NavGroup.ADDRESSES,
        order=60,
        hint=marked("The keys that sign what your domains send."),
    ),
)
NOTICES: Notices = {
    "key": marked("New key made. Publish its record now."),
    "key-rotate": marked(
        "New key made. Add its record to DNS; the old key goes on signing until DNS shows the new one."
    ),
    "key-switch": marked("Mail is signed with the new key from now on. Keep the old record for a while."),
    "key-abort": marked("The new key is gone. The old one goes on signing."),
}


def _page(caller: Caller, problem: Problem | None = None) -> Response:
    web, asked = current(), request.args.get("check", "")

    def look(tx: Connection) -> list[tuple[str, bool]]:
        names = dkim_actions.domains_of(tx, caller)
        return [(name, dkim_actions.may_change(tx, caller, name)) for name in names]

    # DNS is asked for one domain at a time, when somebody wants to know: a page of forty would wait for forty.
    found = shown(web.database.read(look), lambda each: f"{each[0]} {in_script(each[0])}")
    cards = [_card(name, asked=name == asked, may_change=mine) for name, mine in found.rows]
    status = int(problem.status) if problem else 200
    return page(
        "dkim.html",
        "dkim",
        status,
        domains=cards,
        found=found,
        message=problem.detail if problem else "",
        publish_wait=web.settings.dkim_publish_wait,
        parents=web.settings.dkim_parent_keys,
    )


def _card(domain: str, *, asked: bool, may_change: bool) -> DomainCard:
    try:
        found = dkim_actions.state(current(), domain, ask_dns=asked)
    except Problem as problem:
        if problem.status != HTTPStatus.CONFLICT:
            raise
        return DomainCard(domain, None, problem.detail, asked, may_change)
    return DomainCard(domain, found, "", asked, may_change)
